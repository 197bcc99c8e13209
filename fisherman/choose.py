"""Which results to check, and in which order: pure functions."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from fractions import Fraction

from infernet.chain.records import AssertionId
from infernet.store.checks import Result


def is_sampled(secret: bytes, assertion_id: AssertionId, share: Fraction) -> bool:
    """Say whether a result belongs to the sample.

    Only who knows `secret` can foresee it, and a restart chooses the same.
    """
    drawn = int.from_bytes(hmac.digest(secret, assertion_id, "sha256"))
    return drawn * share.denominator < share.numerator << 256


def fits(window_ends: Iterable[int], now: int, seconds_each: float) -> bool:
    """Say whether everything can be checked in time, the earliest deadline first."""
    ordered = sorted(window_ends)
    return all(now + (i + 1) * seconds_each <= end for i, end in enumerate(ordered))


def in_order(results: Sequence[Result], now: int, seconds_each: float) -> list[Result]:
    """Return results in the order in which to check them; what failed before comes last.

    While all can be checked in time the earliest deadline comes first, which loses none. Under a
    flood come first the tasks of third parties, then the most valuable: a task whose requester is
    its executor hurts nobody else, costs its poster no more than gas, and is what floods are made
    of.
    """
    if fits((result.window_end for result in results), now, seconds_each):
        return sorted(results, key=lambda r: (r.tries, r.window_end))
    return sorted(results, key=lambda r: (r.tries, r.is_own, -r.value, r.window_end))
