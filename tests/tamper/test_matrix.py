"""The tamper matrix: it is complete, its rows hold, its page tells them, and it can fail."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from bisection.game import Player
from tests.e2e.disputes_arena import Claim
from tests.e2e.disputes_liars import TraceClaim

from . import __main__ as command
from .case import Act, Case, Outcome
from .changes import same_end
from .courses import Challenge, accepted, lie_of, take_reward
from .coverage import ITEMS
from .ground import Ground, Party
from .inputs import Follows
from .lie import Lie, Tells
from .matrix import ROWS, play
from .networks import Network
from .page import PAGE, cells, coverage, text, written
from .twists import Moment, Twist

EXECUTOR, CHALLENGER, FRIEND = Party.EXECUTOR, Party.CHALLENGER, Party.FRIEND
TESTS = Path(__file__).parents[1]
SOLIDITY = TESTS.parent / "contracts" / "test"
FAMILY = {"digits": "CNN", "bert": "encoder", "ends": "decoder", "goes on": "decoder"}
needs_data = pytest.mark.skipif(
    "INFERNET_TEST_DATA" not in os.environ, reason="INFERNET_TEST_DATA is not set"
)
SAMPLE = {
    "CNN": (
        "cnn conv reduce",
        "forges a witness",
        "hides an input",
        "relays to another chain",
        "comes second to a commit",
    ),
    "encoder": ("encoder table", "opens twice"),
    "decoder": ("decoder token", "requests an iteration too many"),
}


@cache
def ground() -> Ground:
    return Ground()


def of_name(name: str) -> Lie:
    (lie,) = [lie for lie in ROWS if lie.name == name]
    return lie


def require_told(played: Iterable[tuple[Lie, Outcome]]) -> None:
    """Require rows without faults, as the page tells them but for a hundredth of their gas."""
    page = written(PAGE.read_text())
    for lie, outcome in played:
        assert outcome.faults == (), lie.name
        found, there = cells(lie, outcome), page[lie.name]
        assert found[:-1] == there[:-1], "the page is old: python -m tests.tamper --write"
        gas = int(there[-1].replace(",", ""))
        assert abs(outcome.gas - gas) <= gas / 100, lie.name


# The data


def test_there_are_many_lies_each_with_a_name_of_its_own() -> None:
    names = Counter(lie.name for lie in ROWS)
    assert len(ROWS) >= 80
    assert set(names.values()) == {1}


def test_each_family_of_networks_is_lied_about_by_each_party() -> None:
    families = Counter(FAMILY[lie.network] for lie in ROWS)
    assert min(families[each] for each in ("CNN", "encoder", "decoder")) >= 20
    assert {party for lie in ROWS for party in lie.liars} == set(Party) - {Party.WATCHER}


def test_the_page_tells_exactly_the_lies_that_there_are() -> None:
    page = written(PAGE.read_text())
    assert list(page) == [lie.name for lie in ROWS]
    for lie in ROWS:
        assert page[lie.name][2:5] == [lie.who, lie.where, lie.what]
    for each in (PAGE, PAGE.with_name("README.md")):
        assert f"{len(ROWS)} named lies" in each.read_text()


def test_whatever_was_to_be_tried_is_tried_by_a_lie_or_a_test_that_exists() -> None:
    names = {lie.name for lie in ROWS}
    for item in ITEMS:
        assert item.rows or item.tests, item.what
        assert set(item.rows) <= names, item.what
        for each in item.tests:
            places = TESTS / f"{each}.py", SOLIDITY / f"{each}.sol"
            assert any(place.exists() for place in places), each
    assert PAGE.read_text().endswith(coverage())


# The rows


def test_lies_about_a_cnn_lose() -> None:
    require_told(play([of_name(each) for each in SAMPLE["CNN"]], ground()))


@needs_data
def test_lies_about_an_encoder_lose() -> None:
    require_told(play([of_name(each) for each in SAMPLE["encoder"]], ground()))


@needs_data
def test_lies_about_a_decoder_lose() -> None:
    require_told(play([of_name(each) for each in SAMPLE["decoder"]], ground()))


@needs_data
@pytest.mark.slow
def test_every_lie_loses_as_the_page_tells_it() -> None:
    played = list(play(ROWS))
    require_told(played)
    page = text({lie.name: (lie, outcome) for lie, outcome in played})
    before, _, _ = page.partition("\n## ")
    assert PAGE.read_text().startswith(before)


# It can fail


class Truth:
    """No falsehood at all."""

    def claim(self, network: Network) -> Claim:
        return TraceClaim(network.truth)


def _unchallenged(case: Case) -> None:
    case.assert_result(lie_of(case))
    case.finalise()


def _challenger_is_silent(case: Case) -> None:
    case.assert_result(lie_of(case))
    challenge = Challenge(case, CHALLENGER, case.honest)
    challenge.commit()
    case.ground.pass_until(case.window_end)
    challenge.send("forfeit", challenge.game_id)
    challenge.settle()
    case.finalise()


def _executor_is_silent(case: Case) -> None:
    case.assert_result(case.honest)
    challenge = Challenge(case, CHALLENGER, lie_of(case))
    challenge.commit()
    challenge.open()
    challenge.time_out()
    take_reward(case, CHALLENGER)


def _taken(case: Case) -> None:
    case.assert_result(case.honest)
    case.ground.pass_until(case.window_end)
    case.attempt(EXECUTOR, case.ground.market, "finalise", case.assertion_id)


def _from_nowhere(case: Case) -> None:
    case.ground.send("deposit", case.ground.address[EXECUTOR], case.ground.vault, value=1)


def _honest_is_refused(case: Case) -> None:
    case.assert_result(case.honest)
    case.ground.send("finalise", case.ground.challenger, case.ground.market, case.assertion_id)


LOSSES: dict[str, tuple[Act, Party, tuple[str, ...]]] = {
    "the truth, told as a lie": (
        Tells(Truth(), Player.EXECUTOR),
        EXECUTOR,
        ("the lying executor won", "the honest challenger lost 40000000000000000 wei"),
    ),
    "nobody watches": (_unchallenged, EXECUTOR, ("a false result is final",)),
    "a watcher that is silent": (
        _challenger_is_silent,
        EXECUTOR,
        ("a false result is final", "the honest challenger lost 40000000000000000 wei"),
    ),
    "an executor that is silent": (
        _executor_is_silent,
        CHALLENGER,
        (
            "the honest executor lost 10000000000000000000 wei",
            "the liars gained 2500000000000000000 wei",
        ),
    ),
    "nothing of it is false": (
        Follows(accepted),
        FRIEND,
        ("the lie cost 0 wei, and nothing of it was refused",),
    ),
    "a call that is taken": (_taken, EXECUTOR, ("the executor's finalise was taken",)),
    "a coin that is made": (_from_nowhere, EXECUTOR, ("1 wei came from nowhere",)),
    "an honest call refused": (
        _honest_is_refused,
        EXECUTOR,
        (
            "it stopped: Refused: DeadlineNotPassed",
            "the honest challenger's finalise was refused: DeadlineNotPassed",
        ),
    ),
    "a move that never comes": (
        Twist(Moment.OPENING, same_end, Player.EXECUTOR),
        EXECUTOR,
        ("the move was never tried",),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_in_which_honesty_loses_is_at_fault(name: str) -> None:
    act, liar, faults = LOSSES[name]
    row = Lie(name, "digits", frozenset({liar}), "nowhere", "nothing", act)
    ((_, outcome),) = play([row], ground())
    assert set(faults) <= set(outcome.faults)


@needs_data
def test_the_command_fails_where_a_row_is_at_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Lie("nobody watches", "digits", frozenset({EXECUTOR}), "", "", _unchallenged)
    monkeypatch.setattr(command, "ROWS", (row, of_name("withdraws a stake")))
    assert command.main(["--only", "withdraws"]) == 0
    assert command.main([]) == 1
    assert "2 lies, 1 at fault\n  nobody watches" in capsys.readouterr().err
