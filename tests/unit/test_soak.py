"""What the soak plans, and what it calls flat."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.soak.health import LARGEST_GROWTH, MORE_FILES, Health, growth
from benchmarks.soak.lies import Kind, draw


def test_a_plan_holds_its_share_of_lies_and_every_kind_alike() -> None:
    plan = draw(tasks=1_000, share=0.03, liars=2, miners=5, seed=2026)
    told = Counter(kind for each in plan.told for kind in each.values())
    told[Kind.HIDDEN] += len(plan.hidden)
    assert plan.lies == told.total() == 30
    assert set(told) == set(Kind)
    assert set(told.values()) == {3, 4}
    assert plan == draw(1_000, 0.03, 2, 5, 2026) != draw(1_000, 0.03, 2, 5, 2027)


def steady(count: int = 100) -> Health:
    return Health([150_000] * count, [100_000] * count, [20] * count)


def test_growth_before_the_second_half_is_a_start_and_after_it_a_leak() -> None:
    started, leaking = steady(), steady()
    started.rss[:50] = range(50)
    leaking.rss[50:] = [150_000 + 200 * number for number in range(50)]
    assert steady().is_flat
    assert started.is_flat
    assert growth(leaking.rss) > LARGEST_GROWTH
    assert not leaking.is_flat


@pytest.mark.parametrize(("more", "is_flat"), [(MORE_FILES, True), (MORE_FILES + 1, False)])
def test_files_that_stay_open_are_a_leak(more: int, is_flat: bool) -> None:
    health = steady()
    health.files[-1] += more
    assert health.is_flat is is_flat


def test_too_few_samples_show_nothing() -> None:
    assert not steady(3).is_flat
