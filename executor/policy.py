"""What an operator wants of a miner, and which tasks that makes worth having: pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256

from infernet.chain.market import TaskFound
from infernet.chain.records import Address, TaskId, Wei

from .errors import PolicyError

# A task that ends sooner is left alone.
MINIMUM_SECONDS = 600
# What keeps the miner busy for longer is left alone: short tasks would wait behind it.
MOST_SECONDS = 1_200
# Of the expected time, what a task may take before it is called late.
_MARGIN = 3
# Requests of so many blocks are taken as equally old.
_BLOCKS_ALIKE = 16


@dataclass(frozen=True, slots=True)
class Policy:
    """What a miner is ready for; raise PolicyError for what makes no sense.

    `stake_wei`: locked for each task, at least the model's floor. `max_tasks`: tasks in work at a
    time, claimed and not asserted; 0 claims none and ends what was begun. `minimum_fee_wei`: None
    wants what a task's gas costs at today's price. A task that ends in less than `minimum_seconds`
    is left alone: who claims it and comes too late with the result loses a part of its stake. So is
    one that, with all that is in work before it, is expected to take more than `most_seconds`: the
    time to assert grows with a run, and would let one task keep all others out for hours.
    """

    stake_wei: Wei
    max_tasks: int = 4
    minimum_fee_wei: Wei | None = None
    minimum_seconds: int = MINIMUM_SECONDS
    most_seconds: int = MOST_SECONDS

    def __post_init__(self) -> None:
        if self.max_tasks < 0:
            raise PolicyError(f"max_tasks is {self.max_tasks}; choose 0 or more")
        if self.stake_wei <= 0:
            raise PolicyError(f"the stake is {self.stake_wei} wei; choose more than nothing")
        if self.most_seconds < 1:
            raise PolicyError(f"most_seconds is {self.most_seconds}; choose 1 or more")


def fits(
    seconds_left: int, seconds_to_assert: int, most_seconds: int, expected_seconds: float
) -> bool:
    """Say whether a task can be asserted in time, and is not too long.

    `seconds_left`: until the task's deadline; `seconds_to_assert`: what the market gives a claim;
    `most_seconds`: by the policy; `expected_seconds`: of its own run and of all that are in work
    before it.
    """
    in_time = expected_seconds * _MARGIN <= min(seconds_left, seconds_to_assert)
    return in_time and expected_seconds <= most_seconds


def by_worth(
    offers: Iterable[tuple[TaskFound, float]],
    address: Address,
    own: Collection[TaskId] = frozenset(),
) -> list[TaskFound]:
    """Return offers, given with their expected seconds: `own`, then the best paid for its time.

    Among equals of about the same age each `address` has an order of its own, so that not all
    miners claim the same one.
    """

    def rank(pair: tuple[TaskFound, float]) -> tuple[object, ...]:
        offer, seconds = pair
        drawn = sha256(offer.task_id + address.encode()).digest()
        age = offer.block_number // _BLOCKS_ALIKE
        return offer.task_id not in own, -offer.fee / seconds, age, drawn

    return [offer for offer, _ in sorted(offers, key=rank)]
