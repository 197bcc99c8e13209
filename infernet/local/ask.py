"""Ask processes whether they are ready; a question that nobody answers is a no."""

from __future__ import annotations

import json
import socket
import urllib.request

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq.worker import Worker

_SECONDS = 2.0


def is_served(url: str) -> bool:
    """Return whether a GET is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            return int(answer.status) < 300
    except OSError:
        return False


def is_chain(url: str) -> bool:
    """Return whether a node answers JSON-RPC."""
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    kind = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(url, asked.encode(), kind)
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return "result" in json.load(answer)
    except (OSError, ValueError):
        return False


def is_queue(url: str) -> bool:
    """Return whether a Redis server answers."""
    try:
        with _client(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def has_worker(url: str) -> bool:
    """Return whether a worker has told a Redis server that it takes jobs."""
    try:
        with _client(url) as client:
            return Worker.count(connection=client) > 0
    except redis.RedisError:
        return False


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of the loopback."""
    with socket.socket() as probe:
        # As servers do it: a connection of an earlier run that is still closing hinders nobody.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=_SECONDS, retry=Retry(NoBackoff(), 0))
