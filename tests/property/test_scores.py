"""Scores, over lives of any kind: bounded, without order, and never better for a lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.chain.logs import Event
from infernet.chain.records import Address, Seconds
from infernet.monitor.scores import (
    HALF_LIFE_SECONDS,
    NO_FISHERMAN,
    NO_MINER,
    PRIOR_SCORE,
    FishermanRecord,
    MinerRecord,
    Tally,
)

ASSERT_SECONDS = 1_200
NOW = Seconds(1_800_000_000)
MINER, FISHERMAN = Address("0x" + "a1" * 20), Address("0x" + "f1" * 20)
FRESH = NO_MINER.score(NOW)

times = st.integers(NOW - 10 * HALF_LIFE_SECONDS, NOW)
latencies = st.integers(0, ASSERT_SECONDS)


@dataclass(frozen=True)
class Deed:
    """A claim and what came of it. `games`: whether the challenger won, one by one.

    `allowed`: the seconds that the claim had.
    """

    end: str
    at: int
    latency: int = 0
    games: tuple[bool, ...] = ()
    allowed: int = ASSERT_SECONDS


def deeds_of(*ends: str) -> st.SearchStrategy[Deed]:
    games = st.lists(st.booleans(), max_size=2).map(tuple)
    return st.builds(Deed, st.sampled_from(ends), times, latencies, games)


lives = st.lists(deeds_of("final", "slashed", "expired", "pending"), max_size=12)
honest_lives = st.lists(deeds_of("final", "pending"), max_size=12)


def played(deeds: Sequence[Deed]) -> Tally:
    """Return the tally of events that tell a miner's deeds."""
    tally, ids = Tally(), count(1)

    def tell(name: str, at: int = 0, **arguments: object) -> None:
        tally.apply(Event(name, arguments, 1, 0, b""), Seconds(at))

    for deed in deeds:
        task, result = (next(ids).to_bytes(32, "big") for _ in range(2))
        deadline = deed.at + deed.allowed
        tell("Claimed", deed.at, taskId=task, executor=MINER, claimDeadline=deadline)
        if deed.end == "expired":
            tell("ClaimExpired", taskId=task, executor=MINER, penalty=5)
            continue
        about = {"taskId": task, "assertionId": result, "executor": MINER}
        tell("Asserted", deed.at + deed.latency, **about)
        for is_won in deed.games:
            game = next(ids).to_bytes(32, "big")
            names = {"assertionId": result, "gameId": game}
            tell("ChallengeCommitted", deed.at, challenger=FISHERMAN, **names)
            tell("AssertionVoided" if is_won else "GameLost", **names)
        if deed.end == "final":
            tell("Finalised", fee=7, **about)
        elif deed.end == "slashed":
            tell("Slashed", burned=50, reward=50, **about)
    return tally


def miner(deeds: Sequence[Deed]) -> MinerRecord:
    return played(deeds).miners.get(MINER, NO_MINER)


def fisherman(deeds: Sequence[Deed]) -> FishermanRecord:
    return played(deeds).fishermen.get(FISHERMAN, NO_FISHERMAN)


def score(deeds: Sequence[Deed], now: int = NOW) -> float:
    return miner(deeds).score(Seconds(now))


@given(lives, st.integers(0, 20 * HALF_LIFE_SECONDS))
def test_a_score_lies_between_nothing_and_one_at_any_time(deeds, later):
    tally, now = played(deeds), Seconds(NOW + later)
    for record in (*tally.miners.values(), *tally.fishermen.values()):
        assert 0.0 <= record.score(now) <= 1.0


@given(lives.flatmap(lambda deeds: st.tuples(st.just(deeds), st.permutations(deeds))))
def test_the_order_of_deeds_does_not_matter_only_their_times_do(pair):
    first, second = map(miner, pair)
    assert first.score(NOW) == pytest.approx(second.score(NOW), rel=1e-9)
    assert first.latencies == second.latencies
    assert (first.final, first.slashed, first.expired) == (
        second.final,
        second.slashed,
        second.expired,
    )


@given(lives, times, latencies)
def test_a_slash_never_raises_a_score_and_neither_does_a_claim_without_a_result(deeds, at, latency):
    before = score([*deeds, Deed("pending", at, latency)])
    assert score([*deeds, Deed("slashed", at, latency)]) <= before
    assert score([*deeds, Deed("expired", at)]) <= before


@given(honest_lives, times, latencies)
def test_a_fresh_address_is_never_better_than_a_used_honest_one(deeds, at, latency):
    assert score([*deeds, Deed("final", at, latency)]) >= FRESH == PRIOR_SCORE


@given(st.lists(deeds_of("final"), max_size=200), latencies)
def test_who_just_lied_is_worse_than_a_fresh_address_however_much_it_did_before(deeds, latency):
    assert score([*deeds, Deed("slashed", NOW - latency, latency)]) < FRESH


@given(lives, times, latencies, latencies)
def test_a_slower_result_is_never_worth_more(deeds, at, one, other):
    quick, slow = sorted((one, other))
    done = Deed("final", at - ASSERT_SECONDS, quick), Deed("final", at - ASSERT_SECONDS, slow)
    # The times of both results are the same; the claim of the slower one is older.
    later = Deed("final", done[0].at + slow - quick, quick)
    assert score([*deeds, later]) >= score([*deeds, done[1]]) - 1e-12


@given(lives, times, latencies)
def test_a_final_result_raises_every_score_below_what_the_slowest_is_worth(deeds, at, latency):
    before = score(deeds)
    if before < 0.9:
        assert score([*deeds, Deed("final", at, latency)]) >= before - 1e-12


def test_latency_alone_moves_a_score_by_a_tenth_at_most():
    quick = score([Deed("final", NOW - 9, 0)] * 1_000)
    slow = score([Deed("final", NOW - ASSERT_SECONDS, ASSERT_SECONDS)] * 1_000)
    assert 0.09 < quick - slow < 0.1


@given(lives, times, latencies, st.integers(1, 100))
def test_what_counts_of_a_latency_is_its_share_of_the_time_that_the_claim_had(
    deeds, at, latency, times_as_long
):
    # A long run has more time, and takes it.
    short = Deed("final", at - latency, latency)
    slow = latency * times_as_long
    long = Deed("final", at - slow, slow, allowed=ASSERT_SECONDS * times_as_long)
    assert score([*deeds, long]) == pytest.approx(score([*deeds, short]), rel=1e-9)


def test_a_claim_without_any_time_left_has_a_result_as_late_as_can_be():
    late = score([Deed("final", NOW - 9, 1, allowed=0)])
    assert late == score([Deed("final", NOW - 9, 1, allowed=1)])


@given(lives)
def test_what_is_long_past_counts_no_more(deeds):
    assert score(deeds, NOW + 60 * HALF_LIFE_SECONDS) == pytest.approx(FRESH, abs=1e-6)


@given(lives, st.booleans())
def test_a_won_challenge_never_lowers_a_fishermans_score_and_a_lost_one_never_raises_it(
    deeds, is_won
):
    before = fisherman(deeds).score(NOW)
    after = fisherman([*deeds, Deed("pending", NOW, 0, (is_won,))]).score(NOW)
    assert (after >= before) if is_won else (after <= before)


@given(lives)
def test_counts_are_those_of_the_deeds_and_each_game_has_one_winner(deeds):
    ends = [deed.end for deed in deeds]
    found, other = miner(deeds), fisherman(deeds)
    assert found.claims == len(deeds)
    assert found.results == len(deeds) - ends.count("expired") == sum(found.latencies.values())
    assert (found.final, found.slashed) == (ends.count("final"), ends.count("slashed"))
    assert (found.disputes_won, found.disputes_lost) == (other.lost, other.won)
    assert found.fees_wei == 7 * found.final
    assert found.lost_wei == 100 * found.slashed + 5 * found.expired


@settings(max_examples=50)
@given(st.lists(latencies, min_size=1, max_size=30))
def test_percentiles_are_latencies_that_so_many_results_kept(values):
    record = miner([Deed("final", NOW - 5_000, each) for each in values])
    for share in (0.5, 0.95):
        found = record.latency(share)
        assert found in values
        assert sum(each <= found for each in values) >= share * len(values)
        assert sum(each < found for each in values) < share * len(values)
    assert NO_MINER.latency(0.5) is None
