"""Post tasks over many kept connections, in a process of its own, and print the figures in JSON.

`python -m benchmarks.gateway.load PORT CONNECTIONS SECONDS KEY`. Each connection posts its next
body as soon as the last was answered; no two bodies are the same. What the first second brings is
not counted. An answer that is not 202 ends the run.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from random import Random
from statistics import quantiles

from .bodies import body_of

_WARM_SECONDS = 1.0


class Poster(asyncio.Protocol):
    """One connection. `taken`: (when it was answered, after how many seconds)."""

    def __init__(self, head: bytes, end: float) -> None:
        self._head, self._end = head, end
        self._random = Random(secrets.randbits(64))
        self._answer = b""
        self._began = 0.0
        self.taken: list[tuple[float, float]] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Post the first body."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        """Post the next body once an answer is whole."""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        if len(body) < int(length):
            return
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 202"):
            self._fail(RuntimeError(f"refused: {self._answer[:2_000]!r}"))
            return
        self.taken.append((now, now - self._began))
        if now < self._end:
            self._post()
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail if the server left first."""
        self._fail(error or ConnectionError("the server closed the connection"))

    def _post(self) -> None:
        body = body_of(self._random)
        self._answer = b""
        self._began = time.perf_counter()
        self._transport.write(self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def load(port: int, connections: int, seconds: float, key: str) -> dict[str, float]:
    """Return the answers a second, how long they took, and how many came in all."""
    head = (
        f"POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + _WARM_SECONDS
    end = begin + seconds
    posters = []
    for _ in range(connections):
        _, poster = await loop.create_connection(lambda: Poster(head, end), "127.0.0.1", port)
        posters.append(poster)
    await asyncio.gather(*(poster.done for poster in posters))
    taken = [took for each in posters for at, took in each.taken if begin <= at < end]
    whole = sum(len(each.taken) for each in posters)
    cuts = quantiles(taken, n=100)
    return {
        "rate": len(taken) / seconds,
        "p50_ms": cuts[49] * 1_000,
        "p99_ms": cuts[98] * 1_000,
        "whole": whole,
    }


if __name__ == "__main__":
    _, port_, connections_, seconds_, key_ = sys.argv
    print(json.dumps(asyncio.run(load(int(port_), int(connections_), float(seconds_), key_))))
