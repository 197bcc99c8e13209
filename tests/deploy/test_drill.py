"""The drill: a real Prometheus reads real players while everything goes wrong that can.

Nothing is pretended here, time neither: players are processes of the command line, the rules are
the shipped file, and an alert counts when Prometheus says over its own interface that it fires.
Left to test_alerts.py are wrong bits, which are looked for once an hour, and memory, which takes
two hours.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import yaml

from infernet.backend.adapters import GROUP
from infernet.chain.records import AssertionStatus
from tests.anvil import Anvil, free_port
from tests.disk import small_disk
from tests.proxy import Proxy, faulty
from tests.survival.town import BRISK

from .hook import listening
from .players import Company, Player, company, wait_until
from .scrape import PROMETHEUS, ROOT, RULES, rules

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed"),
]
PATIENCE_SECONDS = 16 * 60
LEFT_OUT = {"ConformanceFailed", "MemoryGrowing"}
# Windows beside which a quarter of an hour is short, so that nothing is due from the beginning.
ROOMY = replace(
    BRISK,
    market=replace(BRISK.market, window_seconds=7_200, assert_seconds=3_600),
    game=replace(BRISK.game, open_seconds=3_600, clock_seconds=3_600),
)
# Exact until the machine breaks, which a file stands for.
_BACKEND = """
import os
from dataclasses import replace

from infernet.backend.engine import ReferenceEngine

class FailingEngine(ReferenceEngine):
    def run(self, data, iterations=1):
        found = super().run(data, iterations)
        output = found.output.copy()
        output[0] ^= os.path.exists(os.environ["BROKEN"])
        return replace(found, output=output)

class Failing:
    name = "failing"
    def open(self, program, threads):
        return FailingEngine(program)
"""
Fired = set[tuple[str, str]]


class Watcher:
    """A Prometheus over players; `fired` is every alert that ever fired, with its instance."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._url = folder, f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None
        self.fired: Fired = set()

    def start(self, players: list[Player]) -> None:
        """Watch so many players, as the shipped configuration does but for names and pace."""
        content = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
        content["global"] = {"scrape_interval": "5s", "evaluation_interval": "5s"}
        content["rule_files"] = [str(RULES)]
        for job in content["scrape_configs"]:
            role = job["job_name"].removeprefix("infernet-")
            job["static_configs"] = [
                {"targets": [f"127.0.0.1:{p.port}"], "labels": {"instance": p.name}}
                for p in players
                if p.role == role
            ]
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(content))
        command = [
            str(PROMETHEUS),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'series'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
            "--log.level=error",
        ]
        self._process = subprocess.Popen(command)
        wait_until("Prometheus is ready", lambda: self._answers("-/ready"))

    def look(self) -> Fired:
        """Return what fires now, and remember it."""
        alerts = requests.get(f"{self._url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        now = {
            (alert["labels"]["alertname"], alert["labels"]["instance"])
            for alert in alerts
            if alert["state"] == "firing"
        }
        self.fired |= now
        return now

    def wait(self, seconds: float, until: Callable[[], object] = bool) -> None:
        """Look on for so long, or until something is so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.look()
            time.sleep(1)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(30)

    def _answers(self, path: str) -> bool:
        try:
            return requests.get(f"{self._url}/{path}", timeout=5).ok
        except requests.RequestException:
            return False


def failing_backend(folder: Path) -> dict[str, str]:
    """Install the backend, and return what a process needs to find it."""
    (folder / "failing_backend.py").write_text(_BACKEND)
    info = folder / "failing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: failing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nfailing = failing_backend:Failing\n")
    return {"PYTHONPATH": str(folder), "BROKEN": str(folder / "broken")}


class Drill:
    """The players, each with the fault that is meant for it, and what makes them fail."""

    def __init__(self, here: Company, stack: ExitStack, disk: Path) -> None:
        self.here, self.disk = here, disk
        # It was revoked.
        hook = stack.enter_context(listening(status=403))

        def proxies(count: int) -> list[Proxy]:
            return [stack.enter_context(faulty(here.anvil.url)) for _ in range(count)]

        def urls(found: list[Proxy]) -> tuple[str, ...]:
            return tuple(proxy.url for proxy in found)

        self.gone, self.swallows, self.three = proxies(1), proxies(1), proxies(3)
        self.around = failing_backend(here.folder)
        broken = '[backend]\ntype = "failing"\n'
        self.liar = here.hire("liar", "miner", broken, around=self.around, max_tasks=1)
        self.watcher = here.hire("watcher", "fisherman", f'[fisherman]\nwebhook = "{hook.url}"\n')
        self.poor = here.hire("poor", "miner")
        self.cut_off = here.hire("cut-off", "miner", urls=urls(self.gone))
        self.misled = here.hire("misled", "miner", urls=urls(self.three))
        self.stuck = here.hire("stuck", "miner", urls=urls(self.swallows), max_tasks=1)
        self.full = here.hire("full", "miner", data=self.disk)
        self.others = [self.poor, self.cut_off, self.misled, self.stuck, self.full]

    def start(self) -> None:
        """Start them all."""
        for player in self.here.players:
            player.start()
            assert not player.has_ended(), player.log

    def tell_lie(self) -> None:
        """Let the liar's machine break, and a task be left to it."""
        for player in self.others:
            player.signal(signal.SIGSTOP)
        Path(self.around["BROKEN"]).touch()
        task_id = self.here.request()
        market = self.here.contracts.market
        wait_until("the lie is told", lambda: market.assertions(taskId=task_id))
        for player in self.others:
            player.signal(signal.SIGCONT)

    def lie_has_fallen(self) -> bool:
        (found,) = self.here.contracts.market.assertions()
        games, market = self.here.contracts.games, self.here.contracts.market
        status = market.assertion(found.assertion_id).status
        if games.is_voided(found.assertion_id) and status is AssertionStatus.PENDING:
            market.slash(self.here.anvil.wallet(), found.assertion_id)
        return status is AssertionStatus.SLASHED


def test_every_alert_that_real_time_allows_fires_in_a_real_prometheus(
    anvil: Anvil, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", 1_300))
        here = stack.enter_context(company(anvil, tmp_path, ROOMY))
        anvil.rpc("evm_setIntervalMining", 1)
        drill, prometheus = Drill(here, stack, disk), Watcher(tmp_path)
        drill.start()
        stack.callback(prometheus.stop)
        prometheus.start(here.players)
        prometheus.wait(90)
        assert prometheus.fired == set()
        cause_faults(drill, prometheus)
        expected = {
            ("DisputeLost", "liar"),
            ("ResultSlashed", "liar"),
            ("StakeExhausted", "liar"),
            ("WebhookFailing", "watcher"),
            ("CoverageLow", "watcher"),
            ("FishermanDown", "watcher"),
            ("MinerDown", "poor"),
            ("BalanceLow", "poor"),
            ("RpcFaults", "cut-off"),
            ("LoopStalled", "cut-off"),
            ("ChainHeadStale", "cut-off"),
            ("ErrorsRising", "cut-off"),
            ("RpcDisagreement", "misled"),
            ("TransactionsStuck", "stuck"),
            ("DeadlineNear", "stuck"),
            ("DiskLow", "full"),
        }
        assert {name for name, _ in expected} == rules().keys() - LEFT_OUT
        prometheus.wait(PATIENCE_SECONDS, lambda: expected <= prometheus.fired)
        assert expected - prometheus.fired == set()
        # Lies are counted among the failures of a node.
        assert prometheus.fired - expected <= {("RpcFaults", "misled")}


def cause_faults(drill: Drill, prometheus: Watcher) -> None:
    """Let everything go wrong, in an order in which no fault hides another."""
    here, fired = drill.here, prometheus.fired
    drill.tell_lie()
    prometheus.wait(60, drill.lie_has_fallen)
    if not drill.lie_has_fallen():
        # The liar has no move left, and its clock has to run out.
        constants = here.contracts.game_constants
        here.anvil.skip(constants.clock_seconds + constants.grace_seconds + 60)
        prometheus.wait(90, drill.lie_has_fallen)
    assert drill.lie_has_fallen()
    drill.three[0].set(lie=True)
    (drill.disk / "much").write_bytes(bytes(400_000_000))
    here.anvil.fund(drill.poor.address, 0)
    miss_a_result(drill)
    prometheus.wait(150, lambda: {("BalanceLow", "poor"), ("CoverageLow", "watcher")} <= fired)
    drill.poor.kill()
    drill.watcher.kill()
    claim_and_hang(drill)
    drill.gone[0].set(drop=1.0)


def miss_a_result(drill: Drill) -> None:
    """Let a result's window close while the fisherman is halted."""
    here, market = drill.here, drill.here.contracts.market
    drill.watcher.signal(signal.SIGSTOP)
    task_id = here.request()
    wait_until("a result is there", lambda: market.assertions(taskId=task_id))
    here.anvil.skip(here.contracts.market_constants.window_seconds + 60)
    drill.watcher.signal(signal.SIGCONT)


def claim_and_hang(drill: Drill) -> None:
    """Let a node take a miner's claim and swallow its result, and let the time for it run."""
    here, swallows = drill.here, drill.swallows[0]
    others = (drill.cut_off, drill.misled, drill.full)
    for player in others:
        player.signal(signal.SIGSTOP)
    send = "eth_sendRawTransaction"
    before = swallows.counts[send]
    task_id = here.request()
    # A claim is in a block a while after it was sent, and the result comes after that.
    while swallows.counts[send] == before:
        time.sleep(0.001)
    swallows.set(lie=True, methods=frozenset({send}))
    market = here.contracts.market
    wait_until("the task is claimed", lambda: market.events("Claimed", taskId=task_id))
    for player in others:
        player.signal(signal.SIGCONT)
    here.anvil.skip(here.contracts.market_constants.assert_seconds - 600)
