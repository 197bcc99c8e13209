"""Follow a stream of server-sent events over breaks, without sending."""

from __future__ import annotations

from collections.abc import Iterator

from .answers import ENDS, Event
from .errors import TryLater, Unreachable, Unreadable
from .reading import Reply, problem_in, read
from .talk import Patience, task_path

# A gateway comments after 15 s of silence; twice that means that nobody is there.
SILENCE_SECONDS = 35.0
_MOST_LINE_BYTES = 2**20


class Stream:
    """What was heard so far, and how to hear the rest: `headers` resume where it broke.

    `task_id`: None for all tasks, whose stream has no end. That of one task is over where the
    gateway ends it behind the task's end: an end that a reorganisation took back is none.
    """

    def __init__(self, task_id: str | None, after: int | None, patience: Patience) -> None:
        self.path = "/v1/events" if task_id is None else f"{task_path(task_id)}/events"
        self.is_over = False
        self.pause_seconds = 0.0
        self._has_end = task_id is not None
        self._patience = patience
        self._last = self._resume = after
        self._is_ended = False
        self._breaks = 0
        self._rest = b""
        self._data: list[bytes] = []

    @property
    def headers(self) -> dict[str, str]:
        """Return what a request needs besides the key."""
        resume = {} if self._resume is None else {"Last-Event-ID": str(self._resume)}
        return {"Accept": "text/event-stream", "Cache-Control": "no-store", **resume}

    def begin(self) -> None:
        """Forget what a broken stream left unfinished."""
        self._rest, self._data = b"", []

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that a piece of the stream completes, each once, or raise Unreadable."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) + sum(map(len, self._data)) > _MOST_LINE_BYTES:
            raise Unreadable("an event has no end; check the gateway's URL")
        for line in lines:
            event = self._take(line.removesuffix(b"\r"))
            if event is not None:
                yield event

    def broke(self, fault: TryLater) -> None:
        """Pause before the next try, or raise the fault when it came too often."""
        self._breaks += 1
        self.pause_seconds = self._patience.pause(self._breaks, fault)

    def ended(self) -> None:
        """Take up a stream that ended before its task: the gateway restarts, or was too fast."""
        self.is_over = self._is_ended
        if not self.is_over:
            self.broke(Unreachable("the gateway ended the stream of events again and again"))

    def refused(self, reply: Reply) -> None:
        """Pause after an answer that is no stream, or raise what it says."""
        fault = problem_in(reply, 200)
        if isinstance(fault, TryLater):
            self.broke(fault)
        elif fault is not None:
            raise fault

    def _take(self, line: bytes) -> Event | None:
        if line.startswith(b"data:"):
            self._data.append(line.removeprefix(b"data:").removeprefix(b" "))
        if line or not self._data:
            return None
        event = read(Event, b"\n".join(self._data))
        self._data = []
        if self._last is not None and event.sequence <= self._last:
            return None
        self._last, self._breaks = event.sequence, 0
        self._is_ended = self._has_end and event.state in ENDS
        if not self._is_ended:
            # Told once more, the end of a task ends the stream; behind it there is only silence.
            self._resume = event.sequence
        return event
