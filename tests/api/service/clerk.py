"""One life of a gateway as a process of its own, ended by SIGKILL where a test wants it.

Where it dies is decided from outside: store, journal and broadcast are wrapped, and the code that
a user runs knows nothing of it. Each point kills once for each different thing that passes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from threading import Event
from typing import Any

from api.service.terms import RawInput, Wish
from api.store.blobs import Blobs
from api.store.chain import ChainTables
from api.store.tasks import TaskStore
from infernet.actors.daemon import stop_on_signals
from infernet.chain.connection import connect
from infernet.chain.deployment import Contracts, Deployment
from infernet.store.journal import Action
from interpreter.program import Program
from tests.survival.player import Moment, Reaper

from ..office import ACCOUNT, input_for, open_gateway


@dataclass(frozen=True)
class Post:
    """What a life needs. `fired`: file of the deaths died, None: it dies of itself never.

    `wishes`: how many tasks a client asks for, each under a key of its own, until each is answered.
    """

    url: str
    deployment: Deployment
    program: Program
    key: bytes = field(repr=False)
    folder: Path
    fired: Path | None
    wishes: int

    @property
    def answers(self) -> Path:
        """Return the file of the ids that a client was told."""
        return self.folder / "answers"


def serve(post: Post) -> None:
    """Serve until SIGTERM, a client's requests first."""
    log = os.open(post.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stop = Event()
    stop_on_signals(stop)
    board = Contracts(connect(post.url), post.deployment)
    gateway = open_gateway(post.url, board, post.program, post.folder, post.key)
    reaper = Reaper(post.fired, tuple(Moment)) if post.fired else None
    if reaper:
        assert gateway.wallet.journal is not None
        reaper.install(gateway.wallet.journal)
        _stand_at_the_store(reaper)
    gateway.start()
    for number in range(post.wishes):
        wish = Wish("plain", RawInput(input_for(post.program, number)))
        done = gateway.accept(wish, ACCOUNT, f"wish {number}").result(60)
        if reaper:
            reaper.reach(Action("answer", done.task_ids[0], None, 0), Moment.UNSENT)
        with post.answers.open("a") as file:
            file.write(f"{number} {done.task_ids[0].hex()}\n")
    stop.wait()
    gateway.close()


def _stand_at_the_store(reaper: Reaper) -> None:
    """Die within an acceptance, behind its row and its input, and around what was followed."""
    add, accept, apply = Blobs.add, TaskStore.accept, ChainTables.apply

    @wraps(add)
    def adding(self: Blobs, inputs: Mapping[bytes, bytes]) -> None:
        add(self, inputs)
        for root in inputs:
            reaper.reach(Action("input", root, None, 0), Moment.RECORDED)

    @wraps(accept)
    def accepting(self: TaskStore, orders: Any, *rest: Any) -> Any:
        found = accept(self, orders, *rest)
        # Each life draws another nonce, so that an id is no name of the point.
        name = orders[0].input_root
        reaper.reach(Action("row", name, None, 0), Moment.UNSENT)
        return found

    @wraps(apply)
    def applying(self: ChainTables, gone: Any, new: Any, *rest: Any) -> Any:
        name = repr([(event.kind, event.task_id) for event in new]).encode()
        if new:
            reaper.reach(Action("events", name, None, 0), Moment.SEEN)
        told = apply(self, gone, new, *rest)
        if new:
            reaper.reach(Action("events", name, None, 0), Moment.RECORDED)
        return told

    for place, name, wrapper in (
        (Blobs, "add", adding),
        (TaskStore, "accept", accepting),
        (ChainTables, "apply", applying),
    ):
        setattr(place, name, wrapper)
