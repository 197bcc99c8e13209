"""Several RPC endpoints as one: what a quorum of them agrees on is true, what one takes is sent.

Reads of the latest state are asked at the highest block that a quorum has; simulations need a
quorum to refuse; transactions go to every endpoint. With a single endpoint only the repetition of
failed questions is left of that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from eth_utils.crypto import keccak
from web3.providers.base import JSONBaseProvider

from . import votes
from .endpoints import Endpoint, EndpointStatus, Question, Response
from .panel import STALE_BLOCKS, Decide, Panel, Poll, QuorumFailure

HEAD_SECONDS = 0.5
_LIAR_SECONDS = 60.0

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


class QuorumProvider(JSONBaseProvider):  # type: ignore[misc]
    """A provider for web3 over endpoints by URL; threads may use it at once.

    `quorum`: how many must agree, by default more than half. Raises ValueError for a quorum that
    cannot be met, and QuorumFailure where no answer counts.
    """

    def __init__(self, urls: Sequence[str], quorum: int | None = None) -> None:
        super().__init__()
        self.quorum = len(urls) // 2 + 1 if quorum is None else quorum
        self._panel = Panel(urls, self.quorum, on_pause=self.forget_head)
        self._head_lock = threading.Lock()
        self._head: Response | None = None
        self._head_read = float("-inf")
        self._constants: dict[str, Response] = {}

    @property
    def name(self) -> str:
        """Return the endpoints' names."""
        return ", ".join(endpoint.name for endpoint in self._panel.endpoints)

    def statuses(self) -> list[EndpointStatus]:
        """Return how each endpoint fares."""
        return [endpoint.status() for endpoint in self._panel.endpoints]

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
        return self._ask_healthy(method, params).responses

    def head(self) -> Response:
        """Return the highest block (as JSON) that a quorum has; half a second old at most."""
        if self.quorum == 1:
            found = self._first("eth_getBlockByNumber", ["latest", False])
            if not found.get("result"):
                raise QuorumFailure(f"{self.name} has no latest block", is_absent=False)
            self._panel.order()[0].head = int(found["result"]["number"], 16)
            return dict(found["result"])
        with self._head_lock:
            if self._head is None or time.monotonic() - self._head_read > HEAD_SECONDS:
                # The age counts from the question: what happens meanwhile is not in the answer.
                asked = time.monotonic()
                self._head = self._panel.insist(self._agree_on_head)
                self._panel.head_number = int(self._head["number"], 16)
                self._head_read = asked
            return self._head

    def forget_head(self) -> None:
        """Ask for the head anew the next time."""
        self._head_read = float("-inf")

    # One answer suffices.

    def _first(self, method: str, params: list[Any]) -> Response:
        """Return the first answer of any endpoint."""
        is_once = method in _ONCE
        question = self._question(method, params)

        def attempt(poll: Poll) -> Response | None:
            for endpoint in self._panel.order()[: 1 if is_once else None]:
                if answer := self._panel.ask_one(endpoint, question, poll):
                    return answer
            return None

        if not is_once:
            return self._panel.insist(attempt)
        poll = Poll()
        if answer := attempt(poll):
            return answer
        raise self._panel.failure(poll)

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

    def _elect(self, method: str, poll: Poll) -> Response | None:
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
        question = self._question(method, params)

        def attempt(poll: Poll) -> Response | None:
            poll.take(self._panel.ask_some(question, decide))
            if (decision := decide(poll)) is not None:
                return decision
            errors = [r for r in poll.responses if "error" in r and not votes.is_trouble(r)]
            # All nodes that answer refuse the question itself: repeating it is no use.
            is_hopeless = errors and len(errors) == len(poll.answers) >= self.quorum
            return errors[0] if is_hopeless else None

        return self._panel.insist(attempt)

    # Every endpoint is asked.

    def _broadcast(self, method: str, params: list[Any]) -> Response:
        """Hand a signed transaction to all endpoints; one that takes it suffices."""
        taken = {"result": "0x" + keccak(hexstr=params[0]).hex()}
        question = self._question(method, params)

        def is_taken(poll: Poll) -> bool:
            return any("result" in answer or votes.is_known(answer) for answer in poll.responses)

        def attempt(poll: Poll) -> Response | None:
            # However they fared: the more nodes hold it, the surer it is mined.
            poll.take(self._panel.ask_all(question, self._panel.endpoints, is_taken))
            self.forget_head()
            if is_taken(poll):
                return taken
            return poll.responses[0] if poll.answers else None

        return self._panel.insist(attempt)

    def _found(self, method: str, params: list[Any]) -> Response:
        """Return what a quorum has found; what fewer have is not found yet."""

        def attempt(poll: Poll) -> Response | None:
            poll.take(self._ask_healthy(method, params))
            missing = {"result": None}
            # A node that has not got it yet does not lie.
            given = [(e, a) for e, a in poll.answers if a.get("result") is not None]
            found = self._elect(method, Poll(given)) if len(given) >= self.quorum else None
            if found is None:
                return missing if len(poll.answers) >= self.quorum else None
            number = found["result"].get("blockNumber")
            head = self._head
            if number and (head is None or int(number, 16) > int(head["number"], 16)):
                self.forget_head()
            return found

        return self._panel.insist(attempt)

    def _pending(self, method: str, params: list[Any]) -> Response:
        """Return the nonce that a quorum has reached; other pending things come from any node."""
        if method != "eth_getTransactionCount":
            return self._first(method, params)

        def attempt(poll: Poll) -> Response | None:
            poll.take(self._ask_healthy(method, params))
            nonce = votes.reached(_integers(poll.responses), self.quorum)
            return None if nonce is None else {"result": hex(nonce)}

        return self._panel.insist(attempt)

    def _middle(self, method: str, params: list[Any]) -> Response:
        """Return the middle of what the endpoints say, where each may say something else."""

        def attempt(poll: Poll) -> Response | None:
            poll.take(self._ask_healthy(method, params))
            if numbers := _integers(poll.responses):
                return {"result": hex(votes.lower_median(numbers))}
            return poll.responses[0] if poll.answers else None

        return self._panel.insist(attempt)

    def _agree_on_head(self, poll: Poll) -> Response | None:
        """Return the highest block that a quorum has, or None."""
        poll.take(self._ask_healthy("eth_getBlockByNumber", ["latest", False]))
        heads = {e: a["result"] for e, a in poll.answers if a.get("result")}
        numbers = {endpoint: int(head["number"], 16) for endpoint, head in heads.items()}
        highest = votes.reached(numbers.values(), self.quorum)
        if highest is None:
            return None
        told = {number for number in numbers.values() if number <= highest}
        # Where the newest blocks are disputed, one a little older may not be.
        older = range(min(told) - 1, max(-1, min(told) - 1 - STALE_BLOCKS), -1)
        for number in (*sorted(told, reverse=True), *older):
            blocks = self._blocks_at(number, heads, numbers)
            elected = self._elect("eth_getBlockByNumber", Poll(blocks))
            if elected is not None:
                for endpoint, its_number in numbers.items():
                    endpoint.head = its_number
                    if its_number < number - STALE_BLOCKS:
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
            question = self._question("eth_getBlockByNumber", [hex(number), False])
            same += self._panel.ask_all(question, beyond).answers
        return [(endpoint, answer) for endpoint, answer in same if answer.get("result")]

    def _question(self, method: str, params: list[Any]) -> Question:
        return Question(method, self.encode_rpc_request(method, params))

    def _ask_healthy(self, method: str, params: list[Any]) -> Poll:
        question = self._question(method, params)
        return self._panel.ask_all(question, self._panel.healthy())


def _integers(responses: Iterable[Response]) -> list[int]:
    return [int(answer["result"], 16) for answer in responses if answer.get("result")]
