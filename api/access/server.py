"""How uvicorn serves the gateway, so that neither slow clients nor open streams hold it up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .limits import Limits


class _Patient(H11Protocol):
    """Closes connections whose request's headers trickle; uvicorn itself would wait for ever."""

    header_seconds: ClassVar[float]
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _expect(self) -> None:
        """Let the time run while headers are awaited, and only then."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.header_seconds, self._give_up)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.close()


class Server(uvicorn.Server):
    """Calls `on_end` before it waits for its connections; streams never end by themselves."""

    def __init__(self, config: uvicorn.Config, on_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_end = on_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, then connections, then the application."""
        self._on_end()
        await super().shutdown(sockets)


def server_options(limits: Limits, proxies: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the options of `uvicorn.Config` that keep the limits.

    `proxies`: addresses of those whose X-Forwarded-For and -Proto are believed; from others a
    client's address could be anything.
    """
    protocol = type("Patient", (_Patient,), {"header_seconds": limits.header_seconds})
    return {
        "http": protocol,
        "ws": "none",
        "h11_max_incomplete_event_size": limits.most_header_bytes,
        "timeout_keep_alive": limits.idle_seconds,
        "limit_concurrency": limits.most_connections,
        "proxy_headers": bool(proxies),
        "forwarded_allow_ips": list(proxies),
        "server_header": False,
    }
