"""Choose tasks, claim them, and assert their results."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock

from infernet.actors.crew import Work
from infernet.chain.errors import InsufficientBalance, Reverted
from infernet.chain.fees import Prices
from infernet.chain.market import TaskFound
from infernet.chain.records import NO_WEI, ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.stake import Balance
from infernet.chain.wallet import in_ether

from .means import Head, Look, Means
from .policy import by_worth, fits
from .pool import Advice
from .purse import MOVE_GAS, TASK_GAS, AtStake, Purse

# The journal has to take what is owed for tasks in work.
_LEAST_ROOM_BYTES = 16 << 20


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
        self._read: tuple[Head, _Market] | None = None
        self._prices = Prices(means.contracts.chain)
        self._purse = Purse(means, self._prices, self._stake_booked)
        self._given_up: set[TaskId] = set()
        self._left_alone: set[str] = set()
        self._seen: dict[TaskId, float] = {}
        self._backed: tuple[Head, int] | None = None

    def works(self, look: Look, at_stake: AtStake) -> list[Work]:
        """Return what is to be done about tasks: gas for all first, then results, then claims."""
        market = self._look(look, at_stake)
        self._settle_bookings(look, market)
        claimed = self._claimed(look, market)
        hopeless = {task_id for task_id in claimed if self._has_failed(task_id)}
        self._give_up(hopeless)
        in_work = claimed.keys() | self._booked.keys()
        works = self._purse.works(look, in_work, at_stake)
        works += [
            Work(task_id, partial(self._assert, market.offers[task_id], claim), claim.deadline)
            for task_id, claim in claimed.items()
            if task_id not in hopeless
        ]
        self._make_room_known(look, len(in_work))
        if len(in_work) < self._means.policy.max_tasks:
            works += self._claims(look, market, in_work, at_stake)
        return works

    def _look(self, look: Look, at_stake: AtStake) -> _Market:
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
        self._seen = {task_id: self._seen.get(task_id, time.monotonic()) for task_id in offers}
        # A result of a model that is served no more may still be demanded to show its input.
        self._means.inputs.tidy(offers.keys() | at_stake.results)
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

    def _stake_booked(self) -> Wei:
        with self._lock:
            return Wei(sum(each.stake for each in self._booked.values()))

    def _make_room_known(self, look: Look, in_work: int) -> None:
        """Tell the pool how many tasks could be claimed now, by stake and by work."""
        means = self._means
        if means.pool is None:
            return
        if self._backed is None or self._backed[0] != look.head:
            free = means.contracts.vault.balance(means.address).free
            self._backed = look.head, free // means.policy.stake_wei
        means.pool.room = max(0, min(means.policy.max_tasks - in_work, self._backed[1]))

    def _claims(
        self, look: Look, market: _Market, in_work: set[TaskId], at_stake: AtStake
    ) -> Iterator[Work]:
        means, count, free = self._means, len(in_work), NO_WEI
        kept = means.inputs.kept_bytes()
        gas, short = self._purse.owed(in_work, at_stake, kept), math.inf
        expected = means.runs.expected_seconds
        known = [market.offers[task_id] for task_id in in_work if task_id in market.offers]
        ahead_seconds = sum(expected(offer.program_root, offer.iterations) for offer in known)
        for offer in self._wanted(look, market, ahead_seconds, kept):
            seconds = ahead_seconds + expected(offer.program_root, offer.iterations)
            if not self._fits(look, offer, seconds):
                continue
            stake = Wei(max(means.policy.stake_wei, self._floor(offer.program_root)))
            if count == len(in_work):
                balance = means.contracts.vault.balance(means.address)
                if self._is_hindered(stake, balance):
                    return
                free = Wei(balance.free - self._stake_booked())
            if free < stake:
                return
            needed = gas + self._purse.task_gas(offer.task_id, kept)
            if needed < short and self._is_short_of_gas(count + 1, needed, Wei(free - stake)):
                short = needed
            if gas + TASK_GAS + MOVE_GAS >= short:
                return
            if needed >= short:
                # A task whose input is on chain takes less, and may still be paid.
                continue
            self._left_alone.clear()
            with self._lock:
                self._booked[offer.task_id] = _Booking(stake)
            yield Work(offer.task_id, partial(self._claim, offer, stake))
            count, free, ahead_seconds = count + 1, Wei(free - stake), seconds
            gas = needed
            if count >= means.policy.max_tasks:
                return

    def _wanted(
        self, look: Look, market: _Market, ahead_seconds: float, kept: Mapping[TaskId, int]
    ) -> Iterator[TaskFound]:
        """Yield the open tasks that suit the policy, the best first.

        `kept`: the inputs that this miner holds besides those on chain.
        """
        means, found, poor, long = self._means, [], 0, 0
        least, most = self._least_fee(), means.policy.most_seconds
        for task_id, offer in market.offers.items():
            if offer.deadline - look.now < means.policy.minimum_seconds:
                continue
            if task_id in market.results or task_id in self._booked:
                continue
            if task_id in market.claims and look.now <= market.claims[task_id].deadline:
                continue
            if offer.fee < least:
                poor += 1
                continue
            expected = means.runs.expected_seconds(offer.program_root, offer.iterations)
            if expected > most:
                long += 1
            elif self._fits(look, offer, ahead_seconds + expected):
                found.append((offer, expected))
        if poor and not found:
            needed = in_ether(least)
            self._leave_alone("fees_too_low", f"none of {poor} pays {needed}, what one costs")
        if long and not found:
            why = f"each of {long} takes more than {most} s; raise most_seconds to serve such"
            self._leave_alone("runs_too_long", why)
        advice = means.pool.advice if means.pool else Advice()
        for offer in by_worth(found, means.address, advice.own):
            if self._is_left_to_others(offer.task_id, advice):
                continue
            # What it does not hold it could not reveal, and would lose its stake for.
            is_held = offer.task_id in kept or self._is_carried(offer.task_id)
            if is_held and self._is_fresh(offer):
                yield offer

    def _is_left_to_others(self, task_id: TaskId, advice: Advice) -> bool:
        """Return whether a gateway has just offered a task to another miner."""
        if task_id in advice.own or task_id in advice.shared:
            return False
        return time.monotonic() - self._seen[task_id] < advice.patience_seconds

    def _fits(self, look: Look, offer: TaskFound, seconds: float) -> bool:
        means, contracts = self._means, self._means.contracts
        steps = offer.iterations * means.holdings[offer.program_root].header.steps_per_iteration
        run = contracts.game_constants.run_seconds(steps)
        to_assert = contracts.market_constants.assert_seconds + run
        return fits(offer.deadline - look.now, to_assert, means.policy.most_seconds, seconds)

    def _least_fee(self) -> Wei:
        """Return what a task has to pay: by the policy, or its gas at today's price."""
        least = self._means.policy.minimum_fee_wei
        return Wei(TASK_GAS * self._prices.now().paid) if least is None else least

    def _is_carried(self, task_id: TaskId) -> bool:
        return self._means.contracts.market.is_input_carried(task_id)

    def _is_short_of_gas(self, tasks: int, gas: int, spare: Wei) -> bool:
        """Return whether so much gas cannot be paid, and say once what is lacking.

        `spare`: what stays free in the vault. What a dispute takes can be withdrawn from there when
        it comes; what the tasks themselves take has to be in the account.
        """
        kind = "the gas of tasks to their end, of disputes, and of revealing hidden inputs"
        try:
            self._means.wallet.require_gas(kind, TASK_GAS * tasks)
            self._means.wallet.require_gas(kind, gas, spare)
        except InsufficientBalance as error:
            return self._leave_alone("gas_short", str(error))
        return False

    def _is_hindered(self, stake: Wei, balance: Balance) -> bool:
        """Return whether what is claimed now might not come to its end, and say why once.

        A claim whose result cannot be asserted, or not be defended, loses its stake.
        """
        means = self._means
        if balance.total < stake:
            needed, held = in_ether(stake), in_ether(balance.total)
            why = f"each needs a stake of {needed}, the vault holds {held}"
            return self._leave_alone("stake_exhausted", why)
        room = means.tries.room_bytes()
        if room is not None and room < _LEAST_ROOM_BYTES:
            why = f"{room >> 20} MiB are left on the disk of the data, make room"
            return self._leave_alone("disk_short", why)
        return False

    def _leave_alone(self, event: str, why: str) -> bool:
        """Say once, until the next claim, why tasks are left alone; return True."""
        if event not in self._left_alone:
            self._left_alone.add(event)
            self._means.say(event, f"leaves tasks alone: {why}")
        return True

    def _is_fresh(self, offer: TaskFound) -> bool:
        """Return whether this miner has not failed at a task, nor lost its stake on it."""
        means, task_id = self._means, offer.task_id
        if means.crew.is_busy_with(task_id) or self._has_failed(task_id):
            return False
        market = means.contracts.market
        return not market.has_event("Slashed", taskId=task_id, executor=means.address)

    def _floor(self, root: ProgramRoot) -> Wei:
        if root not in self._floors:
            self._floors[root] = self._means.contracts.registry.info(root).minimum_stake
        return self._floors[root]

    def _claim(self, offer: TaskFound, stake: Wei) -> bool:
        means, task_id = self._means, offer.task_id
        block = 0
        try:
            with means.contracts.feed.as_it_is():
                if not means.inputs.keep(task_id):
                    return False
            sent = means.contracts.market.claim(means.wallet, task_id, stake, NO_WEI)
            block = sent.block_number
        except Reverted as error:
            if error.error != "InsufficientFree":
                raise
            # Gas for games went first; the next look sees what is left.
            return False
        finally:
            with self._lock:
                if task_id in self._booked:
                    self._booked[task_id].block = block
        means.say("task_claimed", "claims a task and locks its stake", sent, task_id)
        return True

    def _assert(self, offer: TaskFound, claim: _Claim) -> bool:
        means, task_id = self._means, offer.task_id
        with means.contracts.feed.as_it_is():
            run = means.runs.infer(task_id, offer.program_root, offer.iterations)
            # A reorganisation may have taken away what the run began with.
            if run is None or not means.inputs.keep(task_id):
                return False
        asserted = task_id, claim.attempt, run.output, run.halted
        sent = means.contracts.market.assert_result(means.wallet, *asserted)
        # A dispute is rare, and starts the run again.
        means.runs.drop(task_id)
        means.say("result_asserted", "asserts a result", sent, task_id)
        return True

    def _give_up(self, hopeless: set[TaskId]) -> None:
        """Say once of each task in work that it failed too often: its claim will expire."""
        for task_id in hopeless - self._given_up:
            what = "gives a task up: the engine fails on its input"
            self._means.say("claim_lost", what, None, task_id)
        self._given_up = hopeless

    def _has_failed(self, task_id: TaskId) -> bool:
        is_busy = self._means.crew.is_busy_with(task_id)
        return not is_busy and self._means.tries.is_hopeless(task_id)
