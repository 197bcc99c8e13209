"""What miner and fisherman have in common: opening, watching and running one player."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Event

import structlog

from infernet.actors.daemon import Actor, Observer, Pace, run, stop_on_signals
from infernet.actors.holdings import Holding, Holdings, hold, require_room
from infernet.actors.report import Report
from infernet.backend.adapters import (
    Adapter,
    check_adapter,
    load_adapter,
    require_adapter,
    runner,
)
from infernet.backend.conformance import Report as Conformance
from infernet.backend.hashing import hash_bytes
from infernet.chain.connection import Chain
from infernet.chain.deployment import Contracts
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import ProgramRoot, Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.config import Config, ConfigError
from infernet.models.pipeline import Model
from infernet.models.store import data_dir, load_model
from infernet.monitor.alerts import Alerts, LogSink, Sink
from infernet.monitor.metrics import Monitor, Sources
from infernet.monitor.observatory import Observatory
from infernet.monitor.snapshot import Capacity, Role
from infernet.monitor.webhook import Webhook
from infernet.queue.broker import connect
from infernet.queue.jobs import Purpose
from infernet.queue.remote import QUEUE, QueueAdapter
from infernet.store.database import Database
from infernet.store.journal import Journal

from .session import (
    open_account_database,
    open_chain,
    open_contracts,
    open_signer,
    use_data_dir,
)


@dataclass(frozen=True, slots=True)
class Player:
    """One account at work: its connection, its file, its key and the models that it holds."""

    config: Config
    chain: Chain
    database: Database
    contracts: Contracts
    signer: KeySigner
    wallet: Wallet
    models: Mapping[str, Model]
    adapter: Adapter
    conformance: Conformance

    def holdings(self) -> Holdings:
        """Return the models with what runs them; raises UnregisteredModel or ModelTooLarge."""
        found: dict[ProgramRoot, Holding] = {}
        threads = self.config.backend.threads
        for model in self.models.values():
            # An engine may take memory as soon as it is opened.
            require_room(model.program)
            start = runner(self.adapter, model.program, threads)
            found.update(hold(self.contracts, model.program, start))
        return found


def open_player(config: Config, purpose: Purpose) -> Player:
    """Open everything a player needs, the cheap and the likely to fail first.

    `purpose`: of what it hands to workers, if it has some.
    """
    use_data_dir(config)
    if not config.infernet.models:
        raise ConfigError(
            'no model is named: write models = ["digits"] under [infernet] in miner.toml; '
            "`infernet model list` shows which there are"
        )
    models = {name: load_model(name, hash_bytes) for name in config.infernet.models}
    chain = open_chain(config)
    signer = KeySigner(open_signer(config))
    database = open_account_database(config, chain, signer.address)
    contracts = open_contracts(config, chain, database)
    fee = None if config.network.max_fee is None else Wei(config.network.max_fee)
    policy = SendPolicy(confirmations=config.network.confirmations, max_fee=fee)
    journal = Journal(database, signer.address)
    wallet = Wallet(chain, signer, journal=journal, policy=policy)
    adapter = open_adapter(config, purpose)
    conformance = require_adapter(adapter, config.backend.threads)
    return Player(config, chain, database, contracts, signer, wallet, models, adapter, conformance)


def open_adapter(config: Config, purpose: Purpose) -> Adapter:
    """Return what computes: this process, or the workers of a queue."""
    if config.backend.type != QUEUE:
        return load_adapter(config.backend.type)
    if config.queue.redis is None:
        raise ConfigError(
            'backend.type is "queue", but no Redis server is named: write redis = '
            '"redis://127.0.0.1:6379/0" under [queue] in miner.toml'
        )
    return QueueAdapter(connect(config.queue.redis), purpose, load_adapter("onnxruntime"))


class Observers:
    """Several observers as one; each report is also logged."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._log = structlog.get_logger("infernet.player")

    def on_report(self, report: Report) -> None:
        ids = {"task": report.task_id, "assertion": report.assertion_id}
        shown: dict[str, bytes] = {name: id_ for name, id_ in ids.items() if id_}
        if report.position:
            shown["game"] = report.position.game_id
        if report.sent:
            shown["transaction"] = report.sent.hash
        self._log.info(report.event, what=report.what, **shown)
        for observer in self._observers:
            observer.on_report(report)

    def on_error(self, error: Exception) -> None:
        for observer in self._observers:
            observer.on_error(error)

    def on_tick(self, duration_seconds: float) -> None:
        for observer in self._observers:
            observer.on_tick(duration_seconds)


class Watch:
    """Alerts and metrics of one player, for as long as it runs. `pool`: what came of gateways."""

    def __init__(
        self,
        player: Player,
        role: Role,
        capacity: Capacity | None = None,
        pool: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._player, self._role, self._capacity, self._pool = player, role, capacity, pool
        self._names = {ProgramRoot(m.program.root): name for name, m in player.models.items()}
        config = player.config
        url = config.fisherman.webhook
        self._webhook = Webhook(url) if url else None
        sinks: list[Sink] = [LogSink(), *([self._webhook] if self._webhook else [])]
        self._alerts = Alerts(sinks)
        self.monitor = self._monitor() if config.metrics.enabled else None
        watching: list[Observer] = [self._alerts]
        if self.monitor:
            watching.append(self.monitor)
        self.observers = Observers(watching)

    def on_inference(self, root: ProgramRoot, duration_seconds: float) -> None:
        """Pass on how long a run took."""
        if self.monitor:
            self.monitor.on_inference(self._names[root], duration_seconds)

    def start(self) -> None:
        """Serve metrics, if they are wanted; raises MonitorError when the port is taken."""
        if self.monitor:
            metrics = self._player.config.metrics
            self.monitor.serve(metrics.host, metrics.port)
            self.monitor.start()

    def stop(self) -> None:
        """Send what waits, and free the port."""
        if self.monitor:
            self.monitor.stop()
        if self._webhook:
            self._webhook.close()

    def _monitor(self) -> Monitor:
        player, threads = self._player, self._player.config.backend.threads
        # Its own connection to the file: a slow look never holds up the player.
        database = open_account_database(
            player.config, player.chain, player.wallet.address, readonly=True
        )
        observatory = Observatory(
            Contracts(player.chain, player.contracts.deployment, database),
            player.wallet.address,
            self._role,
            self._names,
            database,
            self._capacity,
        )
        adapter = player.adapter
        sources = Sources(
            data_dir(),
            adapter.name,
            lambda: check_adapter(adapter, threads).is_exact,
            lambda: self._alerts.raised,
            self._fates,
            self._pool,
        )
        return Monitor(observatory, sources)

    def _fates(self) -> Mapping[str, int]:
        if self._webhook is None:
            return {}
        counts = self._webhook.counts
        return {"sent": counts.sent, "failed": counts.failed, "dropped": counts.dropped}


def play(
    player: Player,
    watch: Watch,
    make_actor: Callable[[], Actor],
    beside: AbstractContextManager[object] | None = None,
) -> None:
    """Run an actor until a signal ends it. `beside`: entered for as long as it plays."""
    stop = Event()
    stop_on_signals(stop)
    watch.start()
    log = structlog.get_logger("infernet.player")
    log.info("started", account=player.wallet.address, chain=player.chain.name)
    try:
        pace = Pace(poll_seconds=player.config.network.poll_seconds)
        actor = make_actor()
        with beside or nullcontext():
            run(actor, player.wallet, stop, watch.observers, pace)
    finally:
        watch.stop()
        player.database.close()
