"""Put one question to several endpoints: at once, in turn, again with growing pauses."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from . import votes
from .endpoints import READ_SECONDS, Endpoint, EndpointFault, Question, Response, safe_name

# So many blocks behind is no accident of a moment.
STALE_BLOCKS = 3
_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.1
_BUDGET_SECONDS = 30.0
# After this long another endpoint is asked too; after the quorum, latecomers get the grace.
_HEDGE_SECONDS = 1.5
_GRACE_SECONDS = 0.25


class QuorumFailure(Exception):
    """The endpoints gave no answer that counts. `is_absent`: none of them answered at all."""

    def __init__(self, what: str, is_absent: bool) -> None:
        super().__init__(what)
        self.is_absent = is_absent


@dataclass(slots=True)
class Poll:
    """The answers to one question so far."""

    answers: list[tuple[Endpoint, Response]] = field(default_factory=list)
    faults: list[tuple[Endpoint, EndpointFault]] = field(default_factory=list)

    @property
    def responses(self) -> list[Response]:
        return [response for _, response in self.answers]

    def take(self, other: Poll) -> None:
        """Hold what another poll holds."""
        self.answers, self.faults = other.answers, other.faults


Decide = Callable[[Poll], Response | None]


class Panel:
    """Endpoints by URL; threads may ask them at once.

    `quorum`: how many must agree. `on_pause`: called when time has passed between two attempts.
    Raises ValueError for a quorum that cannot be met.
    """

    def __init__(self, urls: Sequence[str], quorum: int, on_pause: Callable[[], None]) -> None:
        if not 1 <= quorum <= len(urls):
            raise ValueError(f"{quorum} of {len(urls)} endpoints cannot agree")
        self.endpoints = [Endpoint(url, name) for url, name in zip(urls, _names(urls), strict=True)]
        self.head_number = 0
        self._quorum = quorum
        self._on_pause = on_pause

    def order(self) -> list[Endpoint]:
        """Return the endpoints, those that fare well first."""
        return sorted(
            self.endpoints,
            key=lambda endpoint: (
                endpoint.is_shunned,
                endpoint.head is not None and endpoint.head < self.head_number - STALE_BLOCKS,
                any(endpoint.is_slower(other) for other in self.endpoints),
            ),
        )

    def healthy(self) -> list[Endpoint]:
        """Return the endpoints that are not shunned, or all if those are too few."""
        order = self.order()
        healthy = [endpoint for endpoint in order if not endpoint.is_shunned]
        return healthy if len(healthy) >= self._quorum else order

    def ask_one(self, endpoint: Endpoint, question: Question, poll: Poll) -> Response | None:
        """Return one endpoint's answer; None, noted in `poll`, if it gives none."""
        try:
            answer = endpoint.ask(question)
            if votes.is_throttle(answer):
                endpoint.blame("throttled")
                raise EndpointFault("throttled", "asks for fewer questions")
        except EndpointFault as fault:
            poll.faults.append((endpoint, fault))
            return None
        poll.answers.append((endpoint, answer))
        return answer

    def ask_some(self, question: Question, decide: Decide) -> Poll:
        """Ask a quorum at once, and another endpoint for each that fails or settles nothing."""
        poll, waiting, running, count = Poll(), self.order(), 0, self._quorum
        replies: SimpleQueue[_Reply] = SimpleQueue()
        deadline = time.monotonic() + READ_SECONDS
        while waiting or running:
            while waiting and running < count - len(poll.answers):
                _start(waiting.pop(0), question, replies)
                running += 1
            left = deadline - time.monotonic()
            try:
                reply = replies.get(timeout=max(0.0, min(left, _HEDGE_SECONDS)))
            except Empty:
                if left <= 0:
                    break
                count += 1
                continue
            running -= 1
            _file(reply, poll)
            if decide(poll) is not None:
                break
            if not running and len(poll.answers) >= count:
                count += 1
        return poll

    def ask_all(
        self,
        question: Question,
        endpoints: Sequence[Endpoint],
        is_enough: Callable[[Poll], bool] = lambda _: False,
    ) -> Poll:
        """Ask endpoints at once; when a quorum has answered, latecomers get a little time."""
        poll = Poll()
        replies: SimpleQueue[_Reply] = SimpleQueue()
        for endpoint in endpoints:
            _start(endpoint, question, replies)
        until = time.monotonic() + READ_SECONDS
        for _ in endpoints:
            try:
                _file(replies.get(timeout=max(0.0, until - time.monotonic())), poll)
            except Empty:
                break
            if len(poll.answers) >= self._quorum or is_enough(poll):
                until = min(until, time.monotonic() + _GRACE_SECONDS)
        return poll

    def insist(self, attempt: Decide) -> Response:
        """Repeat an attempt, with growing pauses, until it answers; or raise QuorumFailure."""
        deadline = time.monotonic() + _BUDGET_SECONDS
        for number in range(_ATTEMPTS):
            poll = Poll()
            found = attempt(poll)
            if found is not None:
                return found
            is_hopeless = not poll.answers and all(f.is_permanent for _, f in poll.faults)
            pause = _FIRST_PAUSE_SECONDS * 2.0**number * random.uniform(0.5, 1.5)
            asked_for = [f.retry_seconds for _, f in poll.faults if f.retry_seconds]
            if asked_for and not poll.answers:
                pause = max(pause, min(asked_for))
            is_last = number + 1 == _ATTEMPTS or time.monotonic() + pause > deadline
            if is_last or is_hopeless:
                break
            time.sleep(pause)
            # An answer of before the pause is no answer now.
            self._on_pause()
        raise self.failure(poll)

    def failure(self, poll: Poll) -> QuorumFailure:
        """Return the error that says what each endpoint said."""
        said = [f"{endpoint.name} {fault}" for endpoint, fault in poll.faults]
        said += [f"{endpoint.name} {_gist(answer)}" for endpoint, answer in poll.answers]
        if len(self.endpoints) > 1:
            said.insert(0, f"no {self._quorum} of {len(self.endpoints)} endpoints agree")
        return QuorumFailure("; ".join(said), is_absent=not poll.answers)


_Reply = tuple[Endpoint, Response | EndpointFault]


def _start(endpoint: Endpoint, question: Question, replies: SimpleQueue[_Reply]) -> None:
    """Ask an endpoint in a thread of its own, for which no end of the process waits."""

    def ask() -> None:
        try:
            replies.put((endpoint, endpoint.ask(question)))
        except EndpointFault as fault:
            replies.put((endpoint, fault))

    threading.Thread(target=ask, name=f"ask {endpoint.name}", daemon=True).start()


def _file(reply: _Reply, poll: Poll) -> None:
    endpoint, answer = reply
    if isinstance(answer, EndpointFault):
        poll.faults.append((endpoint, answer))
    else:
        poll.answers.append((endpoint, answer))


def _gist(answer: Response) -> str:
    if "error" in answer:
        return f"says: {votes.message_of(answer)}"
    return "says otherwise" if answer.get("result") is not None else "has nothing yet"


def _names(urls: Sequence[str]) -> list[str]:
    """Return a name for each URL, numbered where hosts repeat."""
    plain = [safe_name(url) for url in urls]
    return [
        name if plain.count(name) == 1 else f"{name} ({plain[: place + 1].count(name)})"
        for place, name in enumerate(plain)
    ]
