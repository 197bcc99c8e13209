"""Keep players' processes alive until a scene has ended; let time jump while all of them wait."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from infernet.chain.records import Address
from infernet.chain.wallet import KeySigner, Wallet

from .player import Moment, Part, Role, live
from .town import Town

# Far below the grace of one turn, so that whoever has to move is never late for it.
JUMP_SECONDS = 120
_QUIET_TICKS = 5
_QUIET_SECONDS = 0.25
# A preloaded parent makes a life cost its own work alone, not its imports.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.survival.player"])


@dataclass
class Actor:
    """A player: its part, its present process, and how its lives ended (exit codes)."""

    part: Part
    process: BaseProcess | None = None
    ticks: Any = field(default_factory=lambda: _PROCESSES.RawValue("q", 0))
    ends: Counter[int] = field(default_factory=Counter)

    @property
    def address(self) -> Address:
        return self.part.signer.address

    def start(self) -> None:
        """Begin a life."""
        self.process = _PROCESSES.Process(target=live, args=(self.part, self.ticks), daemon=True)
        self.process.start()

    def is_alive(self) -> bool:
        """Return whether the process runs; count the end of one that does not."""
        if self.process is not None and not self.process.is_alive():
            self.process.join()
            assert self.process.exitcode is not None
            self.ends[self.process.exitcode] += 1
            self.process = None
        return self.process is not None

    def stop(self) -> None:
        """Ask the process to end in order, as a service manager does, and require that it does."""
        if not self.is_alive():
            return
        assert self.process is not None
        self.process.terminate()
        self.process.join(15)
        assert self.process.exitcode == 0, f"{self.part.name} ended with {self.process.exitcode}"
        self.process = None

    def kill(self) -> None:
        """End the process at once."""
        if self.is_alive():
            assert self.process is not None
            self.process.kill()
            self.process.join()
            self.process = None

    def log(self) -> str:
        """Return what all lives wrote."""
        path = self.part.folder / f"{self.part.name}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def deaths(self) -> Counter[tuple[str, str]]:
        """Return how often it died at each (function, moment)."""
        if not self.part.fired or not self.part.fired.exists():
            return Counter()
        lines = self.part.fired.read_text(encoding="ascii").splitlines()
        return Counter((line.split("\t")[0], line.split("\t")[2]) for line in lines)


@dataclass
class Troupe:
    """The players of one town. `urls`: the endpoints that they use, the node's own by default."""

    town: Town
    folder: Path
    urls: tuple[str, ...] = ()
    confirmations: int = 2
    actors: list[Actor] = field(default_factory=list)

    def cast(
        self,
        name: str,
        role: Role,
        lie_at: int | None = None,
        wallet: Wallet | None = None,
        moments: tuple[Moment, ...] = (),
        urls: tuple[str, ...] = (),
    ) -> Actor:
        """Return a funded player that dies at `moments` of each of its transactions."""
        wallet = wallet or self.town.wallet()
        assert isinstance(wallet.signer, KeySigner)
        part = Part(
            name=name,
            role=role,
            urls=urls or self.urls or (self.town.anvil.url,),
            deployment=self.town.contracts.deployment,
            key=bytes(wallet.signer._account.key),
            folder=self.folder,
            program=self.town.program,
            conformance=self.town.conformance,
            lie_at=lie_at,
            fired=self.folder / f"{name}.fired" if moments else None,
            moments=moments,
            confirmations=self.confirmations,
        )
        actor = Actor(part)
        self.actors.append(actor)
        return actor

    def play(
        self,
        has_ended: Callable[[], bool],
        *actors: Actor,
        seconds: float = 120,
        on_round: Callable[[], object] = lambda: None,
        jump_seconds: int = JUMP_SECONDS,
    ) -> None:
        """Restart whoever dies, and let time jump while nobody has anything to do."""
        until = time.monotonic() + seconds
        quiet = Quiet(self.town, actors)
        while not has_ended():
            if time.monotonic() > until:
                logs = "\n".join(f"== {a.part.name}\n{a.log()[-3000:]}" for a in actors)
                raise AssertionError(f"the scene has not ended within {seconds} s\n{logs}")
            for actor in actors:
                if not actor.is_alive():
                    require_killed(actor)
                    actor.start()
                    quiet.reset()
            on_round()
            if quiet.is_here() and jump_seconds:
                self.town.skip(jump_seconds)
                quiet.reset()
            time.sleep(0.02)

    def close(self) -> None:
        """End all processes."""
        for actor in self.actors:
            actor.kill()


class Quiet:
    """Notices that the chain stands still while every player looks at it again and again."""

    def __init__(self, town: Town, actors: tuple[Actor, ...]) -> None:
        self._town, self._actors = town, actors
        self.reset()

    def reset(self) -> None:
        """Wait anew."""
        self._since = time.monotonic()
        self._head = b""
        self._ticks: list[int] = []

    def is_here(self) -> bool:
        """Return whether nothing has happened for long enough."""
        if not all(actor.process and actor.process.is_alive() for actor in self._actors):
            self.reset()
            return False
        ticks = [actor.ticks.value for actor in self._actors]
        head = bytes.fromhex(
            self._town.anvil.rpc("eth_getBlockByNumber", "latest", False)["hash"][2:]
        )
        if head != self._head or not self._ticks:
            self._head, self._ticks, self._since = head, ticks, time.monotonic()
            return False
        passed = [now - then for now, then in zip(ticks, self._ticks, strict=True)]
        return min(passed, default=_QUIET_TICKS) >= _QUIET_TICKS and (
            time.monotonic() - self._since >= _QUIET_SECONDS
        )


def require_killed(actor: Actor) -> None:
    """Raise unless all lives so far ended by SIGKILL: a player must not end by itself."""
    wrong = {code: n for code, n in actor.ends.items() if code != -signal.SIGKILL}
    assert not wrong, f"{actor.part.name} ended by itself: {wrong}\n{actor.log()[-3000:]}"


@contextmanager
def troupe(
    town: Town, folder: Path, urls: tuple[str, ...] = (), confirmations: int = 2
) -> Iterator[Troupe]:
    """Give the players of a town, and end all their processes afterwards."""
    found = Troupe(town, folder, urls, confirmations)
    try:
        yield found
    finally:
        found.close()
