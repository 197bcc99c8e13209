"""Draw one member for a task, in proportion to weights and without memory: pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import sha256

from infernet.chain.records import Address, TaskId, Wei

# The worst score still has a chance, or nobody could ever mend one.
_LEAST_SCORE = 0.05
_LAPSED_FACTOR = 0.1
_UNIT = 2**64


def chance(score: float, deposit_wei: Wei, *, has_lapsed: bool) -> float:
    """Return the weight of a member in a draw. Linear in the deposit: splitting gains nothing."""
    weight = max(_LEAST_SCORE, min(1.0, score)) * deposit_wei
    return weight * _LAPSED_FACTOR if has_lapsed else weight


def draw(task_id: TaskId, chances: Iterable[tuple[Address, float]]) -> Address | None:
    """Return who is offered a task, in proportion to the weights; None where nobody has any.

    Weighted rendezvous hashing: the same for the same task and members, and a member that comes or
    goes moves only the tasks that it takes or had.
    """
    ranked = [
        (-math.log(_uniform(task_id, address)) / weight, address)
        for address, weight in chances
        if weight > 0
    ]
    return min(ranked)[1] if ranked else None


def _uniform(task_id: TaskId, address: Address) -> float:
    """Return a number above 0 and below 1 that a task and an account determine."""
    digest = sha256(task_id + bytes.fromhex(address[2:])).digest()
    # Half a step inside: 0 has no logarithm, and rounding must not reach 1.
    return ((int.from_bytes(digest[:8], "big") >> 12 << 12) + 2**11) / _UNIT
