"""Metrics of one player over HTTP, for Prometheus.

A monitor observes the player's loop and takes a snapshot every few seconds, in a thread of its own,
so that nothing here holds up a move. Labels never name a task, a game or an account.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from infernet.actors.report import Report
from infernet.backend.errors import BackendError
from infernet.chain.errors import ChainError
from infernet.store.errors import StoreError

from .collect import counters, families, gauge, network
from .errors import MonitorError
from .observatory import Observatory
from .process import memory_bytes
from .snapshot import Role, Snapshot

_SNAPSHOT_SECONDS = 15.0
_STOP_SECONDS = 5.0
_CONFORMANCE_SECONDS = 3_600.0
_TICK_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RUN_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class Sources:
    """What else a monitor asks, each time somebody reads the metrics.

    `is_exact`: whether this machine's bits are right now; asked at the start and every hour.
    `alerts`: alerts so far, by event. `webhook`: alerts by what became of them.
    `pool`: gateways joined, failed and caught lying.
    """

    data_dir: Path
    backend: str
    is_exact: Callable[[], bool]
    alerts: Callable[[], Mapping[str, int]] = dict
    webhook: Callable[[], Mapping[str, int]] = dict
    pool: Callable[[], Mapping[str, int]] = dict


class Monitor(Collector):
    """Observes one player and serves its metrics until `stop`."""

    def __init__(
        self,
        observatory: Observatory,
        sources: Sources,
        snapshot_seconds: float = _SNAPSHOT_SECONDS,
        conformance_seconds: float = _CONFORMANCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observatory, self._sources = observatory, sources
        self._snapshot_seconds = snapshot_seconds
        self._conformance_seconds = conformance_seconds
        self._clock = clock
        self._ticked_at = self._head_at = self._clock()
        self._checked: tuple[bool, float] | None = None
        self._latest: tuple[Snapshot, float] | None = None
        self._waiting: tuple[int, float] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._server: _Server | None = None
        self._log = structlog.get_logger("infernet.monitor")
        self.registry = CollectorRegistry()
        self._declare()

    def _declare(self) -> None:
        registry = self.registry
        self._reports = Counter(
            "infernet_reports", "What the player reported", ["event"], registry=registry
        )
        self._errors = Counter(
            "infernet_errors", "Errors by class", ["part", "kind"], registry=registry
        )
        self._ticks = Histogram(
            "infernet_tick_seconds", "Turns of the loop", buckets=_TICK_BUCKETS, registry=registry
        )
        self._runs = Histogram(
            "infernet_inference_seconds",
            "Inferences",
            ["model"],
            buckets=_RUN_BUCKETS,
            registry=registry,
        )
        info = {
            "version": version("infernet"),
            "role": str(self._observatory.role),
            "backend": self._sources.backend,
            "chain_id": str(self._observatory.contracts.chain.chain_id),
        }
        family = Gauge("infernet_info", "What runs here", list(info), registry=registry)
        family.labels(**info).set(1)
        ProcessCollector(registry=registry)
        registry.register(self)

    def on_report(self, report: Report) -> None:
        """Count what the player reports."""
        self._reports.labels(report.event).inc()

    def on_error(self, error: Exception) -> None:
        """Count an error of the loop."""
        self._errors.labels("loop", type(error).__name__).inc()

    def on_tick(self, duration_seconds: float) -> None:
        """Note that a turn of the loop went well."""
        self._ticks.observe(duration_seconds)
        self._ticked_at = self._clock()

    def on_inference(self, model: str, duration_seconds: float) -> None:
        """Note how long a run of a served model took."""
        self._runs.labels(model).observe(duration_seconds)

    def serve(self, host: str, port: int) -> int:
        """Serve the metrics and return the port (0: any free one). Raises MonitorError."""
        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError as error:
            raise MonitorError(
                f"metrics cannot be served on {host}:{port}: {error.strerror}; choose another "
                "metrics.port, or end the program that holds it"
            ) from None
        self._server = _Server(server, thread)
        return int(server.server_port)

    def start(self) -> None:
        """Begin to take snapshots."""
        self._thread = threading.Thread(target=self._work, name="monitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End what was started and free the port.

        A look that waits for others, as for a queue that is gone, is not waited for.
        """
        self._stop.set()
        if self._thread:
            self._thread.join(_STOP_SECONDS)
        if self._server:
            self._server.stop()

    def look(self) -> Snapshot | None:
        """Take a snapshot now; None when chain or store fail, which is counted.

        The bits are checked first when that is due.
        """
        self._check_bits()
        try:
            snapshot = self._observatory.take()
        except (ChainError, StoreError) as error:
            self._errors.labels("snapshot", type(error).__name__).inc()
            return None
        now = self._clock()
        if self._latest is None or snapshot.block != self._latest[0].block:
            self._head_at = now
        self._note_waiting(snapshot, now)
        self._latest = (snapshot, now)
        return snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield what is known at this moment."""
        now = self._clock()
        if self._latest:
            snapshot, taken_at = self._latest
            yield from families(snapshot, now - taken_at)
            yield gauge("infernet_snapshot_age_seconds", "Age of these figures", now - taken_at)
        yield gauge(
            "infernet_tick_age_seconds", "Since the loop's last turn", now - self._ticked_at
        )
        yield gauge("infernet_head_age_seconds", "Since a new block was seen", now - self._head_at)
        age = now - self._waiting[1] if self._waiting else 0.0
        text = "How long the same transaction has been the first that waits for a block"
        yield gauge("infernet_transaction_wait_seconds", text, age)
        yield from self._machine()
        yield from network(self._observatory.contracts.chain.endpoints)
        if self._checked:
            text = "1 while this machine gives the right bits, 0 otherwise"
            yield gauge("infernet_conformance_exact", text, self._checked[0])
        alerts, fates = self._sources.alerts(), self._sources.webhook()
        yield counters("infernet_alerts", "Alerts that were raised", "event", alerts)
        yield counters("infernet_webhook_alerts", "Alerts to the webhook", "outcome", fates)
        found = self._sources.pool()
        yield counters("infernet_pool_gateways", "What came of gateways asked", "outcome", found)

    def _machine(self) -> Iterator[Metric]:
        disk = shutil.disk_usage(self._sources.data_dir)
        yield gauge("infernet_disk_free_bytes", "Free where the data are", disk.free)
        yield gauge("infernet_disk_size_bytes", "Size of the disk of the data", disk.total)
        used = memory_bytes()
        if used is not None and self._observatory.role is Role.MINER:
            yield gauge("po8_miner_memory_used_bytes", "Memory of the miner's process", used)

    def _note_waiting(self, snapshot: Snapshot, now: float) -> None:
        nonce = snapshot.transactions.lowest_nonce if snapshot.transactions else None
        if nonce is None:
            self._waiting = None
        elif self._waiting is None or self._waiting[0] != nonce:
            self._waiting = (nonce, now)

    def _work(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self._snapshot_seconds)

    def _check_bits(self) -> None:
        now = self._clock()
        if self._checked and now - self._checked[1] < self._conformance_seconds:
            return
        try:
            is_exact = self._sources.is_exact()
        except BackendError as error:
            self._errors.labels("conformance", type(error).__name__).inc()
            is_exact = False
        self._checked = (is_exact, now)
        if not is_exact:
            self._log.error("conformance_failed", backend=self._sources.backend)


@dataclass(frozen=True, slots=True)
class _Server:
    """The HTTP server and its thread."""

    server: WSGIServer
    thread: threading.Thread

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
