"""`infernet fisherman`: re-execute results and challenge false ones."""

from __future__ import annotations

from typing import Annotated

import typer

from fisherman.actor import Fisherman
from fisherman.policy import FishermanPolicy, Mode
from infernet.actors.crew import Crew
from infernet.chain.records import Wei
from infernet.config import Config, load
from infernet.monitor.snapshot import Role
from infernet.queue.jobs import Purpose

from .options import (
    ConfigFile,
    ContractsFile,
    Keystore,
    LogFormat,
    LogLevel,
    PassphraseFile,
    Rpc,
    seam_flags,
    set_up_logs,
)
from .player import Watch, open_player, play

app = typer.Typer(help="Watch results and challenge false ones.", no_args_is_help=True)


@app.callback()
def fisherman() -> None:
    """Watch results and challenge false ones."""


@app.command("run")
def run(
    mode: Annotated[
        str | None,
        typer.Option(
            help="watchtower: alerts only; defensive: plays its games; full: challenges too."
        ),
    ] = None,
    sample: Annotated[
        str | None, typer.Option(help="Share of results to re-execute: 0.5 or 50%.")
    ] = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
) -> None:
    """Watch until a signal ends it; the next run goes on where this one stopped."""
    set_up_logs(log_level, log_format)
    flags = seam_flags(rpc, contracts, keystore, passphrase_file)
    flags |= {"fisherman.mode": mode, "fisherman.sample": sample}
    player = open_player(load(config, flags).config, Purpose.VERIFY)
    policy = policy_of(player.config)
    watch = Watch(player, Role.FISHERMAN)

    def make() -> Fisherman:
        return Fisherman(
            player.contracts,
            player.wallet,
            player.signer,
            player.holdings(),
            player.conformance,
            "fisherman",
            watch.observers.on_report,
            policy,
            player.database,
            Crew(policy.max_runs),
        )

    play(player, watch, make)


def policy_of(config: Config) -> FishermanPolicy:
    """Return what the settings want of a fisherman; raises PolicyError."""
    table = config.fisherman
    return FishermanPolicy(Mode(table.mode), table.sample, Wei(table.minimum_profit))
