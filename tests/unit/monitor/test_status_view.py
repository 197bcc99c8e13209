"""The dashboard: fits a small terminal, says everything in words, and nothing that is not so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from infernet.chain.endpoints import EndpointStatus
from infernet.chain.records import AssertionId, GameId, GameStatus, Seconds, Wei
from infernet.cli.status_view import Process, View, dashboard, duration
from infernet.monitor.observatory import Observatory
from infernet.monitor.snapshot import (
    Capacity,
    Dispute,
    Due,
    Duty,
    Role,
    Snapshot,
    Transactions,
    Turn,
)
from infernet.store.checks import Coverage
from tests.stage import ETHER, Stage, new_stage

NODE = EndpointStatus("http://127.0.0.1:8545", False, {}, 0.0042, 7)


@pytest.fixture(scope="module")
def empty() -> Snapshot:
    stage: Stage = new_stage()
    account = stage.wallet().address
    capacity = Capacity(4, Wei(ETHER))
    return Observatory(
        stage.view(), account, Role.MINER, {stage.root: "toy"}, None, capacity
    ).take()


def dispute(number: int, turn: Turn = Turn.OURS, seconds_left: int = 5_000) -> Dispute:
    return Dispute(
        game_id=GameId(bytes([number]) * 32),
        assertion_id=AssertionId(bytes(32)),
        is_challenger=bool(number % 2),
        status=GameStatus.EXECUTOR_TURN,
        turn=turn,
        start=0,
        length=12_345_678_901,
        our_clock_seconds=10_800,
        their_clock_seconds=9_000,
        deadline=Seconds(0),
        seconds_left=seconds_left,
        bond_wei=Wei(ETHER),
    )


def busy(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot in which every line has something to say."""
    rich = Wei(123_456 * ETHER + 1)
    return replace(
        snapshot,
        models=tuple(
            replace(snapshot.models[0], name=name, accepted=1_000_000)
            for name in ("mobilenetv2", "resnet50", "digits")
        ),
        tasks=replace(snapshot.tasks, claimed=2, asserted=1, disputed=1, final=999_999, slashed=3),
        money=replace(
            snapshot.money,
            wallet_wei=Wei(0),
            fees_wei=rich,
            rewards_wei=rich,
            paid_wei=rich,
            gas_wei=rich,
        ),
        disputes=tuple(dispute(number, Turn.THEIRS) for number in range(1, 10)),
        dues=(Due(Duty.MOVE, GameId(bytes(32)), 600),),
        transactions=Transactions(1, 12, 5, 123_456, 7, 10**12),
        games_won=12,
        games_lost=1,
    )


def drawn(view: View, width: int = 80) -> list[str]:
    console = Console(width=width, record=True, color_system=None, file=None, highlight=False)
    with console.capture() as capture:
        console.print(dashboard(view))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 132, 200])
def test_it_fits_terminals_of_24_lines(empty: Snapshot, width: int) -> None:
    view = View(busy(empty), "onnxruntime", Process(123_456, 5 << 30), [NODE, NODE], score=0.93)
    for shown in (view, replace(view, snapshot=empty)):
        lines = drawn(shown, width)
        assert len(lines) <= 24
        assert {len(line) for line in lines} == {width}
        assert not any("…" in line for line in lines)


def test_a_player_that_did_nothing_says_so(empty: Snapshot) -> None:
    text = "\n".join(drawn(View(empty, "onnxruntime", None, [])))
    for words in (
        "NOT RUNNING",
        "0 of 4: claimed 0 · in window 0 · disputed 0",
        "final 0",
        "the chain alone was asked",
        "due       nothing",
        "disputes  none",
        "toy 0 accepted",
    ):
        assert words in text, text


def test_colour_only_repeats_what_words_say(empty: Snapshot) -> None:
    view = View(busy(empty), "reference", Process(77, None), [NODE], score=0.934)
    text = "\n".join(drawn(view))
    for words in (
        " · score 0.93",
        "RUNNING (process 77)",
        "wallet 0.000000 LOW",
        "slashed 3",
        "move within 0:10:00",
        "theirs",
        "3:00:00",
        "2:30:00",
        "12,345,678,901",
        "and 4 more",
        "won 12 · lost 1",
        "1 waiting · 12 unconfirmed",
    ):
        assert words in text, text


def test_clocks_count_down_between_looks(empty: Snapshot) -> None:
    view = View(busy(empty), "onnxruntime", None, [NODE], age_seconds=601)
    text = "\n".join(drawn(view))
    assert "move overdue since 0:00:01" in text
    assert "1:13:19" in text


def test_a_fisherman_shows_its_coverage(empty: Snapshot) -> None:
    snapshot = replace(
        empty, role=Role.FISHERMAN, coverage=Coverage(seen=200, sampled=100, checked=97, late=3)
    )
    text = "\n".join(drawn(View(snapshot, "onnxruntime", None, [NODE])))
    assert "checked 97 of 100 sampled (97.0 %) · seen 200 · false 0 · missed 3" in text
    assert "in work" not in text


def test_trouble_is_told_below_figures_that_are_old(empty: Snapshot) -> None:
    view = View(empty, "onnxruntime", None, [NODE], trouble="no chain answers")
    assert any("not up to date: no chain answers" in line for line in drawn(view))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (3_661, "1:01:01"), (-5, "-0:00:05")]
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text
