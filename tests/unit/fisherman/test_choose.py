"""Which results are checked, and in which order."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fisherman.choose import fits, in_order, is_sampled
from fisherman.errors import PolicyError
from fisherman.policy import FishermanPolicy
from infernet.chain.records import AssertionId
from infernet.store.checks import Result

SECRET = b"\x01" * 32
RESULT = Result(bytes(32), bytes(32), bytes(32), False, 1.0, 1_000, 1)


def ids(count: int) -> list[AssertionId]:
    return [AssertionId(number.to_bytes(32)) for number in range(count)]


def result(number: int, **fields: object) -> Result:
    return replace(RESULT, assertion_id=number.to_bytes(32), **fields)


def test_all_and_nothing_are_exact() -> None:
    assert all(is_sampled(SECRET, each, Fraction(1)) for each in ids(1_000))
    assert not any(is_sampled(SECRET, each, Fraction(0)) for each in ids(1_000))
    assert is_sampled(SECRET, AssertionId(bytes(32)), Fraction(1))


@pytest.mark.parametrize("share", [Fraction(1, 10), Fraction(1, 2), Fraction(9, 10)])
def test_a_sample_has_its_share(share: Fraction) -> None:
    count = 20_000
    chosen = sum(is_sampled(SECRET, each, share) for each in ids(count))
    # Five standard deviations.
    assert abs(chosen - count * share) < 5 * (count * share * (1 - share)) ** 0.5


def test_a_restart_chooses_the_same_and_another_key_another_sample() -> None:
    half = Fraction(1, 2)
    mine = [is_sampled(SECRET, each, half) for each in ids(1_000)]
    assert mine == [is_sampled(SECRET, each, half) for each in ids(1_000)]
    theirs = [is_sampled(b"\x02" * 32, each, half) for each in ids(1_000)]
    assert 400 < sum(a == b for a, b in zip(mine, theirs, strict=True)) < 600


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 200))
def test_a_larger_share_holds_the_smaller_one(low: int, high: int, number: int) -> None:
    low, high = sorted((low, high))
    each = AssertionId(number.to_bytes(32))
    if is_sampled(SECRET, each, Fraction(low, 100)):
        assert is_sampled(SECRET, each, Fraction(high, 100))


def test_the_earliest_deadline_comes_first_while_all_fit() -> None:
    waiting = [result(i, window_end=end) for i, end in enumerate([300, 100, 200])]
    assert [each.window_end for each in in_order(waiting, 0, 10.0)] == [100, 200, 300]


def test_under_a_flood_third_parties_come_first_and_then_the_most_valuable() -> None:
    flood = [result(i, is_own=True, value=9.0, window_end=50) for i in range(1_000)]
    victims = [result(5_000 + i, value=float(i), window_end=900) for i in range(3)]
    ordered = in_order(flood + victims, 0, 1.0)
    assert [each.value for each in ordered[:3]] == [2.0, 1.0, 0.0]
    assert all(each.is_own for each in ordered[3:])


def test_what_failed_before_comes_last() -> None:
    waiting = [result(1, tries=2, window_end=10), result(2, window_end=900)]
    assert [each.tries for each in in_order(waiting, 0, 0.1)] == [0, 2]


@given(st.lists(st.integers(0, 500), max_size=12), st.integers(0, 100), st.integers(1, 30))
def test_whatever_fits_is_never_late_in_that_order(ends: list[int], now: int, each: int) -> None:
    if not fits(ends, now, each):
        return
    waiting = [result(i, window_end=end) for i, end in enumerate(ends)]
    for position, chosen in enumerate(in_order(waiting, now, each)):
        assert now + (position + 1) * each <= chosen.window_end


@pytest.mark.parametrize("wrong", [Fraction(-1, 10), Fraction(11, 10)])
def test_a_share_outside_its_bounds_is_refused(wrong: Fraction) -> None:
    with pytest.raises(PolicyError, match="0 to 1"):
        FishermanPolicy(sample=wrong)
    with pytest.raises(PolicyError, match="max_runs"):
        FishermanPolicy(max_runs=0)
