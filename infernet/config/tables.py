"""All settings: one field each, which says how it is read, shown and explained.

Everything else about settings (names in the environment, the unknown, `config show`) follows from
these classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast

from . import values

T = TypeVar("T")

MODES = ("watchtower", "defensive", "full")


@dataclass(frozen=True, slots=True)
class Setting:
    """How a field is read and explained.

    `mask`: what `config show` prints in place of a secret; `variable`: its name in the environment
    where that does not follow from its table.
    """

    read: Callable[[object], Any]
    help: str
    unit: str = ""
    mask: Callable[[Any], object] | None = None
    variable: str = ""


def _is(
    read: Callable[[object], T],
    default: object,
    help_: str,
    *,
    unit: str = "",
    mask: Callable[[Any], object] | None = None,
    variable: str = "",
) -> T:
    setting = Setting(read, help_, unit, mask, variable)
    return cast(T, field(default=default, metadata={"setting": setting}))


def _masked_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(values.masked_url, urls))


@dataclass(frozen=True, slots=True)
class InfernetTable:
    """What the miner serves."""

    enabled: bool = _is(values.switch, False, "serve tasks at all")
    models: tuple[str, ...] = _is(values.texts, (), "names of the models to serve or to watch")
    stake: int = _is(values.ether, 0, "locked per task; a model's floor at least", unit="ether")
    max_tasks: int = _is(values.count(256), 4, "tasks in work at once")
    most_seconds: int = _is(
        values.count(2**24 - 1), 1_200, "that a task may take, with all in work before it"
    )


@dataclass(frozen=True, slots=True)
class BackendTable:
    """What computes."""

    type: str = _is(
        values.text, "onnxruntime", "onnxruntime, reference, queue or an installed adapter"
    )
    threads: int = _is(values.count(1_024), 1, "threads for each inference")


@dataclass(frozen=True, slots=True)
class MetricsTable:
    """Figures for Prometheus."""

    enabled: bool = _is(values.switch, True, "serve metrics over HTTP")
    host: str = _is(values.text, "127.0.0.1", "address to listen on")
    port: int = _is(values.port, 9090, "port to listen on")


@dataclass(frozen=True, slots=True)
class NetworkTable:
    """The chain and its nodes."""

    rpc: tuple[str, ...] = _is(
        values.urls,
        (),
        "nodes' URLs; with three or more, one may fail or lie",
        mask=_masked_urls,
        variable="INFERNET_RPC_URL",
    )
    quorum: int | None = _is(
        values.count(1_000), None, "nodes that must agree; default: most of them"
    )
    chain_id: int | None = _is(values.count(2**63 - 1), None, "refuse any other chain")
    contracts: Path | None = _is(values.path, None, "the contracts' addresses, a JSON file")
    confirmations: int = _is(
        values.whole(100_000), 12, "blocks after which a transaction counts as settled"
    )
    poll_seconds: float = _is(values.seconds, 1.0, "pause after a look that found nothing")
    max_fee: int | None = _is(
        values.gwei, None, "most for a unit of gas, of what can wait", unit="gwei"
    )


@dataclass(frozen=True, slots=True)
class WalletTable:
    """The key."""

    keystore: Path | None = _is(values.path, None, "encrypted key file")
    passphrase_file: Path | None = _is(
        values.path, None, "file whose first line opens it", variable="INFERNET_PASSPHRASE_FILE"
    )


@dataclass(frozen=True, slots=True)
class FishermanTable:
    """How far the watcher goes."""

    mode: str = _is(values.one_of(*MODES), "full", ", ".join(MODES))
    sample: Fraction = _is(values.share, Fraction(1), "share of results to re-execute")
    minimum_profit: int = _is(
        values.signed_ether, 0, "least that a challenge must leave over", unit="ether"
    )
    webhook: str | None = _is(
        values.web_address, None, "where alerts are posted", mask=values.masked_url
    )


@dataclass(frozen=True, slots=True)
class QueueTable:
    """The queue of a gateway's workers."""

    redis: str | None = _is(
        values.redis_address, None, "the Redis server, checked by doctor", mask=values.masked_url
    )


@dataclass(frozen=True, slots=True)
class ApiTable:
    """The gateway's service."""

    host: str = _is(values.text, "127.0.0.1", "address to listen on")
    port: int = _is(values.port, 8000, "port to listen on")
    public_url: str | None = _is(
        values.web_address, None, "where clients reach it, if not at host and port"
    )
    fee: int = _is(values.ether, 10**16, "paid for a task that names no fee", unit="ether")
    most_fee: int = _is(values.ether, 10**18, "most that a task may offer", unit="ether")
    deadline_seconds: int = _is(
        values.count(604_800), 3_600, "time for a task that names no deadline"
    )
    most_waiting: int = _is(values.count(10_000_000), 10_000, "tasks accepted and not on chain yet")
    most_listeners: int = _is(values.count(1_000_000), 2_000, "streams of events at once")
    most_disk_mib: int = _is(values.count(2**31), 4_096, "MiB of inputs kept on disk")
    most_body_mib: int = _is(values.count(1_024), 16, "MiB that a request's body may have")
    proxies: tuple[str, ...] = _is(
        values.networks, (), "addresses and networks whose X-Forwarded-For and -Proto are believed"
    )
    senders: int = _is(values.count(256), 8, "requests sent to the chain side by side")
    carry_inputs: bool = _is(
        values.switch, True, "inputs go to the chain with their requests, for everybody to read"
    )
    head_start_seconds: float = _is(
        values.seconds, 5.0, "that a task is offered to one miner of the pool alone"
    )


@dataclass(frozen=True, slots=True)
class GatewayTable:
    """The gateway that requesters ask."""

    url: str | None = _is(values.web_address, None, "gateway asked for tasks in place of the chain")


@dataclass(frozen=True, slots=True)
class PoolTable:
    """The gateways that a miner takes work from."""

    gateways: tuple[str, ...] = _is(
        values.gateways, (), "URLs of gateways, the first that answers is used"
    )


@dataclass(frozen=True, slots=True)
class DataTable:
    """Where things are kept."""

    dir: Path | None = _is(
        values.path, None, "folder of models, journal and index", variable="INFERNET_DATA_DIR"
    )


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; amounts of ether in wei, prices in wei."""

    infernet: InfernetTable = field(default_factory=InfernetTable)
    backend: BackendTable = field(default_factory=BackendTable)
    metrics: MetricsTable = field(default_factory=MetricsTable)
    network: NetworkTable = field(default_factory=NetworkTable)
    wallet: WalletTable = field(default_factory=WalletTable)
    fisherman: FishermanTable = field(default_factory=FishermanTable)
    queue: QueueTable = field(default_factory=QueueTable)
    api: ApiTable = field(default_factory=ApiTable)
    gateway: GatewayTable = field(default_factory=GatewayTable)
    pool: PoolTable = field(default_factory=PoolTable)
    data: DataTable = field(default_factory=DataTable)
