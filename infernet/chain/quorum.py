"""Several RPC endpoints as one: what a quorum of them agrees on is true, what one takes is sent.

Reads of the latest state are asked at the highest block that a quorum has; simulations need a
quorum to refuse; transactions go to every endpoint. With a single endpoint only the repetition of
failed questions is left of that.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from eth_utils.crypto import keccak
from web3.providers.base import JSONBaseProvider

from . import votes
from .endpoints import READ_SECONDS, Endpoint, EndpointFault, EndpointStatus, Response, safe_name

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.1
_BUDGET_SECONDS = 30.0
HEAD_SECONDS = 0.5
# After this long another endpoint is asked too; after the quorum, latecomers get the grace.
_HEDGE_SECONDS = 1.5
_GRACE_SECONDS = 0.25
_LIAR_SECONDS = 60.0
# So many blocks behind is no accident of a moment.
_STALE_BLOCKS = 3

_STATE_READS = {
    "eth_blockNumber": 0,
    "eth_call": 1,
    "eth_getBalance": 1,
    "eth_getBlockByNumber": 0,
    "eth_getCode": 1,
    "eth_getStorageAt": 2,
    "eth_getTransactionCount": 1,
}
_MAY_BE_MISSING = ("eth_getTransactionReceipt", "eth_getTransactionByHash")
_PRICES = ("eth_gasPrice", "eth_maxPriorityFeePerGas")
# What everybody must see alike; all else comes from one endpoint.
_AGREED = {
    *_STATE_READS,
    *_MAY_BE_MISSING,
    *_PRICES,
    "eth_estimateGas",
    "eth_getBlockByHash",
    "eth_getLogs",
}
# Repeated, these would do a thing twice.
_ONCE = ("eth_sendTransaction", "eth_sign", "eth_signTransaction")


class QuorumFailure(Exception):
    """The endpoints gave no answer that counts. `is_absent`: none of them answered at all."""

    def __init__(self, what: str, is_absent: bool) -> None:
        super().__init__(what)
        self.is_absent = is_absent


@dataclass(slots=True)
class _Poll:
    """The answers to one question so far."""

    answers: list[tuple[Endpoint, Response]] = field(default_factory=list)
    faults: list[tuple[Endpoint, EndpointFault]] = field(default_factory=list)

    @property
    def responses(self) -> list[Response]:
        return [response for _, response in self.answers]


Decide = Callable[[_Poll], Response | None]


class QuorumProvider(JSONBaseProvider):  # type: ignore[misc]
    """A provider for web3 over endpoints by URL; threads may use it at once.

    `quorum`: how many must agree, by default more than half. Raises ValueError for a quorum that
    cannot be met, and QuorumFailure where no answer counts.
    """

    def __init__(self, urls: Sequence[str], quorum: int | None = None) -> None:
        super().__init__()
        self.quorum = len(urls) // 2 + 1 if quorum is None else quorum
        if not 1 <= self.quorum <= len(urls):
            raise ValueError(f"{self.quorum} of {len(urls)} endpoints cannot agree")
        self.endpoints = [Endpoint(url, name) for url, name in zip(urls, _names(urls), strict=True)]
        self._head_lock = threading.Lock()
        self._head: Response | None = None
        self._head_read = float("-inf")
        self._constants: dict[str, Response] = {}

    @property
    def name(self) -> str:
        """Return the endpoints' names."""
        return ", ".join(endpoint.name for endpoint in self.endpoints)

    def statuses(self) -> list[EndpointStatus]:
        """Return how each endpoint fares."""
        return [endpoint.status() for endpoint in self.endpoints]

    def make_request(self, method: Any, params: Any) -> Response:
        """Return the answer that counts."""
        return {"jsonrpc": "2.0", "id": 0, **self._answer(str(method), list(params or ()))}

    def _answer(self, method: str, params: list[Any]) -> Response:
        if method == "eth_sendRawTransaction":
            return self._broadcast(method, params)
        if method == "eth_chainId":
            if method not in self._constants:
                self._constants[method] = self._voted(method, params)
            return self._constants[method]
        if self.quorum == 1 or method not in _AGREED:
            return self._first(method, params)
        if method == "eth_estimateGas":
            return self._estimated(method, params)
        if method in _PRICES:
            return self._middle(method, params)
        if method in _MAY_BE_MISSING:
            return self._found(method, params)
        if "pending" in params and method != "eth_call":
            return self._pending(method, params)
        return self._at_head(method, params)

    def make_batch_request(self, requests: list[tuple[Any, Any]]) -> list[Response]:
        """Return the answers to several questions."""
        return [self.make_request(method, params) for method, params in requests]

    def each(self, method: str, params: list[Any]) -> list[Response]:
        """Return what the endpoints answer one by one."""
        if self.quorum == 1:
            return [self._first(method, params)]
        return self._poll_all(method, params, self._healthy()).responses

    def head(self) -> Response:
        """Return the highest block (as JSON) that a quorum has; half a second old at most."""
        if self.quorum == 1:
            found = self._first("eth_getBlockByNumber", ["latest", False])
            if not found.get("result"):
                raise QuorumFailure(f"{self.name} has no latest block", is_absent=False)
            self._order()[0].head = int(found["result"]["number"], 16)
            return dict(found["result"])
        with self._head_lock:
            if self._head is None or time.monotonic() - self._head_read > HEAD_SECONDS:
                # The age counts from the question: what happens meanwhile is not in the answer.
                asked = time.monotonic()
                poll = _Poll()
                self._head = self._insist(poll, lambda: self._agree_on_head(poll))
                self._head_read = asked
            return self._head

    def forget_head(self) -> None:
        """Ask for the head anew the next time."""
        self._head_read = float("-inf")

    # One answer suffices.

    def _first(self, method: str, params: list[Any]) -> Response:
        """Return the first answer of any endpoint."""
        is_once = method in _ONCE
        poll, body = _Poll(), self.encode_rpc_request(method, params)

        def attempt() -> Response | None:
            for endpoint in self._order()[: 1 if is_once else None]:
                if answer := self._ask(endpoint, body, poll):
                    return answer
            return None

        return (attempt() or self._fail(poll)) if is_once else self._insist(poll, attempt)

    def _ask(self, endpoint: Endpoint, body: bytes, poll: _Poll) -> Response | None:
        try:
            answer = endpoint.ask(body)
            if votes.is_throttle(answer):
                endpoint.blame("throttled")
                raise EndpointFault("throttled", "asks for fewer questions")
        except EndpointFault as fault:
            poll.faults.append((endpoint, fault))
            return None
        poll.answers.append((endpoint, answer))
        return answer

    # A quorum decides.

    def _voted(self, method: str, params: list[Any]) -> Response:
        """Return the answer that a quorum gives."""
        return self._decided(method, params, lambda poll: self._elect(method, poll))

    def _at_head(self, method: str, params: list[Any]) -> Response:
        """Return the answer that a quorum gives for the agreed head, where it says latest."""
        if method == "eth_blockNumber":
            return {"result": self.head()["number"]}
        place = _STATE_READS.get(method)
        if place is None:
            return self._voted(method, params)
        params += ["latest"] * (place + 1 - len(params))
        if params[place] != "latest":
            return self._voted(method, params)
        head = self.head()
        if method == "eth_getBlockByNumber" and not params[1]:
            return {"result": head}
        params[place] = head["number"]
        return self._voted(method, params)

    def _estimated(self, method: str, params: list[Any]) -> Response:
        """Return a gas that suffices by all that were asked, or the refusal of a quorum."""
        return self._decided(
            method, params, lambda poll: votes.estimate(poll.responses, self.quorum)
        )

    def _elect(self, method: str, poll: _Poll) -> Response | None:
        """Return the answer that a quorum gave so far; who gave another one is shunned."""
        ballots = [(votes.vote_of(method, answer), endpoint) for endpoint, answer in poll.answers]
        elected = votes.majority((vote for vote, _ in ballots), self.quorum)
        if elected is None:
            return None
        winner = next(a for (v, _), a in zip(ballots, poll.responses, strict=True) if v == elected)
        if winner.get("result", ...) is None:
            # Who has what the others lack yet is ahead, and no liar.
            return winner
        for (vote, endpoint), answer in zip(ballots, poll.responses, strict=True):
            if vote is None or answer.get("result", ...) is None:
                endpoint.note("stale")
            elif vote != elected:
                endpoint.blame("disagrees", _LIAR_SECONDS)
        return winner

    def _decided(self, method: str, params: list[Any], decide: Decide) -> Response:
        """Ask a quorum, then the others one by one, until `decide` finds an answer."""
        last, body = _Poll(), self.encode_rpc_request(method, params)

        def attempt() -> Response | None:
            poll = self._poll(body, self._order(), self.quorum, decide)
            last.answers, last.faults = poll.answers, poll.faults
            if (decision := decide(poll)) is not None:
                return decision
            errors = [r for r in poll.responses if "error" in r and not votes.is_trouble(r)]
            # All nodes that answer refuse the question itself: repeating it is no use.
            is_hopeless = errors and len(errors) == len(poll.answers) >= self.quorum
            return errors[0] if is_hopeless else None

        return self._insist(last, attempt)

    # Every endpoint is asked.

    def _broadcast(self, method: str, params: list[Any]) -> Response:
        """Hand a signed transaction to all endpoints; one that takes it suffices."""
        taken = {"result": "0x" + keccak(hexstr=params[0]).hex()}
        last = _Poll()

        def is_taken(poll: _Poll) -> bool:
            return any("result" in answer or votes.is_known(answer) for answer in poll.responses)

        def attempt() -> Response | None:
            # However they fared: the more nodes hold it, the surer it is mined.
            poll = self._poll_all(method, params, self.endpoints, is_taken)
            last.answers, last.faults = poll.answers, poll.faults
            self.forget_head()
            if is_taken(poll):
                return taken
            return poll.responses[0] if poll.answers else None

        return self._insist(last, attempt)

    def _found(self, method: str, params: list[Any]) -> Response:
        """Return what a quorum has found; what fewer have is not found yet."""
        last = _Poll()

        def attempt() -> Response | None:
            poll = self._poll_all(method, params, self._healthy())
            last.answers, last.faults = poll.answers, poll.faults
            missing = {"result": None}
            # A node that has not got it yet does not lie.
            given = [(e, a) for e, a in poll.answers if a.get("result") is not None]
            found = self._elect(method, _Poll(given)) if len(given) >= self.quorum else None
            if found is None:
                return missing if len(poll.answers) >= self.quorum else None
            number = found["result"].get("blockNumber")
            head = self._head
            if number and (head is None or int(number, 16) > int(head["number"], 16)):
                self.forget_head()
            return found

        return self._insist(last, attempt)

    def _pending(self, method: str, params: list[Any]) -> Response:
        """Return the nonce that a quorum has reached; other pending things come from any node."""
        if method != "eth_getTransactionCount":
            return self._first(method, params)
        last = _Poll()

        def attempt() -> Response | None:
            poll = self._poll_all(method, params, self._healthy())
            last.answers, last.faults = poll.answers, poll.faults
            nonce = votes.reached(_integers(poll.responses), self.quorum)
            return None if nonce is None else {"result": hex(nonce)}

        return self._insist(last, attempt)

    def _middle(self, method: str, params: list[Any]) -> Response:
        """Return the middle of what the endpoints say, where each may say something else."""
        last = _Poll()

        def attempt() -> Response | None:
            poll = self._poll_all(method, params, self._healthy())
            last.answers, last.faults = poll.answers, poll.faults
            if numbers := _integers(poll.responses):
                return {"result": hex(votes.lower_median(numbers))}
            return poll.responses[0] if poll.answers else None

        return self._insist(last, attempt)

    def _agree_on_head(self, last: _Poll) -> Response | None:
        """Return the highest block that a quorum has, or None."""
        latest = self._poll_all("eth_getBlockByNumber", ["latest", False], self._healthy())
        last.answers, last.faults = latest.answers, latest.faults
        heads = {e: a["result"] for e, a in latest.answers if a.get("result")}
        numbers = {endpoint: int(head["number"], 16) for endpoint, head in heads.items()}
        highest = votes.reached(numbers.values(), self.quorum)
        if highest is None:
            return None
        told = {number for number in numbers.values() if number <= highest}
        # Where the newest blocks are disputed, one a little older may not be.
        older = range(min(told) - 1, max(-1, min(told) - 1 - _STALE_BLOCKS), -1)
        for number in (*sorted(told, reverse=True), *older):
            blocks = self._blocks_at(number, heads, numbers)
            elected = self._elect("eth_getBlockByNumber", _Poll(blocks))
            if elected is not None:
                for endpoint, its_number in numbers.items():
                    endpoint.head = its_number
                    if its_number < number - _STALE_BLOCKS:
                        endpoint.note("stale")
                return dict(elected["result"])
        return None

    def _blocks_at(
        self, number: int, heads: dict[Endpoint, Response], numbers: dict[Endpoint, int]
    ) -> list[tuple[Endpoint, Response]]:
        """Return the block at a height as each endpoint that has reached it tells it."""
        same = [(e, {"result": head}) for e, head in heads.items() if numbers[e] == number]
        beyond = [endpoint for endpoint in heads if numbers[endpoint] > number]
        if beyond:
            same += self._poll_all("eth_getBlockByNumber", [hex(number), False], beyond).answers
        return [(endpoint, answer) for endpoint, answer in same if answer.get("result")]

    # How questions travel.

    def _order(self) -> list[Endpoint]:
        """Return the endpoints, those that fare well first."""
        head = int(self._head["number"], 16) if self._head else 0
        return sorted(
            self.endpoints,
            key=lambda endpoint: (
                endpoint.is_shunned,
                endpoint.head is not None and endpoint.head < head - _STALE_BLOCKS,
                any(endpoint.is_slower(other) for other in self.endpoints),
            ),
        )

    def _healthy(self) -> list[Endpoint]:
        """Return the endpoints that are not shunned, or all if those are too few."""
        order = self._order()
        healthy = [endpoint for endpoint in order if not endpoint.is_shunned]
        return healthy if len(healthy) >= self.quorum else order

    def _poll(self, body: bytes, order: list[Endpoint], count: int, decide: Decide) -> _Poll:
        """Ask `count` endpoints at once and another for each that fails or settles nothing."""
        poll, waiting, running = _Poll(), list(order), 0
        replies: SimpleQueue[_Reply] = SimpleQueue()
        deadline = time.monotonic() + READ_SECONDS
        while waiting or running:
            while waiting and running < count - len(poll.answers):
                _start(waiting.pop(0), body, replies)
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

    def _poll_all(
        self,
        method: str,
        params: list[Any],
        endpoints: Sequence[Endpoint],
        is_enough: Callable[[_Poll], bool] = lambda _: False,
    ) -> _Poll:
        """Ask endpoints at once; when a quorum has answered, latecomers get a little time."""
        poll, body = _Poll(), self.encode_rpc_request(method, params)
        replies: SimpleQueue[_Reply] = SimpleQueue()
        for endpoint in endpoints:
            _start(endpoint, body, replies)
        until = time.monotonic() + READ_SECONDS
        for _ in endpoints:
            try:
                _file(replies.get(timeout=max(0.0, until - time.monotonic())), poll)
            except Empty:
                break
            if len(poll.answers) >= self.quorum or is_enough(poll):
                until = min(until, time.monotonic() + _GRACE_SECONDS)
        return poll

    def _insist(self, poll: _Poll, attempt: Callable[[], Response | None]) -> Response:
        """Repeat an attempt with growing pauses until it answers, or raise QuorumFailure."""
        deadline = time.monotonic() + _BUDGET_SECONDS
        for number in range(_ATTEMPTS):
            poll.answers, poll.faults = [], []
            found = attempt()
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
            self.forget_head()
        return self._fail(poll)

    def _fail(self, poll: _Poll) -> Response:
        said = [f"{endpoint.name} {fault}" for endpoint, fault in poll.faults]
        said += [f"{endpoint.name} {_gist(answer)}" for endpoint, answer in poll.answers]
        if len(self.endpoints) > 1:
            said.insert(0, f"no {self.quorum} of {len(self.endpoints)} endpoints agree")
        raise QuorumFailure("; ".join(said), is_absent=not poll.answers)


_Reply = tuple[Endpoint, Response | EndpointFault]


def _start(endpoint: Endpoint, body: bytes, replies: SimpleQueue[_Reply]) -> None:
    """Ask an endpoint in a thread of its own, for which no end of the process waits."""

    def ask() -> None:
        try:
            replies.put((endpoint, endpoint.ask(body)))
        except EndpointFault as fault:
            replies.put((endpoint, fault))

    threading.Thread(target=ask, name=f"ask {endpoint.name}", daemon=True).start()


def _file(reply: _Reply, poll: _Poll) -> None:
    endpoint, answer = reply
    if isinstance(answer, EndpointFault):
        poll.faults.append((endpoint, answer))
    else:
        poll.answers.append((endpoint, answer))


def _gist(answer: Response) -> str:
    if "error" in answer:
        return f"says: {votes.message_of(answer)}"
    return "says otherwise" if answer.get("result") is not None else "has nothing yet"


def _integers(responses: Iterable[Response]) -> list[int]:
    return [int(answer["result"], 16) for answer in responses if answer.get("result")]


def _names(urls: Sequence[str]) -> list[str]:
    """Return a name for each URL, numbered where hosts repeat."""
    plain = [safe_name(url) for url in urls]
    return [
        name if plain.count(name) == 1 else f"{name} ({plain[: place + 1].count(name)})"
        for place, name in enumerate(plain)
    ]
