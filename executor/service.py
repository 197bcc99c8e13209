"""Choose tasks, claim them, and assert their results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Lock

from infernet.actors.crew import Work
from infernet.chain.market import TaskFound
from infernet.chain.records import NO_WEI, ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.stake import Balance
from infernet.chain.wallet import in_ether

from .errors import InferenceFailed
from .means import Head, Look, Means
from .policy import by_worth, fits

_FAILED = "executor.failed"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class _Claim:
    """The latest claim of a task as its event tells it."""

    is_ours: bool
    attempt: int
    deadline: Seconds
    block: int


@dataclass(frozen=True, slots=True)
class _Market:
    """Open tasks of the models held at one head: `claims` by task, `results`: tasks asserted."""

    offers: dict[TaskId, TaskFound]
    claims: dict[TaskId, _Claim]
    results: frozenset[TaskId]


@dataclass(slots=True)
class _Booking:
    """A claim on its way: its stake, and the block that holds it once one does."""

    stake: Wei
    block: int | None = None


class Service:
    """The tasks of one miner. `works` belongs to the thread that ticks, what it returns to any."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._floors: dict[ProgramRoot, Wei] = {}
        self._booked: dict[TaskId, _Booking] = {}
        self._lock = Lock()
        self._tries: Counter[TaskId] = Counter()
        self._read: tuple[Head, _Market] | None = None
        self._is_short = False

    def works(self, look: Look) -> list[Work]:
        """Return what is to be done about tasks: results first, then claims."""
        market = self._look(look)
        self._settle_bookings(look, market)
        claimed = self._claimed(look, market)
        works = [
            Work(task_id, partial(self._assert, market.offers[task_id], claim), claim.deadline)
            for task_id, claim in claimed.items()
            if not self._has_failed(task_id)
        ]
        in_work = len(claimed.keys() | self._booked.keys())
        if in_work < self._means.policy.max_tasks:
            works += self._claims(look, market, in_work)
        return works

    def _look(self, look: Look) -> _Market:
        if self._read and self._read[0] == look.head:
            return self._read[1]
        market, me = self._means.contracts.market, self._means.address
        offers = {found.task_id: found for found in market.open_requests(self._means.holdings)}
        claims: dict[TaskId, _Claim] = {}
        if offers:
            oldest = min(found.block_number for found in offers.values())
            for event in market.events("Claimed", oldest):
                claims[TaskId(bytes(event["taskId"]))] = _Claim(
                    event["executor"] == me,
                    int(event["attempt"]),
                    Seconds(event["claimDeadline"]),
                    event.block_number,
                )
        results = frozenset(found.task_id for found in market.open_assertions())
        self._read = (look.head, _Market(offers, claims, results))
        return self._read[1]

    def _claimed(self, look: Look, market: _Market) -> dict[TaskId, _Claim]:
        """Return the own claims that still wait for their results."""
        return {
            task_id: claim
            for task_id, claim in market.claims.items()
            if claim.is_ours
            and look.now <= claim.deadline
            and task_id in market.offers
            and task_id not in market.results
            and not self._is_spent(task_id, claim)
        }

    def _is_spent(self, task_id: TaskId, claim: _Claim) -> bool:
        """Return whether a claim had its result, which has fallen since."""
        market, me = self._means.contracts.market, self._means.address
        return bool(market.events("Slashed", claim.block, taskId=task_id, executor=me))

    def _settle_bookings(self, look: Look, market: _Market) -> None:
        """Forget claims on their way that a block known to the market holds."""
        with self._lock:
            self._booked = {
                task_id: booking
                for task_id, booking in self._booked.items()
                if task_id not in market.claims
                and (booking.block is None or booking.block > look.head[0])
            }

    def _claims(self, look: Look, market: _Market, in_work: int) -> Iterator[Work]:
        means = self._means
        wanted = self._wanted(look, market, in_work)
        first = next(wanted, None)
        if first is None:
            return
        balance = means.contracts.vault.balance(means.address)
        with self._lock:
            free = Wei(balance.free - sum(each.stake for each in self._booked.values()))
        offer: TaskFound | None = first
        while offer is not None and in_work < means.policy.max_tasks:
            stake = Wei(max(means.policy.stake_wei, self._floor(offer.program_root)))
            self._warn(stake, balance)
            if free < stake:
                return
            with self._lock:
                self._booked[offer.task_id] = _Booking(stake)
            yield Work(offer.task_id, partial(self._claim, offer, stake))
            in_work, free = in_work + 1, Wei(free - stake)
            offer = next(wanted, None)

    def _wanted(self, look: Look, market: _Market, in_work: int) -> Iterator[TaskFound]:
        """Yield the open tasks that suit the policy, the best first."""
        means = self._means
        seconds = {root: means.runs.expected_seconds(root) for root in means.holdings}
        to_assert = means.contracts.market_constants.assert_seconds
        found = []
        for task_id, offer in market.offers.items():
            left = offer.deadline - look.now
            if left < means.policy.minimum_seconds or offer.fee < means.policy.minimum_fee_wei:
                continue
            if task_id in market.results or task_id in self._booked or offer.iterations != 1:
                # Runs are of one iteration.
                continue
            if task_id in market.claims and look.now <= market.claims[task_id].deadline:
                continue
            expected = seconds[offer.program_root]
            if fits(left, to_assert, expected, in_work):
                found.append((offer, expected))
        for offer in by_worth(found):
            # What it does not hold it could not reveal, and would lose its stake for.
            if means.contracts.market.is_input_carried(offer.task_id) and self._is_fresh(offer):
                yield offer

    def _is_fresh(self, offer: TaskFound) -> bool:
        """Return whether this miner has not failed at a task, nor lost its stake on it."""
        means, task_id = self._means, offer.task_id
        if means.crew.is_busy_with(task_id) or self._has_failed(task_id):
            return False
        market = means.contracts.market
        return not market.has_event("Slashed", taskId=task_id, executor=means.address)

    def _warn(self, stake: Wei, balance: Balance) -> None:
        """Say once that the vault could not back a task even if no other was in work."""
        is_short = balance.total < stake
        if is_short and not self._is_short:
            needed, held = in_ether(stake), in_ether(balance.total)
            what = f"leaves tasks alone: each needs a stake of {needed}, the vault holds {held}"
            self._means.say("stake_exhausted", what)
        self._is_short = is_short

    def _floor(self, root: ProgramRoot) -> Wei:
        if root not in self._floors:
            self._floors[root] = self._means.contracts.registry.info(root).minimum_stake
        return self._floors[root]

    def _claim(self, offer: TaskFound, stake: Wei) -> bool:
        means, task_id = self._means, offer.task_id
        block = 0
        try:
            sent = means.contracts.market.claim(means.wallet, task_id, stake, NO_WEI)
            block = sent.block_number
        finally:
            with self._lock:
                if task_id in self._booked:
                    self._booked[task_id].block = block
        means.say("task_claimed", "claims a task and locks its stake", sent, task_id)
        return True

    def _assert(self, offer: TaskFound, claim: _Claim) -> bool:
        means, task_id = self._means, offer.task_id
        try:
            with means.contracts.feed.as_it_is():
                output = means.runs.infer(task_id, offer.program_root)
        except InferenceFailed:
            self._note_failure(task_id)
            raise
        if output is None:
            return False
        market = means.contracts.market
        sent = market.assert_result(means.wallet, task_id, claim.attempt, output)
        # A dispute is rare, and starts the run again.
        means.runs.drop(task_id)
        means.say("result_asserted", "asserts a result", sent, task_id)
        return True

    def _note_failure(self, task_id: TaskId) -> None:
        """Give a task up after some tries: its claim expires, and it is not claimed again."""
        with self._lock:
            self._tries[task_id] += 1
            is_hopeless = self._tries[task_id] >= _TRIES
            if is_hopeless:
                del self._tries[task_id]
        if is_hopeless:
            self._means.closed.add(_FAILED, task_id)
            what = "gives a task up: the engine fails on its input"
            self._means.say("claim_lost", what, None, task_id)

    def _has_failed(self, task_id: TaskId) -> bool:
        return self._means.closed.contains(_FAILED, task_id)
