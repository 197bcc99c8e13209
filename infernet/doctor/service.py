"""Checks of what surrounds a player: the metrics' port, Redis."""

from __future__ import annotations

import socket

import redis

from infernet.config import Config
from infernet.config.values import masked_url

from .finding import Finding, failure, ok

_REDIS_SECONDS = 3.0


def metrics_port(config: Config, *, is_running: bool) -> Finding:
    """Check that the port is free, or that a running player answers on it."""
    table = config.metrics
    if not table.enabled:
        return ok("metrics", "not served")
    place = f"{table.host}:{table.port}"
    if is_running:
        return ok("metrics", f"left to the running player, {place}")
    try:
        with socket.create_server((table.host, table.port)):
            pass
    except OSError as error:
        fix = "choose another metrics.port, or end the program that has it"
        return failure("metrics", f"{place} cannot be used: {error.strerror}", fix)
    return ok("metrics", f"{place} is free")


def queue(config: Config) -> Finding | None:
    """Check that Redis answers; None where none is configured."""
    url = config.queue.redis
    if url is None:
        return None
    name = masked_url(url)
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        )
        with client:
            client.ping()
    except redis.AuthenticationError:
        fix = "write its password into queue.redis: redis://:PASSWORD@HOST"
        return failure("redis", f"{name} wants another password", fix)
    except (redis.RedisError, ValueError) as error:
        # Some messages repeat the URL, which may hold a password.
        reason = type(error).__name__
        fix = "start Redis, or correct queue.redis"
        return failure("redis", f"{name} does not answer ({reason})", fix)
    return ok("redis", f"{name} answers")
