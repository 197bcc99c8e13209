"""A monitored player whose minutes a test lets pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infernet.chain.connection import Chain
from infernet.chain.records import Address
from infernet.monitor.metrics import Monitor, Sources
from infernet.monitor.observatory import Observatory
from infernet.monitor.snapshot import Capacity, Role
from infernet.store.database import Database
from tests.stage import Stage

from .scrape import STEP_SECONDS, Prometheus

# A check of the bits every eight minutes instead of every hour.
CONFORMANCE_SECONDS = 8 * STEP_SECONDS


@dataclass
class Watched:
    """A monitored player, the Prometheus that reads it, and the minutes that pass for both."""

    monitor: Monitor
    prometheus: Prometheus
    chain: Chain
    clock: list[float]

    def minutes(self, count: int, *, ticks: bool = True, blocks: bool = True) -> set[str]:
        """Let minutes pass and return what fires then; the loop turns and the chain grows."""
        for _ in range(count):
            self.clock[0] += STEP_SECONDS
            if ticks:
                self.monitor.on_tick(0.1)
            if blocks:
                self.chain.tester.mine_block()
            self.monitor.look()
            self.prometheus.scrape()
        return self.prometheus.firing()


@dataclass
class Setting:
    """What a test changes about the player it watches."""

    role: Role = Role.MINER
    database: Database | None = None
    capacity: Capacity | None = None
    is_exact: Callable[[], bool] = lambda: True
    data_dir: Path = Path()
    webhook: Callable[[], dict[str, int]] = dict


# A player that began long before.
LATER_SECONDS = 3 * 3_600


@contextmanager
def watched(stage: Stage, account: Address, setting: Setting | None = None) -> Iterator[Watched]:
    """Serve a player's metrics while the block runs, and be sure that nothing fires at first."""
    given = setting or Setting()
    names, clock = {stage.root: "toy"}, [0.0]
    view = stage.view()
    observatory = Observatory(view, account, given.role, names, given.database, given.capacity)
    sources = Sources(given.data_dir, "onnxruntime", given.is_exact, webhook=given.webhook)
    monitor = Monitor(
        observatory, sources, conformance_seconds=CONFORMANCE_SECONDS, clock=lambda: clock[0]
    )
    port = monitor.serve("127.0.0.1", 0)
    job = f"infernet-{given.role}"
    prometheus = Prometheus({job: f"http://127.0.0.1:{port}"}, start=time.time() + LATER_SECONDS)

    player = Watched(monitor, prometheus, stage.chain, clock)
    try:
        assert player.minutes(3) == set()
        yield player
    finally:
        monitor.stop()
