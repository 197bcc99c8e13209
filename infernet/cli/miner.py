"""`infernet miner`: make a key, register, serve, take the money out."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from executor.actor import Executor
from executor.inputs import Inputs
from executor.policy import Policy
from executor.pool import Pool
from executor.registration import Plan, carry_out, plan
from executor.withdrawal import Standing, standing, withdraw
from infernet.actors.crew import Crew
from infernet.chain.errors import InsufficientBalance
from infernet.chain.records import NO_WEI, ProgramRoot, Wei
from infernet.chain.wallet import in_ether
from infernet.config import Config, ConfigError, load
from infernet.config.values import ether as read_ether
from infernet.keys import address_of, read_passphrase
from infernet.keystore import create_keystore
from infernet.monitor.snapshot import Capacity, Role
from infernet.queue.jobs import Purpose

from .console import Screen, ether, ether_at_most
from .options import (
    AsJson,
    ConfigFile,
    ContractsFile,
    Keystore,
    LogFormat,
    LogLevel,
    PassphraseFile,
    Rpc,
    Yes,
    seam_flags,
    set_up_logs,
)
from .player import Player, Watch, open_player, play
from .session import confirm_cost
from .template import miner_toml

app = typer.Typer(help="Serve tasks and earn their fees.", no_args_is_help=True)

_POLL_SECONDS = 2.0


@app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; default: here.")] = Path(),
    passphrase_file: PassphraseFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a miner.toml.")] = False,
) -> None:
    """Make a key in an encrypted keystore, and a miner.toml that names it; print the account."""
    screen = Screen.open(to_stderr=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be made a folder: {error.strerror}; name another"
        ) from None
    settings, keystore = folder / "miner.toml", folder / "keystore.json"
    if settings.exists() and not force:
        raise ConfigError(f"{settings} exists already; edit it, or replace it with --force")
    if not keystore.exists():
        address = create_keystore(keystore, _new_passphrase(passphrase_file))
        screen.prose(f"new key in {keystore}; keep a copy, nothing can replace it")
    else:
        address = address_of(keystore)
        screen.line(f"{keystore} is kept as it is")
    # The URL of a node may hold a password.
    settings.touch(mode=0o600)
    settings.chmod(0o600)
    settings.write_text(miner_toml(_as_seen_from(folder, passphrase_file)), encoding="utf-8")
    screen.prose(f"settings in {settings}; say there what to serve and where the chain is")
    screen.prose(
        "next: send ether to the account below, then `infernet doctor`, `infernet miner run`"
    )
    typer.echo(address)


@app.command("register")
def register(
    backing: Annotated[
        str | None,
        typer.Option(
            help="Ether that the vault is to hold; default: stake x max_tasks. A stake stays "
            "locked until its result is final, so more serves more."
        ),
    ] = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
) -> None:
    """Register the models that are not yet, and deposit the stake; say first what it costs.

    Run it again to raise the stake to what the settings or --backing ask for.
    """
    player = _open(config, seam_flags(rpc, contracts, keystore, passphrase_file))
    try:
        player.wallet.recover()
        screen, wanted = Screen.open(to_stderr=True), _amount("--backing", backing)
        _register(player, screen, _plan(player, wanted), is_agreed=yes, repeat="miner register")
    finally:
        player.database.close()


@app.command("run")
def run(
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
) -> None:
    """Serve tasks until a signal ends it: claim, execute, assert, defend, collect.

    Whatever ends it, the next run goes on where this one stopped.
    """
    set_up_logs(log_level, log_format)
    serve(_open(config, seam_flags(rpc, contracts, keystore, passphrase_file)), is_agreed=yes)


def serve(player: Player, *, is_agreed: bool) -> None:
    """Serve tasks as a player until a signal ends it. `is_agreed`: to what a first start costs."""
    player.wallet.recover()
    policy = _prepare(player, Screen.open(to_stderr=True), is_agreed=is_agreed)
    pool = _pool_of(player)
    counts = dict if pool is None else lambda: pool.counts
    watch = Watch(player, Role.MINER, Capacity(policy.max_tasks, policy.stake_wei), counts)

    def make() -> Executor:
        return Executor(
            player.contracts,
            player.wallet,
            player.holdings(),
            policy,
            player.conformance,
            "miner",
            watch.observers.on_report,
            player.database,
            Crew(player.config.infernet.max_tasks),
            watch.on_inference,
            pool,
        )

    play(player, watch, make, pool)


@app.command("withdraw")
def take_out(
    amount: Annotated[str | None, typer.Option(help="In ether; default: all.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until nothing is locked any more.")
    ] = False,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Take what is not locked out of the vault, into the wallet."""
    wanted = _amount("--amount", amount)
    player = _open(config, seam_flags(rpc, contracts, keystore, passphrase_file))
    screen = Screen.open(to_stderr=True)
    try:
        player.wallet.recover()
        found = standing(player.contracts, player.wallet.address)
        while wait and found.locked_wei:
            _show_locks(screen, found)
            time.sleep(_POLL_SECONDS)
            found = standing(player.contracts, player.wallet.address)
        sent = withdraw(player.contracts, player.wallet, wanted or None)
        left = standing(player.contracts, player.wallet.address)
    finally:
        player.database.close()
    taken = NO_WEI if sent is None else wanted or found.free_wei
    _show_locks(screen, left)
    if as_json:
        typer.echo(json.dumps({"taken_wei": taken, "locked_wei": left.locked_wei}))
    else:
        screen.line(f"{in_ether(taken)} taken out; {in_ether(left.locked_wei)} stay locked")


def policy_of(config: Config) -> Policy:
    """Return what the settings want of a miner; raises PolicyError."""
    table = config.infernet
    return Policy(Wei(table.stake), table.max_tasks, most_seconds=table.most_seconds)


def _pool_of(player: Player) -> Pool | None:
    """Return the pool of the gateways in the settings, not started; None without any."""
    gateways = player.config.pool.gateways
    if not gateways or not player.config.infernet.enabled:
        return None
    sizes = {
        ProgramRoot(model.program.root): model.program.header.input_type.byte_count
        for model in player.models.values()
    }
    inputs = Inputs(player.contracts.market, player.database)
    return Pool(gateways, player.contracts, player.signer, sizes, inputs)


def _open(config: Path | None, flags: dict[str, object]) -> Player:
    return open_player(load(config, flags).config, Purpose.EXECUTE)


def _prepare(player: Player, screen: Screen, *, is_agreed: bool) -> Policy:
    """Register and stake on the first start, and return what this run is ready for.

    A later start never adds to a stake that shrank, and never fails for want of it: games and
    results of this account may be open, and the clocks of those run.
    """
    policy, vault = policy_of(player.config), player.contracts.vault
    held = vault.balance(player.wallet.address)
    if not player.config.infernet.enabled:
        if not held.locked:
            raise ConfigError(
                "infernet.enabled is false, and nothing of this account is open; set it to true "
                "in miner.toml to serve tasks"
            )
        screen.prose("infernet.enabled is false: ends what was begun, and claims nothing new")
        return replace(policy, max_tasks=0)
    wanted = _plan(player, NO_WEI)
    if held.total and not wanted.registrations:
        if wanted.deposit_wei:
            screen.prose(
                f"the vault holds {in_ether(held.total)}, {in_ether(wanted.deposit_wei)} less than "
                "stake x max_tasks; `infernet miner register` adds them"
            )
        return policy
    _register(player, screen, wanted, is_agreed=is_agreed, repeat="miner run")
    return policy


def _plan(player: Player, backing: Wei) -> Plan:
    programs = {name: model.program for name, model in player.models.items()}
    return plan(player.contracts, player.wallet, policy_of(player.config), programs, backing)


def _register(
    player: Player, screen: Screen, wanted: Plan, *, is_agreed: bool, repeat: str
) -> None:
    """Carry out a plan with consent to its cost; raise InsufficientBalance before sending."""
    if not wanted.total_wei:
        screen.line("registered and staked already")
        return
    held = player.wallet.balance
    _show_cost(screen, player, wanted, held)
    if held < wanted.total_wei:
        missing = in_ether(Wei(wanted.total_wei - held))
        raise InsufficientBalance(
            f"account {player.wallet.address} holds {in_ether(held)}, and this takes up to "
            f"{in_ether(wanted.total_wei)}; send it {missing} more, or lower stake or max_tasks. "
            "Nothing was sent"
        )
    confirm_cost("Go on?", is_agreed=is_agreed, repeat=f"infernet {repeat} --yes")

    def show(name: str, done: int, total: int) -> None:
        screen.line(f"model {name}: {done} of {total} operators checked on chain")

    programs = {name: model.program for name, model in player.models.items()}
    carry_out(player.contracts, player.wallet, wanted, programs, show)
    screen.line("registered and staked")


def _show_cost(screen: Screen, player: Player, wanted: Plan, held: Wei) -> None:
    rows = []
    for each in wanted.registrations:
        rows.append((f"registration of model {each.name}", ether(each.cost_wei)))
    if wanted.deposit_wei:
        stake = Wei(player.config.infernet.stake)
        backed = f"{wanted.target_wei // stake} tasks of {in_ether(stake)}"
        rows.append((f"stake, to back {backed}", ether(wanted.deposit_wei)))
    rows.append(("gas, at most", ether_at_most(wanted.gas_wei)))
    rows.append(("together, at most", ether_at_most(wanted.total_wei)))
    rows.append(("in the wallet", ether(held)))
    screen.rows(("What this start costs", "ETH"), rows)
    if wanted.registrations:
        screen.prose("A registration is paid once for a model and does not come back.")
    if wanted.deposit_wei:
        screen.prose("The stake stays yours unless a result is false or a claimed task late.")


def _show_locks(screen: Screen, found: Standing) -> None:
    for lock in found.locks:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(lock.until))
        screen.line(f"task 0x{lock.task_id.hex()}")
        screen.line(f"  {in_ether(lock.stake_wei)} {lock.reason.value}; not before {when}")


def _amount(option: str, text: str | None) -> Wei:
    """Return the wei in an option, none where it was not given; raises ConfigError."""
    try:
        return NO_WEI if text is None else Wei(read_ether(text))
    except ValueError as error:
        raise ConfigError(f"{option} is '{text}'; it has to be {error}") from None


def _as_seen_from(folder: Path, passphrase_file: str | None) -> str | None:
    """Return a path to a file as settings in a folder have to say it."""
    if passphrase_file is None or Path(passphrase_file).expanduser().is_absolute():
        return passphrase_file
    return os.path.relpath(passphrase_file, folder)


def _new_passphrase(passphrase_file: str | None) -> str:
    if passphrase_file:
        return read_passphrase(Path(passphrase_file))
    if not sys.stdin.isatty():
        raise ConfigError("nobody is here to choose a passphrase; name a --passphrase-file")
    chosen = typer.prompt(
        "Passphrase for the new key", hide_input=True, confirmation_prompt=True, err=True
    )
    return str(chosen)
