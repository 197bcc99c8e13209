"""Buckets under any order of requests and any clock."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.rates import Buckets, Rate, place_of

_RATES = st.builds(Rate, st.floats(0.01, 1_000), st.floats(1, 1_000))
_STEPS = st.lists(st.floats(-50, 50), max_size=200)
_FORWARD = st.lists(st.floats(0, 5), min_size=1, max_size=200)


@given(_RATES, _STEPS)
def test_no_clock_makes_more_tokens_than_its_time(rate: Rate, steps: list[float]) -> None:
    buckets, granted, start, latest = Buckets(), 0, 1_000.0, 1_000.0
    for now in accumulate(steps, initial=start):
        latest = max(latest, now)
        granted += buckets.take("a", rate, now) == 0
        assert granted <= rate.burst + rate.per_second * (latest - start) + 1e-6


@given(_RATES, _FORWARD, st.integers(0, 100), st.integers(1, 100))
def test_every_window_of_time_is_bounded(
    rate: Rate, steps: list[float], first: int, length: int
) -> None:
    buckets = Buckets()
    times = list(accumulate(steps))
    granted = [now for now in times if buckets.take("a", rate, now) == 0]
    window = granted[first : first + length]
    if window:
        assert len(window) <= rate.burst + rate.per_second * (window[-1] - window[0]) + 1e-6


@given(_RATES, _STEPS)
def test_after_the_time_it_tells_it_grants(rate: Rate, steps: list[float]) -> None:
    buckets = Buckets()
    for now in accumulate(steps, initial=1_000.0):
        wait = buckets.take("a", rate, now)
        assert wait >= 0
        if wait:
            assert math.isfinite(wait)
            assert buckets.take("a", rate, now + wait * (1 + 1e-9) + 1e-6) == 0
            return


@given(_RATES)
def test_a_first_burst_is_granted_whole(rate: Rate) -> None:
    buckets = Buckets()
    granted = sum(buckets.take("a", rate, 0.0) == 0 for _ in range(int(rate.burst) + 10))
    assert granted == int(rate.burst)


@given(st.lists(st.sampled_from("abcdefghij"), max_size=300), st.integers(1, 5))
def test_memory_is_bounded_and_names_do_not_share(names: list[str], most: int) -> None:
    buckets, rate = Buckets(most), Rate(1.0, 1.0)
    for at, name in enumerate(names):
        buckets.take(name, rate, 0.0)
        assert len(buckets) <= most
        # The one that asked last is never the one that is forgotten.
        assert buckets.take(name, rate, 0.0) > 0, at


def test_a_refused_request_costs_nothing() -> None:
    buckets, rate = Buckets(), Rate(1.0, 1.0)
    assert buckets.take("a", rate, 0.0) == 0
    assert [buckets.take("a", rate, 0.5) for _ in range(100)] == [0.5] * 100
    assert buckets.take("a", rate, 1.0) == 0


def test_a_clock_that_goes_back_waits_until_it_is_where_it_was() -> None:
    buckets, rate = Buckets(), Rate(1.0, 1.0)
    assert buckets.take("a", rate, 100.0) == 0
    assert buckets.take("a", rate, 90.0) == 11.0
    assert buckets.take("a", rate, 100.5) == 0.5
    assert buckets.take("a", rate, 101.0) == 0


def test_a_lowered_rate_holds_at_once() -> None:
    buckets = Buckets()
    assert buckets.take("a", Rate(1.0, 100.0), 0.0) == 0
    granted = sum(buckets.take("a", Rate(1.0, 2.0), 0.0) == 0 for _ in range(10))
    assert granted == 2


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_neighbours_in_ipv6_share_a_bucket(address: str, place: str) -> None:
    assert place_of(address) == place
