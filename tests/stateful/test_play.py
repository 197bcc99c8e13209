"""Whatever anybody sends, honest players lose nothing and every dispute ends."""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from . import books, honest, mirror
from .play import UPKEEP, Play

SHORT = (12, 30)
LONG = (int(os.environ.get("INFERNET_PLAYS", "500")), 100)


def run_plays(plays: int, rules: int) -> None:
    """Run so many plays of at most so many rules."""
    run_state_machine_as_test(
        Play,
        settings=settings(
            max_examples=plays,
            stateful_step_count=rules,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_anybody_sends_the_honest_side_loses_nothing() -> None:
    run_plays(*SHORT)


@pytest.mark.slow
def test_in_long_plays_the_honest_side_loses_nothing() -> None:
    run_plays(*LONG)


def disputed(seed: int) -> Play:
    """Return a play in which rogues move against the honest side until it has moved too."""
    rng, play = Random(seed), Play()
    play.begin(rng=rng)
    for _ in range(8):
        play.rogue_result(rng=rng)
        play.rogue_challenge(rng=rng)
        play.let_time_pass(seconds=5, rng=rng)
    return play


def test_disputes_are_played_to_proofs_and_everything_ends() -> None:
    play = disputed(3)
    books.close(play.stage, UPKEEP)
    done = play.stage.world.done
    assert done["DisputeGame.dissect"] and done["DisputeGame.prove"]


def test_a_model_of_another_rule_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "GRACE", mirror.GRACE + 1)
    with pytest.raises(AssertionError):
        disputed(3)


def test_an_honest_side_that_never_acts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(honest, "act", lambda stage: None)
    play = disputed(3)
    with pytest.raises(AssertionError):
        books.close(play.stage, UPKEEP)
