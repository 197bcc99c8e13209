"""Which tasks a miner wants: pure functions."""

from __future__ import annotations

import pytest

from executor.errors import PolicyError
from executor.policy import MOST_SECONDS, Policy, by_worth, fits
from infernet.chain.market import TaskFound
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, Wei

ONE, OTHER = Address("0x" + "11" * 20), Address("0x" + "22" * 20)


def offer(name: bytes, fee: int, block: int = 1) -> TaskFound:
    return TaskFound(
        TaskId(name), ProgramRoot(b""), Address("0x"), b"", Wei(fee), block, Seconds(0), 1
    )


def test_the_best_paid_for_its_time_comes_first() -> None:
    slow, quick, late = offer(b"slow", 90), offer(b"quick", 10), offer(b"late", 10, 99)
    assert by_worth([(late, 1.0), (slow, 30.0), (quick, 1.0)], ONE) == [quick, late, slow]


def test_what_a_gateway_offers_to_this_miner_alone_comes_before_all_else() -> None:
    rich, own = offer(b"rich", 90), offer(b"own", 10)
    assert by_worth([(rich, 1.0), (own, 1.0)], ONE, {own.task_id}) == [own, rich]


def test_two_miners_do_not_begin_with_the_same_of_many_equal_tasks() -> None:
    offers = [(offer(bytes([number]), 10, number), 1.0) for number in range(60)]
    first, second = (by_worth(offers, each) for each in (ONE, OTHER))
    assert sorted(o.task_id for o in first) == sorted(o.task_id for o in second)
    assert first[0] != second[0]
    assert first[:16] != second[:16]
    # Old ones still come before young ones.
    assert max(o.block_number for o in first[:16]) < 16


@pytest.mark.parametrize(
    ("seconds_left", "to_assert", "expected", "is_wanted"),
    [
        (600, 3_600, 100.0, True),
        (600, 3_600, 200.0, True),
        (600, 3_600, 201.0, False),
        (600, 299, 100.0, False),
        (299, 3_600, 100.0, False),
        # However long a claim lasts, nothing keeps the miner for longer than it wants.
        (10**6, 10**6, 1_200.0, True),
        (10**6, 10**6, 1_201.0, False),
    ],
)
def test_a_task_fits_if_three_times_the_expected_is_left_and_it_is_not_too_long(
    seconds_left: int, to_assert: int, expected: float, is_wanted: bool
) -> None:
    assert fits(seconds_left, to_assert, MOST_SECONDS, expected) is is_wanted


@pytest.mark.parametrize(
    ("stake", "tasks", "most", "named"),
    [(0, 4, 1, "stake"), (1, -1, 1, "max_tasks"), (1, 4, 0, "most_seconds")],
)
def test_a_policy_without_sense_is_refused(stake: int, tasks: int, most: int, named: str) -> None:
    with pytest.raises(PolicyError, match=named):
        Policy(Wei(stake), tasks, most_seconds=most)
