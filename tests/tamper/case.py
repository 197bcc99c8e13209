"""One row of the matrix while it is played: the task, the result, the dispute, and what it left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from web3.contract import Contract

from bisection.game import Player
from bisection.solver import first_false_segment, should_challenge
from infernet.backend.trace import Trace
from interpreter.operators import decode
from tests.e2e.disputes_arena import Chooser, Claim, Dispute, solver
from tests.e2e.disputes_chain import ETHER, Refused
from tests.e2e.disputes_liars import TraceClaim

from .ground import Ground, Party
from .networks import Network

FINAL = 2
# What there is without any lie; a row counts the transactions beside it.
BUSINESS = frozenset(
    {"request", "requestWithInput", "requestSigned", "claim", "assertResult", "finalise"}
)
PARTY = {Player.EXECUTOR: Party.EXECUTOR, Player.CHALLENGER: Party.CHALLENGER}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a lie. Wei are of the vault; gas is of all that was mined beside business."""

    liars: frozenset[Party]
    refused: tuple[str, ...]
    found_by: str
    verdict: str
    gained_wei: dict[Party, int]
    burned_wei: int
    transactions: int
    gas: int
    faults: tuple[str, ...]


@dataclass
class Case:
    """A task on a network that is lied about, and who lies."""

    ground: Ground
    network: Network
    liars: frozenset[Party]
    task_id: bytes = b""
    assertion_id: bytes = b""
    game_id: bytes = b""
    relayed: Sequence[Any] = ()
    found_by: str = ""
    verdict: str = ""
    assertions: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        ground = self.ground
        self.before, self.burned_before = ground.wealth(), ground.burned
        self.honest: Claim = TraceClaim(self.network.truth)

    @property
    def truth(self) -> Trace:
        """Return the true run."""
        return self.network.truth

    # Business

    def post(self) -> bytes:
        """Request the run."""
        truth = self.truth
        self.task_id = self.ground.post(truth.program, truth.data, truth.iterations)
        return self.task_id

    def assert_result(self, claim: Claim) -> bytes:
        """Have the executor claim the task and assert a result."""
        if not self.task_id:
            self.post()
        self.ground.claim(self.task_id)
        return self.deliver(claim)

    def deliver(self, claim: Claim) -> bytes:
        """Have the executor assert a result of the task that it has claimed."""
        self.assertion_id = self.ground.deliver(self.task_id, claim)
        self.assertions.append(self.assertion_id)
        return self.assertion_id

    @property
    def window_end(self) -> int:
        """Return the last second in which the result can be challenged."""
        return int(self.ground.market.functions.terms(self.assertion_id).call()[1])

    def finalise(self) -> None:
        """Let the window pass and pay the executor."""
        self.ground.finalise(self.assertion_id)

    def attempt(
        self, party: Party, contract: Contract, name: str, *arguments: Any, value: int = 0
    ) -> None:
        """Send what the chain must refuse."""
        try:
            self.ground.send(name, self.ground.address[party], contract, *arguments, value=value)
        except Refused:
            return
        self.faults.append(f"the {party}'s {name} was taken")

    # Disputes

    def dispute(
        self, lie: Claim, liar: Player, chooser: Chooser | None = None, honest: Claim | None = None
    ) -> Dispute:
        """Play a dispute in which `liar` says `lie`, by its own chooser if one is given."""
        honest = honest or self.honest
        asserted, challenged = honest, lie
        if liar is Player.EXECUTOR:
            asserted, challenged = lie, honest
        assertion_id = self.assert_result(asserted)
        assertion = self.ground.assertion(assertion_id)
        choosers = {liar: chooser or solver(lie), liar.opponent: solver(honest)}
        if liar is Player.EXECUTOR:
            wanted = should_challenge(assertion, honest)
            self.found_by = "watcher's run" if wanted else "nobody"
        else:
            self.found_by = "executor's run"
        dispute = self.ground.play(assertion_id, challenged.final, liar.opponent, choosers)
        self.verdict = self._verdict(dispute, lie)
        if dispute.winner is not liar.opponent:
            self.faults.append(f"the lying {liar.value} won")
        if liar is Player.CHALLENGER:
            self.finalise()
        return dispute

    def _verdict(self, dispute: Dispute, lie: Claim) -> str:
        assert dispute.winner is not None
        if dispute.proved_step is not None:
            return f"{dispute.winner.value}, by proof of {self._name(dispute.proved_step)}"
        how = "nothing was cut"
        if dispute.last is not None and dispute.lengths:
            segment = first_false_segment(dispute.last, self.honest)
            rest = segment or first_false_segment(dispute.last, lie)
            how = "on time"
            if rest is not None and rest.length == 1:
                how += f", at {self._name(rest.start)}"
            elif rest is not None:
                how += f", {rest.length:,} steps left"
        return f"{dispute.winner.value}, {how}"

    def _name(self, step: int) -> str:
        where = self.truth.program.locate(step, self.truth.iterations)
        operator = self.truth.program.operators[where.operator]
        kind = decode(operator).note(where.index).kind
        name = operator.opcode.name
        told = name if kind == name.lower() else f"{name} ({kind})"
        return f"{told}, step {step:,}"

    # What it left

    def outcome(self) -> Outcome:
        """Return what became of the lie, and what is wrong with that."""
        ground = self.ground
        beside = [sent for _, sent in ground.log if sent.kind not in BUSINESS]
        refused = dict.fromkeys(
            f"{each.kind}: {each.error}" for each in ground.refusals if each.party in self.liars
        )
        gained = {party: wei - self.before[party] for party, wei in ground.wealth().items()}
        burned = ground.burned - self.burned_before
        found_by = self.found_by or ("contract" if refused else "nobody")
        verdict = self.verdict or ("refused" if refused else "nothing happened")
        return Outcome(
            self.liars,
            tuple(refused),
            found_by,
            verdict,
            gained,
            burned,
            len(beside),
            sum(each.gas for each in beside),
            (*self._faults(gained, burned, bool(refused)),),
        )

    def _faults(self, gained: dict[Party, int], burned: int, is_refused: bool) -> Iterable[str]:
        """Yield what no row may show: an honest loss, a lie that stands or costs nothing."""
        yield from self.faults
        fee = 0
        for terms in self._final():
            fee = ETHER
            if bytes(terms[7]) != self.truth.final.hash:
                yield "a false result is final"
        for party, wei in gained.items():
            owed = fee if party is Party.REQUESTER else 0
            if party not in self.liars and wei < -owed:
                yield f"the honest {party} lost {-wei - owed} wei"
        lost = -sum(wei for party, wei in gained.items() if party in self.liars)
        if lost <= 0 and not is_refused:
            yield f"the lie cost {lost} wei, and nothing of it was refused"
        paid = fee if Party.EXECUTOR in self.liars and Party.REQUESTER not in self.liars else 0
        if lost < -paid:
            yield f"the liars gained {-lost - paid} wei"
        if sum(gained.values()) + burned != 0:
            yield f"{sum(gained.values()) + burned} wei came from nowhere"
        for refusal in self.ground.refusals:
            if refusal.party not in self.liars:
                yield f"the honest {refusal.party}'s {refusal.kind} was refused: {refusal.error}"

    def _final(self) -> Iterable[Any]:
        """Yield the terms of results that are final."""
        market = self.ground.market.functions
        for assertion_id in self.assertions:
            if market.assertion(assertion_id).call()[4] == FINAL:
                yield market.terms(assertion_id).call()


Act = Callable[[Case], None]
