"""Things to look at: a node with a real model, a final result, and a lie that is caught."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from fastapi import FastAPI

from api.access.guard import Access
from api.access.pages import account_router
from api.access.server import Server
from api.explorer.explorer import ChainExplorer
from api.explorer.live import Live
from api.explorer.routes import explorer_router
from executor.actor import Executor
from fisherman.actor import Fisherman
from infernet.backend.conformance import require_conformance
from infernet.backend.hashing import hash_bytes
from infernet.backend.tamper import TamperedTrace
from infernet.chain.deploy import deploy
from infernet.chain.deployment import Contracts
from infernet.chain.records import GameId, GameStatus, TaskId, TaskStatus, Wei
from infernet.chain.wallet import Wallet
from infernet.cli.demo_lie import narrow
from infernet.models.images import read_input
from infernet.models.pipeline import Model
from infernet.models.store import load_model, shipped_dir
from interpreter.program import Step
from tests.anvil import Anvil
from tests.stage import MUTATION
from tests.survival.town import BRISK, Town

_ROUNDS = 40
_START_SECONDS, _END_SECONDS = 10, 5


def digits() -> Model:
    """Return the model that reads handwritten digits."""
    return load_model("digits", hash_bytes)


def town_of(anvil: Anvil, model: Model) -> Town:
    """Deploy to a fresh node and register a model; inputs are its sample of a seven."""
    deployer = anvil.wallet()
    contracts = deploy(deployer, BRISK)
    contracts.registry.register(deployer, model.program)
    data = read_input(model, shipped_dir() / "digits" / "digit-7.png").tobytes()
    return Town(deployer.chain, contracts, model.program, data, require_conformance(), anvil=anvil)


@dataclass
class Scene:
    """A town with an honest executor, a liar and a fisherman. `lie_at`: the falsified step."""

    town: Town
    model: Model
    lie_at: int
    requester: Wallet
    executor: Executor = field(init=False)
    liar: Executor = field(init=False)
    fisherman: Fisherman = field(init=False)

    def __post_init__(self) -> None:
        self.executor = self.town.executor(self.town.wallet())
        self.liar = self.town.executor(self.town.wallet(), self.lie_at)
        self.fisherman = self.town.fisherman(self.town.wallet())

    def finish_one(self) -> TaskId:
        """Let a task become final."""
        task = self.town.request(self.requester)
        for _ in range(4):
            self.executor.tick()
        self.town.skip(BRISK.market.window_seconds + 1)
        for _ in range(2):
            self.executor.tick()
        assert self.town.contracts.market.task(task).status is TaskStatus.FINAL
        return task

    def begin_lie(self) -> tuple[TaskId, GameId]:
        """Let the liar assert and the fisherman commit to a challenge."""
        task = self.town.request(self.requester)
        for _ in range(_ROUNDS):
            self.liar.tick()
            self.fisherman.tick()
            if found := self.town.contracts.games.challenges():
                return task, found[-1].game_id
        raise AssertionError("the fisherman challenged nobody")

    def moves(self, game_id: GameId) -> Iterator[GameStatus]:
        """Play a dispute on, and yield its status after each round until it is decided."""
        games = self.town.contracts.games
        for _ in range(_ROUNDS):
            self.town.skip(20)
            self.fisherman.tick()
            self.liar.tick()
            status = games.game(game_id).status
            yield status
            if status in (GameStatus.WON, GameStatus.LOST):
                return
        raise AssertionError("the dispute does not end")

    def settle(self) -> None:
        """Let the reward be paid."""
        for _ in range(4):
            self.town.skip(BRISK.game.open_seconds + 1)
            self.fisherman.tick()


def scene_on(anvil: Anvil, model: Model) -> Scene:
    """Return a scene before its first task."""
    town = town_of(anvil, model)
    return Scene(town, model, _proven_lie(town), town.wallet())


def _proven_lie(town: Town) -> int:
    """Return a lie over which the fisherman has the last word."""
    truth, arity = town.truth(), town.contracts.game_constants.arity
    for step in range(truth.steps // 3, truth.steps):
        if narrow(truth, TamperedTrace(truth, Step(step), MUTATION), arity)[1] % 2 == 0:
            return step
    raise AssertionError("every lie of this program ends with the liar's turn")


def app_over(contracts: Contracts, models: tuple[Model, ...]) -> FastAPI:
    """Return an application of the explorer and the page of a key alone."""
    app = FastAPI()
    folder = app.state.folder = TemporaryDirectory()
    app.include_router(account_router(Access.open(Path(folder.name)), lambda _: Wei(0)))
    explorer = ChainExplorer(contracts, models)
    app.state.live = Live(explorer.board, poll_seconds=0.1)
    app.include_router(explorer_router(explorer, app.state.live))
    return app


@contextmanager
def served(app: FastAPI, on_end: Callable[[], None] | None = None) -> Iterator[str]:
    """Serve an application on a port of the loopback, and give its URL.

    `on_end`: ends its streams, None for those of the explorer.
    """
    # With the protocol named, asyncio sends without delay.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning")
    server = Server(config, on_end or (lambda: app.state.live.close()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    end = time.monotonic() + _START_SECONDS
    while not server.started:
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(_END_SECONDS)
        assert not thread.is_alive(), "the server did not end"
