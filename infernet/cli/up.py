"""`infernet up`: a whole network on this machine that stays until it is ended."""

from __future__ import annotations

import json
import signal
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from api.access.keys import Scope, changing
from infernet.backend.hashing import hash_bytes
from infernet.chain.deploy import TRIAL
from infernet.chain.deployment import Contracts
from infernet.chain.local.anvil import find_anvil
from infernet.chain.records import Wei
from infernet.chain.wallet import in_ether
from infernet.local.folder import Folder, Notes
from infernet.local.network import CHAIN, FISHERMAN, GATEWAY, MINER, Network
from infernet.local.supervisor import Supervisor, names
from infernet.models.manifest import Manifest, Task
from infernet.models.pipeline import Model
from infernet.models.store import (
    copy_model,
    data_dir,
    find_model,
    list_models,
    load_manifest,
    load_model,
    shipped_dir,
)

from .chain import Engine
from .console import Screen

_MEND_SECONDS = 0.2
# Stakes are locked for a minute each: so many tasks a minute.
_MAX_TASKS = 32
_LEAST_STAKE_WEI = Wei(10**18)


def up(
    folder: Annotated[
        Path | None, typer.Option("--data-dir", help="Where it lives; default: the user's own.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Of the gateway; default: a free one.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model's name or folder; default: those that ship."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Of the chain. auto: anvil where it is installed, else py-evm.")
    ] = Engine.AUTO,
    is_open: Annotated[bool, typer.Option("--open", help="Open the explorer.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object once all is ready.")
    ] = False,
) -> None:
    """Run chain, queue, gateway, worker, miner and fisherman until a signal ends it; keep the data.

    The next run in the same folder goes on where this one ended.
    """
    screen = Screen.open(to_stderr=as_json)
    home = Folder((folder or data_dir() / "network").resolve())
    with home.held() as lock, interruptible(), suppress(KeyboardInterrupt):
        network = _prepare(home, port, models or [], engine)
        screen.title(f"A network in {home.root}")
        supervisor = Supervisor(home.logs, screen.line, (lock,))
        try:
            with supervisor:
                _start(screen, network, supervisor)
                _introduce(screen, network, supervisor, as_json=as_json)
                if is_open:
                    webbrowser.open(f"{network.gateway}/explorer")
                while True:
                    supervisor.mend()
                    time.sleep(_MEND_SECONDS)
        finally:
            network.broker.remove()
            screen.line("ended; all that was done is kept")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end what runs inside as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def adopt(home: Folder, wanted: list[str]) -> list[Model]:
    """Return models by name or folder, those of the user's own copied into the network's store."""
    found = []
    for each in wanted:
        model = load_model(each, hash_bytes)
        shipped = shipped_dir() / model.manifest.name
        if not shipped.is_dir() or load_model(shipped).program.root != model.program.root:
            copy_model(find_model(each), home.data / "models")
        found.append(model)
    return found


def chosen_engine(wanted: Engine) -> str:
    """Return what runs a new chain."""
    if wanted is not Engine.AUTO:
        return wanted.value
    return (Engine.ANVIL if find_anvil() is not None else Engine.PY_EVM).value


def _prepare(home: Folder, port: int | None, wanted: list[str], engine: Engine) -> Network:
    """Return the network of a folder, as it was decided on its first start."""
    known = home.notes()
    if known is None:
        shipped = [entry.name for entry in list_models() if entry.is_shipped]
        adopted = adopt(home, wanted or shipped)
        known = Notes(chosen_engine(engine), tuple(model.manifest.name for model in adopted))
    else:
        more = [model.manifest.name for model in adopt(home, wanted)]
        known = Notes(known.engine, tuple(dict.fromkeys((*known.models, *more))), known.ports)
    network = Network(home, known.engine, known.models, dict(known.ports))
    network.take_port(CHAIN)
    network.take_port(GATEWAY, port)
    return network


def _start(screen: Screen, network: Network, supervisor: Supervisor) -> None:
    """Start everything, and return when all of it is ready."""
    home, base = network.folder, network.base()
    supervisor.start(*base)
    # Keys take a moment to make, and nothing else needs them before the chain runs.
    accounts = [home.account(role) for role in (GATEWAY, MINER, FISHERMAN)]
    supervisor.await_ready(*names(base))
    screen.line(f"chain ({network.engine}) and queue are ready")
    chain = network.chain()
    contracts = network.found(chain, TRIAL)
    network.fund(chain, accounts)
    models = adopt(home, [_place(network, name) for name in network.models])
    network.register(contracts, models)
    stake = in_ether(_stake(contracts, models)).split()[0]
    serving = (
        *network.serving(),
        network.player(
            MINER,
            ("miner", "run", "--yes"),
            {
                "infernet": {"enabled": True, "stake": stake, "max_tasks": _MAX_TASKS},
                "pool": {"gateways": [network.gateway]},
            },
        ),
        network.player(FISHERMAN, ("fisherman", "run")),
    )
    home.note(Notes(network.engine, network.models, network.ports))
    supervisor.start(*serving)
    supervisor.await_ready(*names(serving))


def _stake(contracts: Contracts, models: list[Model]) -> Wei:
    """Return a stake that every model's floor allows."""
    return max(_LEAST_STAKE_WEI, *(contracts.registry.floor(each.program) for each in models))


def asking(model: Manifest) -> str:
    """Return what a first request to a model adds to a call of curl."""
    if model.text is None:
        picture = shipped_dir() / "digits" / "digit-7.png"
        return f"$GATEWAY/v1/tasks -F model={model.name} -F input=@{picture}"
    places = {"generate": "completions", "embed": "embeddings", "classify": "tasks"}
    bodies: dict[Task, dict[str, object]] = {
        "generate": {"prompt": "Once upon a time", "max_tokens": 40},
        "embed": {"input": "Once upon a time"},
        "classify": {"input": {"text": "Once upon a time"}},
    }
    body = json.dumps({"model": model.name, **bodies[model.text.task]})
    kind = "-H 'Content-Type: application/json'"
    return f"$GATEWAY/v1/{places[model.text.task]} {kind} -d '{body}'"


def _place(network: Network, name: str) -> str:
    """Return the folder of a model that is served, or its name where it ships."""
    own = network.folder.data / "models" / name
    return str(own) if own.is_dir() else name


def _introduce(screen: Screen, network: Network, supervisor: Supervisor, *, as_json: bool) -> None:
    """Say what runs, where, and what to try."""
    with changing(network.folder.data) as keys:
        _, key = keys.create("infernet up", [Scope.TASKS_READ, Scope.TASKS_WRITE])
    urls = {
        "explorer": f"{network.gateway}/explorer",
        "gateway": network.gateway,
        "openapi": f"{network.gateway}/openapi.json",
        "chain": network.node,
        "queue": network.broker.url,
    }
    if as_json:
        facts = {"urls": urls, "key": key, "pids": supervisor.pids(), "models": network.models}
        typer.echo(json.dumps({"folder": str(network.folder.root), **facts}))
        return
    rows = [
        (name, str(pid), str(supervisor.log_of(name))) for name, pid in supervisor.pids().items()
    ]
    screen.texts(("what runs", "process", "log"), rows)
    for name, url in urls.items():
        screen.line(f"{name:<10} {url}")
    config = network.folder.settings(GATEWAY)
    screen.title("Try it")
    screen.prose(
        "The key is shown this once; another comes from `infernet api key create NAME --config "
        f"{config}`."
    )
    call = 'curl -sS -H "Authorization: Bearer $INFERNET_API_KEY"'
    first = load_manifest(find_model(_place(network, network.models[0])))
    for line in (
        f"export GATEWAY={network.gateway} INFERNET_API_KEY={key}",
        f"{call} {asking(first)}",
        "ID=0x...  # the id in the answer",
        f"{call} -N $GATEWAY/v1/tasks/$ID/events",
        f"{call} $GATEWAY/v1/tasks/$ID/receipt -o receipt.json",
        "infernet task verify receipt.json",
    ):
        screen.line(line)
    screen.line("")
    screen.line("Ctrl-C ends all of it; the data stays.")
