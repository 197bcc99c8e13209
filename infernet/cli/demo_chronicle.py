"""What happens on a chain, transaction by transaction, told in words: nobody else is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infernet.actors.report import Position, Report
from infernet.audit.disputes import story_of
from infernet.chain.abi import functions_of
from infernet.chain.artifacts import CORE, load
from infernet.chain.connection import translated
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address, GameId, Seconds, Wei
from infernet.chain.wallet import Sent

_WORDS = {
    "requestWithInput": "requests a run, its input included",
    "register": "registers the model",
    "deposit": "deposits into the vault",
    "claim": "claims a task and locks its stake",
    "assertResult": "asserts a result",
    "finalise": "makes its result final and earns the fee",
    "commit": "commits a challenge",
    "open": "opens the dispute",
    "openWithProof": "opens the dispute with a proof",
    "dissect": "dissects",
    "prove": "proves the step",
    "timeout": "claims the timeout",
    "settle": "takes its bond back",
    "slash": "has the stake slashed",
    "claimReward": "collects the reward and its bond",
}


@dataclass(slots=True)
class Chronicle:
    """Follows the transactions of some accounts. `names`: what they are called.

    `sent`: those that succeeded so far, by name; `refused`: the fees of those that did not.
    """

    contracts: Contracts
    names: Mapping[Address, str]
    sent: dict[str, list[Sent]] = field(default_factory=dict)
    refused: list[Wei] = field(default_factory=list)
    _kinds: dict[bytes, str] = field(default_factory=dict)
    _next: int = 0

    def __post_init__(self) -> None:
        functions = (kind for name in CORE for kind in functions_of(load(name)).values())
        self._kinds = {kind.selector: kind.name for kind in functions}
        self.sent = {name: [] for name in self.names.values()}
        self._next = self.contracts.chain.block_number() + 1

    def look(self) -> Iterator[Report]:
        """Yield what was sent since the last look, oldest first. Raises ChainError."""
        last = self.contracts.chain.block_number()
        while self._next <= last:
            for transaction, receipt, timestamp in self._block(self._next):
                if (name := self.names.get(Address(transaction["from"]))) is not None:
                    yield from self._report(name, transaction, receipt, timestamp)
            self._next += 1

    def _block(self, number: int) -> list[tuple[Any, Any, int]]:
        chain = self.contracts.chain
        with translated("reading a block", chain.name):
            block = chain.web3.eth.get_block(number, full_transactions=True)
            return [
                (each, chain.web3.eth.get_transaction_receipt(each["hash"]), block["timestamp"])
                for each in block["transactions"]
            ]

    def _report(
        self, name: str, transaction: Any, receipt: Any, timestamp: int
    ) -> Iterator[Report]:
        fee = Wei(receipt["gasUsed"] * receipt["effectiveGasPrice"])
        if not receipt["status"]:
            self.refused.append(fee)
            return
        data = bytes(transaction["input"])
        sent = Sent(
            self._kinds.get(data[:4], "transfer"),
            Address(transaction["from"]),
            bytes(transaction["hash"]),
            int(receipt["gasUsed"]),
            fee,
            len(data),
            int(receipt["blockNumber"]),
            Seconds(timestamp),
            None,
        )
        self.sent[name].append(sent)
        what = _WORDS.get(sent.kind, sent.kind)
        yield Report(name, sent.sender, sent.kind, what, sent, position=self._position(sent))

    def _position(self, sent: Sent) -> Position | None:
        """Return where a dispute stood after a move, None if that was none."""
        if sent.kind not in ("open", "dissect"):
            return None
        games = self.contracts.games
        moves = games.events("Dissected", sent.block_number)
        (move,) = [each for each in moves if each.transaction == sent.hash]
        game_id = GameId(bytes(move["gameId"]))
        story = story_of(self.contracts, game_id)
        (told,) = [
            each for each in story.happenings if each.transaction == sent.hash and each.clocks
        ]
        assert told.clocks is not None
        executor, challenger = map(Seconds, told.clocks)
        start, length = int(move["start"]), int(move["length"])
        return Position(game_id, start, length, executor, challenger, Seconds(move["deadline"]))
