"""Runs of the models that a miner serves: started once, timed, and few in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from infernet.actors.holdings import Holdings, Run
from infernet.chain.market import Market
from infernet.chain.records import ProgramRoot, TaskId
from interpreter.merkle import Hash
from interpreter.program import Step

from .errors import InferenceFailed

# Before a model has run: what a common processor does in a second.
_STEPS_PER_SECOND = 100_000_000
_SHORTEST_SECONDS = 0.001

OnInference = Callable[[ProgramRoot, float], None]


def ignore_inference(root: ProgramRoot, duration_seconds: float) -> None:
    """Note nothing about a run."""


@dataclass(frozen=True, slots=True)
class SharedRun:
    """A run that answers one thread at a time; whatever an engine raises is InferenceFailed."""

    run: Run
    _lock: Lock = field(default_factory=Lock)

    @property
    def output(self) -> bytes:
        """Return the output bytes."""
        with self._lock, _guarded():
            return self.run.output

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step, in the order given."""
        with self._lock, _guarded():
            return self.run.state_hashes(steps)

    def proof(self, step: Step) -> bytes:
        """Return the one-step proof of `step`."""
        with self._lock, _guarded():
            return self.run.proof(step)


class Runs:
    """Keeps the `most` runs used last. Threads may share it."""

    def __init__(
        self, holdings: Holdings, market: Market, most: int, on_inference: OnInference
    ) -> None:
        self._holdings, self._market, self._most = holdings, market, most
        self._on_inference = on_inference
        self._kept: OrderedDict[TaskId, SharedRun] = OrderedDict()
        self._seconds: dict[ProgramRoot, float] = {}
        self._lock = Lock()

    def of(self, task_id: TaskId, root: ProgramRoot) -> SharedRun | None:
        """Return the run of a task; None while the node does not tell its input.

        Raises InferenceFailed.
        """
        with self._lock:
            if found := self._kept.get(task_id):
                self._kept.move_to_end(task_id)
                return found
        data = self._market.carried_input(task_id)
        if data is None:
            return None
        with _guarded():
            run = SharedRun(self._holdings[root].start_run(data))
        with self._lock:
            # Another thread may have been as fast; all then use the same one.
            run = self._kept.setdefault(task_id, run)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return run

    def infer(self, task_id: TaskId, root: ProgramRoot) -> bytes | None:
        """Return a task's output and note how long that took; None without its input."""
        run = self.of(task_id, root)
        if run is None:
            return None
        began = time.perf_counter()
        output = run.output
        seconds = time.perf_counter() - began
        with self._lock:
            # A run beside others is slower; what counts is what to expect.
            before = self._seconds.get(root, seconds)
            self._seconds[root] = max(_SHORTEST_SECONDS, (before + seconds) / 2)
        self._on_inference(root, seconds)
        return output

    def expected_seconds(self, root: ProgramRoot) -> float:
        """Return how long an inference takes: as measured, or guessed from its steps."""
        with self._lock:
            if root in self._seconds:
                return self._seconds[root]
        steps = self._holdings[root].header.steps_per_iteration
        return max(_SHORTEST_SECONDS, steps / _STEPS_PER_SECOND)

    def drop(self, task_id: TaskId) -> None:
        """Let go of a run; a dispute starts it again."""
        with self._lock:
            self._kept.pop(task_id, None)


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Engines may be anybody's, and each fails in ways of its own.
        raise InferenceFailed(f"the engine failed: {type(error).__name__}: {error}") from error
