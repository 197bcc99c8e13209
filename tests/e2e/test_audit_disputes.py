"""Disputes as auditors see them: begun, running, forfeited, lost by time and by proof."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from bisection.game import Player
from executor.actor import Executor
from fisherman.actor import Fisherman
from infernet.chain.records import GameStatus
from infernet.cli import run
from tests.survival.town import Town

from .audit_town import audited_town, proven_lie

_MOST_TICKS = 16


@dataclass(frozen=True, slots=True)
class Court:
    """A town, what reaches it, and steps to lie at: who is right proves the last one."""

    town: Town
    seam: tuple[str, ...]
    lie_at: int
    slander_at: int


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    with audited_town(tmp_path_factory.mktemp("court")) as (town, seam):
        steps = proven_lie(town)[0], proven_lie(town, Player.EXECUTOR)[0]
        yield Court(town, seam, *steps)


@pytest.fixture
def court(place: Court) -> Iterator[Court]:
    with place.town.rewound() as town:
        assert isinstance(town, Town)
        yield replace(place, town=town)


def players(court: Court, *, lies: bool) -> tuple[Executor, Fisherman]:
    """Return a liar and who finds out, or a slanderer and its victim; the result is asserted."""
    town = court.town
    town.request(town.wallet())
    executor = town.executor(town.wallet(), court.lie_at if lies else None)
    fisherman = town.fisherman(town.wallet(), None if lies else court.slander_at)
    for _ in range(_MOST_TICKS):
        executor.tick()
        if town.contracts.market.assertions():
            return executor, fisherman
    raise AssertionError("nothing was asserted")


def status(court: Court) -> GameStatus | None:
    games = court.town.contracts.games
    found = [GameStatus(games.game(each.game_id).status) for each in games.challenges()]
    return found[0] if found else None


def play_until(court: Court, wanted: GameStatus, *ticks: Callable[[], object]) -> None:
    """Let players act in turn until the only game stands so."""
    for _ in range(_MOST_TICKS):
        for tick in ticks:
            if status(court) is wanted:
                return
            tick()
            court.town.skip(10)
    assert status(court) is wanted


def let_clock_run_out(court: Court) -> None:
    constants = court.town.contracts.game_constants
    court.town.skip(constants.clock_seconds + constants.grace_seconds + 1)


def told(court: Court, capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str, dict]:
    """Return what list and show say of the only game, and what replay finds, in 80 columns."""
    capsys.readouterr()
    assert run(("dispute", "list", "--json", *court.seam)) == 0
    (found,) = json.loads(capsys.readouterr().out)
    game = found["game_id"][:10]
    texts = []
    for command in (("list",), ("show", game)):
        assert run(("dispute", *command, *court.seam)) == 0
        texts.append(capsys.readouterr().out)
        assert max(map(len, texts[-1].splitlines())) <= 80
    assert game in texts[0]
    assert run(("dispute", "replay", game, *court.seam)) == code
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    assert run(("dispute", "replay", game, "--json", *court.seam)) == code
    return texts[0], texts[1], json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_commit_that_nobody_opens(court, capsys):
    executor, slanderer = players(court, lies=False)
    play_until(court, GameStatus.COMMITTED, slanderer.tick)
    listed, shown, judged = told(court, capsys)
    assert "challenger opens" in listed and "UTC, in 0:" in shown
    assert judged["is_result_true"] and judged["should_win"] == "executor"
    assert judged["winner"] is None and judged["moves"] == [] and judged["step"] is None
    court.town.skip(court.town.contracts.game_constants.open_seconds + 1)
    assert "ago: anyone may end the game" in told(court, capsys)[1]
    play_until(court, GameStatus.LOST, executor.tick)
    listed, shown, judged = told(court, capsys)
    assert "executor won" in listed and "the challenge was never opened" in shown
    assert judged["winner"] == "executor" and judged["is_confirmed"]


def test_a_running_game_and_a_liar_who_lets_its_time_pass(court, capsys):
    _, fisherman = players(court, lies=True)
    play_until(court, GameStatus.EXECUTOR_TURN, fisherman.tick)
    assert run(("dispute", "list", "--open", *court.seam)) == 0
    assert "executor's turn" in capsys.readouterr().out
    _, shown, judged = told(court, capsys)
    assert "UTC, in 0:" in shown and "clocks: executor" in shown
    assert judged["should_win"] == "challenger" and judged["winner"] is None
    let_clock_run_out(court)
    play_until(court, GameStatus.WON, fisherman.tick)
    listed, shown, judged = told(court, capsys)
    assert "challenger won" in listed and "executor let the deadline pass" in shown
    assert judged["winner"] == "challenger" and judged["step"] is None and judged["is_confirmed"]


def test_a_slanderer_loses_by_the_proof_of_one_step(court, capsys):
    executor, slanderer = players(court, lies=False)
    play_until(court, GameStatus.EXECUTOR_TURN, slanderer.tick)
    play_until(court, GameStatus.LOST, executor.tick)
    executor.tick()
    listed, shown, judged = told(court, capsys)
    assert "executor won" in listed and "to the executor" in shown
    assert judged["is_result_true"] and judged["is_confirmed"]
    assert judged["step"]["prover"] == "executor" and judged["step"]["is_proof_true"]
    assert any(move["by"] == "challenger" and move["false"] for move in judged["moves"])
    assert all(move["false"] == 0 for move in judged["moves"] if move["by"] == "executor")


def test_a_verdict_is_wrong_if_who_is_right_sleeps(court, capsys):
    liar, fisherman = players(court, lies=True)
    play_until(court, GameStatus.EXECUTOR_TURN, fisherman.tick)
    play_until(court, GameStatus.CHALLENGER_TURN, liar.tick)
    assert "challenger's turn" in told(court, capsys)[0]
    let_clock_run_out(court)
    play_until(court, GameStatus.LOST, liar.tick)
    _, shown, judged = told(court, capsys, code=5)
    assert "challenger let the deadline pass" in shown
    assert not judged["is_result_true"] and not judged["is_confirmed"]
    assert (judged["winner"], judged["should_win"]) == ("executor", "challenger")
