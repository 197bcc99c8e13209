"""Each shipped alert is fired by causing its fault, and by nothing else.

A real monitor of a real player is scraped over HTTP; the shipped rules are evaluated on what it
said, and by promtool too where it is installed. Only the passing of minutes is pretended.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account

from executor.actor import Executor
from infernet.actors.daemon import Pace, run
from infernet.actors.holdings import Run
from infernet.backend.conformance import Report as Conformance
from infernet.backend.conformance import check, run_conformance
from infernet.backend.engine import open_engine
from infernet.chain.records import Address, AssertionStatus, Wei
from infernet.chain.wallet import Wallet, faucet
from infernet.monitor.alerts import Alert, Severity
from infernet.monitor.metrics import Monitor
from infernet.monitor.snapshot import Capacity, Role
from infernet.monitor.webhook import Webhook
from infernet.store.database import open_database
from interpreter.machine import Outcome
from interpreter.program import Program
from tests.disk import small_disk
from tests.stage import ETHER, Stage, new_stage
from tests.unit.fisherman.lies import tell_lie, tell_truth

from .hook import listening
from .scrape import rules
from .watched import Setting, watched


@pytest.fixture(scope="module")
def town() -> Stage:
    return new_stage()


@pytest.fixture
def stage(town: Stage) -> Iterator[Stage]:
    with town.rewound() as stage:
        yield stage


def lied(stage: Stage) -> Executor:
    """Return a liar whose false result is on chain."""
    stage.request(stage.wallet())
    liar = stage.executor(stage.wallet(), lie_at=stage.steps // 2)
    while not stage.contracts.market.assertions():
        liar.tick()
    return liar


def test_a_loop_without_turns_is_stalled(stage: Stage) -> None:
    with watched(stage, stage.wallet().address) as player:
        assert player.minutes(2, ticks=False) == set()
        assert player.minutes(2, ticks=False) == {"LoopStalled"}
        assert player.minutes(1) == set()


def test_a_claim_and_a_turn_near_their_deadlines_are_told(stage: Stage) -> None:
    wallet = stage.wallet()
    stage.request(stage.wallet())
    miner = stage.executor(wallet)
    miner.tick()
    with watched(stage, wallet.address) as player:
        stage.skip(2_800)
        assert player.minutes(1) == {"DeadlineNear"}
        miner.tick()
        assert player.minutes(1) == set()
        watcher = stage.fisherman(stage.wallet(), lie_at=1)
        watcher.tick()
        stage.skip(5)
        watcher.tick()
        assert player.minutes(1) == set()
        clock = stage.contracts.games.clock_for(stage.steps)
        stage.skip(clock)
        assert player.minutes(1) == {"DeadlineNear"}


def test_a_lie_that_is_caught_loses_the_dispute_and_the_stake(stage: Stage) -> None:
    liar, watcher = lied(stage), stage.fisherman(stage.wallet())
    (assertion,) = stage.contracts.market.assertions()
    with watched(stage, liar.wallet.address) as player:
        while not stage.contracts.games.is_voided(assertion.assertion_id):
            stage.skip(5)
            watcher.tick()
            liar.tick()
        assert player.minutes(1) == {"DisputeLost"}
        stage.skip(stage.contracts.game_constants.open_seconds + 1)
        watcher.tick()
        status = stage.contracts.market.assertion(assertion.assertion_id).status
        assert status is AssertionStatus.SLASHED
        assert player.minutes(1) == {"DisputeLost", "ResultSlashed"}


def test_wrong_bits_are_told(stage: Stage) -> None:
    class Wrong:
        """An engine with one bit off."""

        def __init__(self, program: Program) -> None:
            self._engine = open_engine(program)

        def __getattr__(self, name: str) -> object:
            return getattr(self._engine, name)

        def run(self, data: np.ndarray, iterations: int = 1) -> Outcome:
            output = self._engine.run(data, iterations).output.copy()
            output[0] ^= 1
            return Outcome(output, False)

    broken = [False]

    def is_exact() -> bool:
        report: Conformance = check(Wrong) if broken[0] else run_conformance()
        return report.is_exact

    with watched(stage, stage.wallet().address, Setting(is_exact=is_exact)) as player:
        broken[0] = True
        assert player.minutes(5) == set()
        assert player.minutes(1) == {"ConformanceFailed"}


def test_a_chain_without_new_blocks_is_stale(stage: Stage) -> None:
    with watched(stage, stage.wallet().address) as player:
        assert player.minutes(5, blocks=False) == set()
        assert player.minutes(1, blocks=False) == {"ChainHeadStale"}
        assert player.minutes(1) == set()


def test_a_wallet_that_cannot_pay_a_dispute_is_low(stage: Stage) -> None:
    account, web3 = Account.create(), stage.chain.web3
    funded = Wallet(stage.chain, faucet(stage.chain))
    funded.transfer(Address(account.address), Wei(ETHER))
    with watched(stage, Address(account.address)) as player:
        spending = {
            "to": funded.address,
            "value": ETHER * 999 // 1_000,
            "gas": 21_000,
            "gasPrice": 2 * 10**9,
            "nonce": 0,
            "chainId": stage.chain.chain_id,
        }
        web3.eth.send_raw_transaction(account.sign_transaction(spending).raw_transaction)
        assert player.minutes(2) == {"BalanceLow"}
        funded.transfer(Address(account.address), Wei(ETHER))
        assert player.minutes(1) == set()


def test_a_miner_without_free_stake_is_told_while_it_has_room(stage: Stage) -> None:
    wallet, stake = stage.wallet(), stage.contracts.registry.info(stage.root).minimum_stake
    vault = stage.contracts.vault
    vault.deposit(wallet, Wei(2 * stake))
    with watched(stage, wallet.address, Setting(capacity=Capacity(2, stake))) as player:
        vault.withdraw(wallet, Wei(stake + ETHER // 100))
        assert player.minutes(10) == set()
        assert player.minutes(1) == {"StakeExhausted"}
        vault.deposit(wallet, Wei(ETHER // 100))
        assert player.minutes(1) == set()


def test_many_errors_of_the_loop_are_told(stage: Stage) -> None:
    def fails(data: bytes, iterations: int = 1) -> Run:
        raise OSError("the accelerator is gone")

    class Impatient:
        """Passes on what a loop tells, and ends it after so many errors."""

        def __init__(self, monitor: Monitor, most: int) -> None:
            self.on_report, self.on_tick = monitor.on_report, monitor.on_tick
            self.stop, self._monitor, self._left = threading.Event(), monitor, most

        def on_error(self, error: Exception) -> None:
            self._monitor.on_error(error)
            self._left -= 1
            if not self._left:
                self.stop.set()

    tell_lie(stage)
    wallet = stage.wallet()
    stage.fisherman(wallet).tick()
    # Its game is to be opened, and it cannot say how.
    broken = stage.fisherman(wallet, start_run=fails)

    def meet(monitor: Monitor, errors: int) -> None:
        observer = Impatient(monitor, errors)
        run(broken, wallet, observer.stop, observer, Pace(0.01, 0.01, 0.02))

    with watched(stage, wallet.address, Setting(Role.FISHERMAN)) as player:
        meet(player.monitor, 1)
        assert player.minutes(1) == set()
        meet(player.monitor, 20)
        assert player.minutes(1) == {"ErrorsRising"}


def test_results_that_were_missed_are_told(stage: Stage, tmp_path: Path) -> None:
    wallet, database = stage.wallet(), open_database(tmp_path / "account.sqlite")
    fisherman = stage.fisherman(wallet, database=database)
    tell_truth(stage)
    fisherman.tick()
    with watched(stage, wallet.address, Setting(Role.FISHERMAN, database)) as player:
        tell_truth(stage)
        stage.skip(stage.contracts.market_constants.window_seconds + 60)
        assert player.minutes(1) == set()
        fisherman.tick()
        assert player.minutes(1) == {"CoverageLow"}
    database.close()


def test_a_webhook_that_refuses_is_told(stage: Stage) -> None:
    with listening() as hook, closing(Webhook(hook.url)) as webhook:
        alert = Alert("false_result_found", Severity.WARNING, "a test")

        def told(count: int) -> None:
            webhook.put(alert)
            while webhook.counts.sent + webhook.counts.failed < count:
                time.sleep(0.01)

        setting = Setting(webhook=lambda: asdict(webhook.counts))
        with watched(stage, stage.wallet().address, setting) as player:
            told(1)
            assert player.minutes(1) == set()
            hook.status = 403
            told(2)
            assert player.minutes(1) == {"WebhookFailing"}


def test_a_full_disk_is_told(stage: Stage, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", 1_100) as disk,
        watched(stage, stage.wallet().address, Setting(data_dir=disk)) as player,
    ):
        (disk / "much").write_bytes(bytes(160_000_000))
        assert player.minutes(1) == {"DiskLow"}


def test_memory_that_grows_by_hundreds_of_megabytes_is_told(stage: Stage) -> None:
    with watched(stage, stage.wallet().address) as player:
        grown = bytearray(os.urandom(1 << 20)) * 700
        assert player.minutes(5) == set()
        assert player.minutes(1) == {"MemoryGrowing"}
        del grown


def test_every_alert_is_expected_somewhere_in_these_tests() -> None:
    places = [path for path in Path(__file__).parent.glob("test_*.py") if "drill" not in path.stem]
    text = "".join(path.read_text() for path in places)
    assert [name for name in rules() if f'"{name}"' not in text] == []
