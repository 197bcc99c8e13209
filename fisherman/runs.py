"""Re-executions: guarded against engines that fail, and few in memory at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from infernet.actors.holdings import Holdings, Run
from infernet.chain.market import Market
from infernet.chain.records import AssertionId, ProgramRoot, TaskId
from interpreter.merkle import Hash
from interpreter.program import Step

from .errors import RunFailed


@dataclass(frozen=True, slots=True)
class GuardedRun:
    """A run whose failures all are RunFailed."""

    run: Run

    @property
    def output(self) -> bytes:
        """Return the output bytes."""
        with guarded():
            return self.run.output

    @property
    def halted(self) -> bool:
        """Say whether HALT ends the run."""
        with guarded():
            return self.run.halted

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step, in the order given."""
        with guarded():
            return self.run.state_hashes(steps)

    def proof(self, step: Step) -> bytes:
        """Return the one-step proof of `step`."""
        with guarded():
            return self.run.proof(step)


class Runs:
    """Starts runs of held models; keeps the `most` used last, for the games in play."""

    def __init__(self, holdings: Holdings, market: Market, most: int) -> None:
        self._holdings, self._market, self._most = holdings, market, most
        self._kept: OrderedDict[AssertionId, GuardedRun] = OrderedDict()
        self._lock = Lock()

    def start(self, root: ProgramRoot, data: bytes, iterations: int) -> GuardedRun:
        """Return a fresh run on an input, or raise RunFailed."""
        with guarded():
            return GuardedRun(self._holdings[root].start_run(data, iterations))

    def of(self, assertion_id: AssertionId, task_id: TaskId) -> GuardedRun | None:
        """Return the run of an assertion's task; None without the input or the model."""
        with self._lock:
            if found := self._kept.get(assertion_id):
                self._kept.move_to_end(assertion_id)
                return found
        task = self._market.task(task_id)
        data = self._market.carried_input(task_id)
        if data is None or task.program_root not in self._holdings:
            return None
        run = self.start(task.program_root, data, task.iterations)
        self.keep(assertion_id, run)
        return run

    def keep(self, assertion_id: AssertionId, run: GuardedRun) -> None:
        """Hold a run for later; the one that was used least recently makes room."""
        with self._lock:
            self._kept[assertion_id] = run
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def drop(self, assertion_id: AssertionId) -> None:
        """Let go of a run."""
        with self._lock:
            self._kept.pop(assertion_id, None)


@contextmanager
def guarded() -> Iterator[None]:
    """Turn whatever an engine raises into RunFailed."""
    try:
        yield
    except MemoryError as error:
        raise RunFailed(
            f"the run needs more memory than is free ({error}); make room, or watch this model on "
            "a larger machine"
        ) from error
    except Exception as error:
        # Engines may be anybody's, and each fails in ways of its own.
        raise RunFailed(f"the engine failed: {type(error).__name__}: {error}") from error
