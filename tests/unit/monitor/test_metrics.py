"""Metrics: counted as told, bounded labels, one port; a ledger that folds what is old only once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import requests

from infernet.actors.report import Report
from infernet.chain.errors import RetryableChainError
from infernet.chain.records import TaskId
from infernet.chain.wallet import Wallet
from infernet.monitor import history
from infernet.monitor.errors import MonitorError
from infernet.monitor.history import Ledger
from infernet.monitor.metrics import Monitor, Sources
from infernet.monitor.observatory import Observatory
from infernet.monitor.snapshot import Role
from tests.stage import Stage, new_stage


@pytest.fixture(scope="module")
def town() -> Stage:
    return new_stage()


@pytest.fixture
def stage(town: Stage) -> Iterator[Stage]:
    with town.rewound() as stage:
        yield stage


def monitor_of(stage: Stage, wallet: Wallet) -> Monitor:
    observatory = Observatory(stage.view(), wallet.address, Role.MINER, {stage.root: "toy"})
    return Monitor(observatory, Sources(Path(), "onnxruntime", lambda: True))


def values(monitor: Monitor) -> dict[str, float]:
    """Return what is exported, by name and labels."""
    found = {}
    for family in monitor.registry.collect():
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            found[f"{sample.name}:{labels}" if labels else sample.name] = sample.value
    return found


def test_what_is_told_is_counted(stage: Stage) -> None:
    wallet = stage.wallet()
    monitor = monitor_of(stage, wallet)
    for number in range(3):
        task_id = TaskId(bytes([number]) * 32)
        monitor.on_report(
            Report("miner", wallet.address, "task_claimed", "claims a task", task_id=task_id)
        )
    monitor.on_error(RetryableChainError("try again"))
    monitor.on_tick(0.2)
    monitor.on_inference("toy", 0.03)
    found = values(monitor)
    assert found["infernet_reports_total:task_claimed"] == 3
    assert found["infernet_errors_total:loop,RetryableChainError"] == 1
    assert found["infernet_tick_seconds_count"] == 1
    assert found["infernet_inference_seconds_sum:toy"] == 0.03
    assert "infernet_wallet_ether" not in found
    monitor.look()
    assert values(monitor)["infernet_wallet_ether"] == 100


def test_no_label_names_a_task_a_game_or_an_account(stage: Stage) -> None:
    wallet = stage.wallet()
    task_id = stage.request(stage.wallet())
    stage.executor(wallet).tick()
    monitor = monitor_of(stage, wallet)
    monitor.look()
    port = monitor.serve("127.0.0.1", 0)
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text.lower()
    monitor.stop()
    assert 'infernet_tasks{state="claimed"} 1.0' in text
    for secret in (wallet.address.lower()[2:], task_id.hex(), stage.root.hex()):
        assert secret not in text


def test_a_port_in_use_is_named_with_what_to_do(stage: Stage) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MonitorError, match=rf"127\.0\.0\.1:{port}.*metrics\.port"):
            monitor_of(stage, stage.wallet()).serve("127.0.0.1", port)


def test_a_chain_that_fails_is_counted_and_leaves_the_last_figures(stage: Stage) -> None:
    class Failing(Observatory):
        """Takes one snapshot, then its chain is gone."""

        is_gone = False

        def take(self) -> object:
            if Failing.is_gone:
                raise RetryableChainError("gone")
            return super().take()

    observatory = Failing(stage.view(), stage.wallet().address, Role.MINER, {})
    monitor = Monitor(observatory, Sources(Path(), "onnxruntime", lambda: True))
    assert monitor.look() is not None
    Failing.is_gone = True
    assert monitor.look() is None
    found = values(monitor)
    assert found["infernet_wallet_ether"] == 100
    assert found["infernet_errors_total:snapshot,RetryableChainError"] == 1


def test_a_ledger_folds_old_blocks_once_and_sees_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = stage.wallet()
    miner, kept = stage.executor(wallet), Ledger(stage.view(), wallet.address)
    monkeypatch.setattr(history, "UNSETTLED_BLOCKS", 2)
    for _ in range(2):
        stage.request(stage.wallet())
        for _ in range(3):
            miner.tick()
            seen = kept.look()
            assert seen == Ledger(stage.view(), wallet.address).look()
        stage.skip(21_601)
    while miner.tick():
        assert kept.look() == Ledger(stage.view(), wallet.address).look()
    assert kept.look().counts["final"] == 2
    assert kept._next > stage.contracts.deployment.block


def test_a_look_that_never_ends_does_not_keep_the_player_from_ending(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infernet.monitor.metrics._STOP_SECONDS", 0.1)
    gone, looks = threading.Event(), threading.Event()

    def ask_a_queue_that_is_gone() -> bool:
        looks.set()
        return gone.wait(60)

    def fail(observatory: Observatory) -> NoReturn:
        raise RetryableChainError("gone as well")

    monkeypatch.setattr(Observatory, "take", fail)
    observatory = Observatory(stage.view(), stage.wallet().address, Role.MINER, {})
    monitor = Monitor(observatory, Sources(Path(), "queue", ask_a_queue_that_is_gone))
    monitor.start()
    assert looks.wait(10)
    began = time.monotonic()
    monitor.stop()
    assert time.monotonic() - began < 20
    gone.set()
    assert monitor._thread is not None
    monitor._thread.join(10)
