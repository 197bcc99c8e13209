"""An engine that hands its work to workers, and computes itself when none answers in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import numpy.typing as npt
import redis
import structlog
from rq.queue import Queue

from infernet.backend.adapters import Adapter, open_with
from infernet.backend.course import Course
from infernet.backend.engine import Engine, course_of
from infernet.backend.exposed import Exposed
from interpreter.errors import InterpreterError
from interpreter.machine import Outcome
from interpreter.program import Program

from .jobs import Answer, Purpose, enqueue, find_answer, forget, open_queue
from .programs import put_program

Bytes = npt.NDArray[np.uint8]

# What settings call this backend.
QUEUE = "queue"
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait. `again_seconds`: until another worker is asked too; then twice that.

    `most_seconds`: until the answer is computed here: a stake may hang on it.
    """

    again_seconds: float = 10.0
    most_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class QueueAdapter:
    """Runs programs on the workers of a queue. `local`: what runs them when nobody answers."""

    client: redis.Redis
    purpose: Purpose
    local: Adapter
    patience: Patience = Patience()

    @property
    def name(self) -> str:
        return QUEUE

    def open(self, program: Program, threads: int) -> Engine:
        queue = open_queue(self.client, self.purpose)
        return RemoteEngine(
            program, queue, self.patience, lambda: open_with(self.local, program, threads)
        )


@dataclass(slots=True)
class RemoteEngine:
    """Runs one program on workers. Threads may share it.

    States of a dispute are computed here: they are many, large, and rarely wanted.
    """

    program: Program
    queue: Queue
    patience: Patience
    open_local: Callable[[], Engine]
    _local: Engine | None = field(init=False, default=None)
    _lock: Lock = field(init=False, default_factory=Lock)

    @property
    def name(self) -> str:
        return f"queue {self.queue.name}"

    @property
    def reasons(self) -> tuple[str, ...]:
        return ()

    def run(self, data: Bytes, iterations: int = 1) -> Outcome:
        answer, what = self._ask(data.tobytes(), iterations), "no worker answers in time"
        if answer is not None and answer.output is not None:
            output = np.frombuffer(answer.output, np.uint8)
            try:
                self.program.header.output_type.check(output, "a worker's output")
                return Outcome(output, answer.halted)
            except InterpreterError as error:
                what = str(error)
        elif answer is not None:
            what = answer.failure
        structlog.get_logger("infernet.queue").warning(
            "computed_locally", what=what, queue=self.queue.name, program=self.program.root
        )
        return self._engine().run(data, iterations)

    def expose(self, data: Bytes, iterations: int, wanted: Sequence[int]) -> Iterable[Exposed]:
        return self._engine().expose(data, iterations, wanted)

    def course(self, data: Bytes, iterations: int) -> Course:
        """Return a run that can stop before any operator."""
        return course_of(self._engine(), data, iterations)

    def _engine(self) -> Engine:
        with self._lock:
            if self._local is None:
                self._local = self.open_local()
            return self._local

    def _ask(self, data: bytes, iterations: int) -> Answer | None:
        """Return a worker's answer; None if there is none in time."""
        began = time.monotonic()
        until, pause = began + self.patience.most_seconds, self.patience.again_seconds
        asked: list[str] = []
        ask_at, answer, is_given = began, None, False
        while answer is None and (now := time.monotonic()) < until:
            try:
                if now >= ask_at:
                    asked.append(self._enqueue(data, iterations))
                    ask_at, pause = now + pause, 2 * pause
                answer = self._look(asked, min(until, ask_at) - now)
                if answer is not None and answer.is_unknown_program:
                    put_program(self.queue.connection, self.program)
                    # A worker that does not keep it is not asked in a circle.
                    rest = _PAUSE_SECONDS if is_given else 0.0
                    asked, ask_at, answer, is_given = [], time.monotonic() + rest, None, True
            except (redis.RedisError, OSError):
                # Redis is away, or came back empty: what was asked there is lost.
                asked, ask_at = [], now + _PAUSE_SECONDS
                time.sleep(_PAUSE_SECONDS)
        forget(self.queue, asked)
        return answer

    def _enqueue(self, data: bytes, iterations: int) -> str:
        return enqueue(self.queue, self.program.root, data, iterations, self._job_seconds)

    def _look(self, asked: list[str], seconds: float) -> Answer | None:
        """Return the first answer to any of the jobs within a second; ConnectionError: lost."""
        for number, job_id in enumerate(reversed(asked)):
            is_waited_for = number == 0 and seconds >= 1
            answer = find_answer(self.queue, job_id, self._most_bytes, is_waited_for)
            if answer is not None:
                return answer
        if seconds < 1 or not asked:
            time.sleep(max(0.0, min(seconds, _PAUSE_SECONDS)))
        return None

    @property
    def _most_bytes(self) -> int:
        return self.program.header.output_type.byte_count

    @property
    def _job_seconds(self) -> int:
        return max(1, int(self.patience.most_seconds))
