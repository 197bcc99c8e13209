"""Runs of the models that a miner serves: started once, timed, and few in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Lock

from infernet.actors.holdings import Holding, Holdings, Run
from infernet.actors.tries import Tries
from infernet.chain.records import ProgramRoot, TaskId
from interpreter.merkle import Hash
from interpreter.program import Step

from .errors import InferenceFailed
from .inputs import Inputs

_SHORTEST_SECONDS = 0.001
# Of the slowest model measured, Llama-3-8B token by token (docs/benchmarks.md).
_STEPS_A_SECOND = 5e7

OnInference = Callable[[ProgramRoot, float], None]


def ignore_inference(root: ProgramRoot, duration_seconds: float) -> None:
    """Note nothing about a run."""


@dataclass(slots=True)
class SharedRun:
    """A run that answers one thread at a time; whatever an engine raises is InferenceFailed."""

    run: Run
    iterations: int
    _output: bytes | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def has_output(self) -> bool:
        """Return whether the output is known already."""
        return self._output is not None

    @property
    def output(self) -> bytes:
        """Return the output bytes."""
        with self._lock, _guarded():
            if self._output is None:
                self._output = self.run.output
            return self._output

    @property
    def halted(self) -> bool:
        """Say whether HALT ends the run."""
        with self._lock, _guarded():
            return self.run.halted

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
        self,
        holdings: Holdings,
        inputs: Inputs,
        tries: Tries,
        most: int,
        on_inference: OnInference,
    ) -> None:
        self._holdings, self._inputs, self._most = holdings, inputs, most
        self._tries, self._on_inference = tries, on_inference
        self._kept: OrderedDict[TaskId, SharedRun] = OrderedDict()
        # What an iteration is expected to take, and what one alone took at the start.
        self._seconds: dict[ProgramRoot, float] = {}
        self._rehearsed: dict[ProgramRoot, float] = {}
        self._lock, self._alone = Lock(), Lock()

    def of(self, task_id: TaskId, root: ProgramRoot, iterations: int) -> SharedRun | None:
        """Return the run of a task; None while the node does not tell its input.

        Raises InferenceFailed.
        """
        with self._lock:
            if found := self._kept.get(task_id):
                self._kept.move_to_end(task_id)
                return found
        data = self._inputs.of(task_id)
        if data is None:
            return None
        with _guarded():
            run = SharedRun(self._holdings[root].start_run(data, iterations), iterations)
        with self._lock:
            # Another thread may have been as fast; all then use the same one.
            run = self._kept.setdefault(task_id, run)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return run

    def infer(self, task_id: TaskId, root: ProgramRoot, iterations: int) -> SharedRun | None:
        """Return a task's run, its output known, and note how long that took.

        None without its input. Raises InferenceFailed.
        """
        with self._lock:
            known = self._kept.get(task_id)
        if known and known.has_output:
            return known
        # One of the tasks that were in work at a crash may be its cause: one at a time tells which.
        with self._alone if self._tries.count(task_id) else nullcontext():
            return self._infer(task_id, root, iterations)

    def _infer(self, task_id: TaskId, root: ProgramRoot, iterations: int) -> SharedRun | None:
        self._tries.begin(task_id)
        run = self.of(task_id, root, iterations)
        if run is None:
            self._tries.succeed(task_id)
            return None
        began = time.perf_counter()
        run.output  # noqa: B018
        seconds = time.perf_counter() - began
        self._tries.succeed(task_id)
        with self._lock:
            # A run beside others is slower; what counts is what to expect.
            mean = (self._seconds[root] + seconds / run.iterations) / 2
            # Positions of a prompt run together, and a halt ends a run: who asks for such runs must
            # not make the next one, which may have neither, look short.
            is_partial = run.iterations > 1 or run.halted
            least = self._rehearsed[root] if is_partial else _SHORTEST_SECONDS
            self._seconds[root] = max(least, mean)
        self._on_inference(root, seconds)
        return run

    def rehearse(self) -> None:
        """Run each model for an iteration, on zeros, to know what one takes.

        Raises InferenceFailed.
        """
        for root, holding in self._holdings.items():
            # The first run reads the weights from disk; many iterations would multiply that.
            for _ in range(2 if holding.header.max_iterations > 1 else 1):
                self._seconds[root] = max(_SHORTEST_SECONDS, _seconds_alone(holding))
            self._rehearsed[root] = self._seconds[root]

    def expected_seconds(self, root: ProgramRoot, iterations: int) -> float:
        """Return how long an inference takes, as measured of one iteration."""
        with self._lock:
            return self._seconds[root] * iterations

    def drop(self, task_id: TaskId) -> None:
        """Let go of a run; a dispute starts it again."""
        with self._lock:
            self._kept.pop(task_id, None)


def _seconds_alone(holding: Holding) -> float:
    """Return what an iteration on zeros takes, to its end."""
    began = time.perf_counter()
    with _guarded():
        run = holding.start_run(bytes(holding.header.input_type.byte_count))
        run.output  # noqa: B018
        seconds, is_short = time.perf_counter() - began, run.halted
    # Zeros may halt what other inputs do not: such a run tells little, its steps tell more.
    least = holding.header.steps_per_iteration / _STEPS_A_SECOND if is_short else 0.0
    return max(seconds, least)


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Engines may be anybody's, and each fails in ways of its own.
        raise InferenceFailed(f"the engine failed: {type(error).__name__}: {error}") from error
