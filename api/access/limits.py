"""What the gateway takes from each client; docs/access.md explains how to choose."""

from __future__ import annotations

from dataclasses import dataclass

from .rates import Rate

_KIB, _MIB = 1 << 10, 1 << 20
_KEY, _ADDRESS = Rate(200.0, 400.0), Rate(20.0, 60.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of requests.

    `key`: of a key that has no rate of its own; `address`: of whoever shows no good key.
    `most_unknown_bytes`: of a body that comes without a good key. `most_held_bytes`: of all bodies
    in memory. `header_seconds`: until a request's headers are there, since the connection or its
    last answer; `body_seconds`: until its body is.
    `idle_seconds`: between requests of a connection. `most_connections`: at once.
    `watch_seconds`: after which a stream looks whether its key is still good.
    """

    key: Rate = _KEY
    address: Rate = _ADDRESS
    most_body_bytes: int = 16 * _MIB
    most_unknown_bytes: int = 64 * _KIB
    most_held_bytes: int = 256 * _MIB
    body_seconds: float = 30.0
    header_seconds: float = 10.0
    idle_seconds: int = 5
    most_headers: int = 64
    most_header_bytes: int = 16_384
    most_connections: int = 4_000
    watch_seconds: float = 15.0
    session_seconds: float = 8 * 3_600.0
    most_sessions: int = 10_000
