"""`infernet worker`: compute for miners and fishermen that share a Redis server."""

from __future__ import annotations

from typing import Annotated

import typer

from infernet.backend.adapters import load_adapter, require_adapter
from infernet.config import ConfigError, load
from infernet.queue.bench import Bench
from infernet.queue.broker import connect
from infernet.queue.jobs import Purpose
from infernet.queue.remote import QUEUE
from infernet.queue.worker import work

from .options import ConfigFile, LogFormat, LogLevel, set_up_logs
from .session import use_data_dir


def worker(
    redis: Annotated[str | None, typer.Option(help="URL of the Redis server.")] = None,
    queues: Annotated[
        list[Purpose] | None,
        typer.Option("--queue", help="What to compute, the more urgent first; default: both."),
    ] = None,
    config: ConfigFile = None,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
) -> None:
    """Compute until a signal ends it; holds no key and no stake."""
    set_up_logs(log_level, log_format)
    settings = load(config, {"queue.redis": redis}).config
    use_data_dir(settings)
    url, threads = settings.queue.redis, settings.backend.threads
    if url is None:
        raise ConfigError(
            "no Redis server is named: give --redis, set INFERNET_QUEUE_REDIS, or write redis = "
            '"redis://127.0.0.1:6379/0" under [queue] in miner.toml'
        )
    # On a worker the backend named for its miner is the queue that it works for.
    type_ = settings.backend.type
    adapter = load_adapter("onnxruntime" if type_ == QUEUE else type_)
    require_adapter(adapter, threads)
    work(lambda: connect(url), queues or list(Purpose), lambda c: Bench(c, adapter, threads))
