"""`infernet task submit`: ask for runs of a model, on chain or through a gateway."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from executor.policy import MINIMUM_SECONDS
from infernet.backend.hashing import hash_bytes
from infernet.chain.deployment import Contracts
from infernet.chain.market import MAX_INPUT_BYTES, Request
from infernet.chain.records import ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.wallet import Wallet
from infernet.config import ConfigError, load
from infernet.config.values import ether
from infernet.models.errors import InvalidInput
from infernet.models.images import read_input
from infernet.models.pipeline import Model
from infernet.models.store import load_model

from . import task_gateway, task_text
from .console import Screen
from .demo_scene import choose_inputs
from .options import (
    AsJson,
    ConfigFile,
    ContractsFile,
    GatewayUrl,
    Keystore,
    PassphraseFile,
    Rpc,
    seam_flags,
)
from .session import open_till, use_data_dir
from .task_follow import await_final
from .task_gateway import gateway_of
from .times import read_duration

_FEE, _DEADLINE = "0.01", "1h"


def submit(
    model: Annotated[str, typer.Argument(help="A model that is registered.")],
    inputs: Annotated[
        list[Path] | None, typer.Argument(help="Pictures or .npy; default: the model's samples.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many tasks, over the inputs in turn.")
    ] = None,
    iterations: Annotated[
        int, typer.Option(min=1, help="Of each run: positions of a model that makes tokens.")
    ] = 1,
    fee: Annotated[
        str | None, typer.Option(help="Of each task, in ether; default: 0.01, or the gateway's.")
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            help="Until an unfinished task can be taken back: 2h, 1h30m, 7200; default: 1h, or "
            "the gateway's."
        ),
    ] = None,
    text: task_text.Prompt = None,
    max_tokens: task_text.MaxTokens = None,
    temperature: task_text.Temperature = 0.0,
    seed: task_text.Seed = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all are final.")] = False,
    gateway: GatewayUrl = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask for runs of a model; the inputs travel to the chain, the fees are locked there."""
    settings = load(config, seam_flags(rpc, contracts, keystore, passphrase_file, gateway)).config
    use_data_dir(settings)
    said = task_text.text_of(text, max_tokens, temperature, seed)
    if said and (inputs or iterations != 1):
        raise ConfigError("--text excludes files and --iterations; leave out one or the others")
    if url := gateway_of(settings, gateway, rpc, contracts, keystore, passphrase_file):
        task_gateway.submit(
            url,
            model,
            [said] if said else inputs or [],
            count,
            iterations=iterations,
            fee_wei=None if fee is None else _fee(fee),
            deadline_seconds=None if deadline is None else read_duration(deadline, "--deadline"),
            is_awaited=wait,
            as_json=as_json,
        )
        return
    fee_wei, seconds = _fee(fee or _FEE), _deadline(deadline or _DEADLINE)
    stored = load_model(model, hash_bytes)
    data = [] if said else _inputs(model, stored, inputs or [])
    runs = [task_text.run_of(model, said)] if said else [(each, iterations) for each in data]
    screen, wanted = Screen.open(to_stderr=True), count or len(runs)
    found: list[TaskId] = []
    with open_till(settings) as (board, wallet):
        until = Seconds(board.chain.next_timestamp() + seconds)
        root = ProgramRoot(stored.program.root)
        try:
            with screen.progress(f"requesting {wanted} runs of {model}", wanted) as advance:
                for number in range(wanted):
                    one, times = runs[number % len(runs)]
                    request = Request(root, fee_wei, until, secrets.randbits(63), times)
                    value = _missing(board, wallet, fee_wei)
                    task_id, _ = board.market.request_with_input(wallet, request, one, value)
                    found.append(task_id)
                    advance(number + 1)
        finally:
            # What was paid for is named, whatever comes after it.
            ids = [f"0x{task_id.hex()}" for task_id in found]
            typer.echo(json.dumps(ids) if as_json else "\n".join(ids), nl=as_json or bool(ids))
        if wait:
            await_final(board, found, screen)


def _inputs(name: str, model: Model, given: list[Path]) -> list[bytes]:
    size = model.program.header.input_type.byte_count
    if size > MAX_INPUT_BYTES:
        raise InvalidInput(
            f"model '{name}' takes {size} bytes; an input carried to the chain has at most "
            f"{MAX_INPUT_BYTES}"
        )
    paths = given or list(choose_inputs(name, model, None))
    return [read_input(model, path).tobytes() for path in paths]


def _missing(board: Contracts, wallet: Wallet, fee: Wei) -> Wei:
    return Wei(max(0, fee - board.vault.balance(wallet.address).free))


def _fee(text: str) -> Wei:
    try:
        return Wei(ether(text))
    except ValueError as error:
        raise ConfigError(f"--fee is '{text}'; it has to be {error}") from None


def _deadline(text: str) -> Seconds:
    found = read_duration(text, "--deadline")
    if found <= MINIMUM_SECONDS:
        raise ConfigError(
            f"--deadline is '{text}'; miners leave tasks alone that end within "
            f"{MINIMUM_SECONDS // 60} minutes, so give more"
        )
    return found
