"""The loop of a player: nothing ends it but a request to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from infernet.actors.crew import Crew, Work
from infernet.actors.daemon import Pace, run
from infernet.actors.report import Report
from infernet.chain.connection import embedded_chain
from infernet.chain.errors import ChainError, ChainUnavailable, NonceTaken, Reverted
from infernet.chain.wallet import KeySigner, Wallet

HASTY = Pace(0.01, 0.01, 0.05, 0.5)


class Watcher:
    """Keeps all that it hears."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.ticks = 0

    def on_report(self, report: Report) -> None:
        pass

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_tick(self, duration_seconds: float) -> None:
        self.ticks += 1


class Scripted:
    """A player whose turns are given; it asks to stop after the last."""

    def __init__(self, turns: list[Callable[[], bool]], crew: Crew | None = None) -> None:
        self.crew, self.is_over = crew or Crew(), threading.Event()
        self._turns = turns
        self.taken = 0
        self.is_stopped = False

    def tick(self) -> bool:
        turn = self._turns[self.taken]
        self.taken += 1
        if self.taken == len(self._turns):
            self.is_over.set()
        return turn()

    def stop(self) -> None:
        self.is_stopped = True


class TroubledWallet(Wallet):
    """A wallet whose care for earlier transactions fails; all else is real."""

    def tend(self) -> None:
        raise NonceTaken("somebody else uses the key")


@pytest.fixture(scope="module")
def wallet() -> Wallet:
    return Wallet(embedded_chain(), KeySigner.create())


def fail(error: Exception) -> Callable[[], bool]:
    def turn() -> bool:
        raise error

    return turn


def ignore(error: Reverted) -> None:
    pass


def idle() -> bool:
    return False


def test_no_error_ends_the_loop_and_each_is_counted(wallet: Wallet) -> None:
    away, bug = ChainUnavailable("nobody answers"), ZeroDivisionError("a bug")
    player, watcher = Scripted([fail(away), fail(bug), fail(away), idle, idle]), Watcher()
    with capture_logs() as logs:
        run(player, wallet, player.is_over, watcher, HASTY)
    assert player.is_stopped
    assert watcher.errors == [away, bug, away]
    assert (player.taken, watcher.ticks) == (5, 2)
    told = [(entry["log_level"], entry["event"]) for entry in logs]
    # The same again within a minute is counted, not told.
    assert told[:2] == [("warning", "turn_failed"), ("error", "turn_broke")]
    assert told[2:] == [("info", "turn_succeeded"), ("info", "stopped")]


def test_several_failures_of_one_turn_are_counted_one_by_one(wallet: Wallet) -> None:
    errors = [ChainError("one"), KeyError("two")]
    player, watcher = Scripted([fail(ExceptionGroup("several", errors)), idle]), Watcher()
    run(player, wallet, player.is_over, watcher, HASTY)
    assert watcher.errors == errors


def test_trouble_with_earlier_transactions_does_not_hold_up_a_turn(wallet: Wallet) -> None:
    player, watcher = Scripted([idle, idle, idle]), Watcher()
    troubled = TroubledWallet(wallet.chain, wallet.signer)
    run(player, troubled, player.is_over, watcher, HASTY)
    assert player.taken == 3
    assert [type(error) for error in watcher.errors] == [NonceTaken] * 3


def test_pauses_grow_to_a_bound_and_vary() -> None:
    pace = Pace(first_pause_seconds=1, longest_pause_seconds=8)
    assert 0.75 <= pace.pause(1) <= 1.25
    assert 3 <= pace.pause(3) <= 5
    assert all(6 <= pace.pause(n) <= 10 for n in (4, 20, 10_000))
    assert len({pace.pause(9) for _ in range(9)}) > 1


def test_after_a_failed_turn_a_player_waits_and_can_still_be_stopped(wallet: Wallet) -> None:
    stop, watcher = threading.Event(), Watcher()
    player = Scripted([fail(ChainError("away"))] * 100)
    slow = Pace(first_pause_seconds=30, longest_pause_seconds=30)
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    run(player, wallet, stop, watcher, slow)
    assert time.monotonic() - began < 5
    assert len(watcher.errors) == 1


def test_what_is_in_flight_gets_its_grace_and_no_more(wallet: Wallet) -> None:
    crew, done, gate, at_work = Crew(2), threading.Event(), threading.Event(), threading.Barrier(3)

    def short() -> bool:
        at_work.wait(10)
        return not time.sleep(0.1) and not done.set()

    def long() -> bool:
        at_work.wait(10)
        return gate.wait(30)

    def turn() -> bool:
        has_acted = crew.attempt_all([Work(b"short", short), Work(b"long", long)], ignore)
        at_work.wait(10)
        return has_acted

    player = Scripted([turn], crew)
    began = time.monotonic()
    with capture_logs() as logs:
        run(player, wallet, player.is_over, Watcher(), HASTY)
    assert time.monotonic() - began < 5
    assert done.is_set()
    assert logs[-1]["works_in_flight"] == 1
    gate.set()


_PROGRAM = """
import sys, threading
from infernet.actors.crew import Crew, Work
from infernet.actors.daemon import Pace, run, stop_on_signals
from infernet.chain.connection import embedded_chain
from infernet.chain.wallet import KeySigner, Wallet
from tests.unit.actors.test_daemon import Watcher, ignore

class Player:
    crew = Crew(1)
    def tick(self):
        print("turn", flush=True)
        return self.crew.attempt_all([Work(b"endless", threading.Event().wait)], ignore)
    def stop(self):
        print("stopped", flush=True)

stop = threading.Event()
stop_on_signals(stop)
run(Player(), Wallet(embedded_chain(), KeySigner.create()), stop, Watcher(), Pace(grace_seconds=.5))
print("in order", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_in_seconds_with_success(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert process.stdout
    assert process.stdout.readline() == "turn\n"
    began = time.monotonic()
    process.send_signal(number)
    shown, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert time.monotonic() - began < 10
    assert shown.endswith("in order\n")
