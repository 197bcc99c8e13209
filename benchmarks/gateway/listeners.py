"""Listen to all events over many connections, in a process of its own.

`python -m benchmarks.gateway.listeners PORT LISTENERS KEY` prints a line once all listen, and when
the last of them heard of an accepted task, in seconds of the system's clock.
"""

from __future__ import annotations

import asyncio
import sys
import time


async def main(port: int, listeners: int, key: str) -> None:
    """Connect, wait for one event everywhere, and print when it came."""
    head = f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n"
    readers = []
    for _ in range(listeners):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        await reader.readuntil(b": listening")
        # A writer that is let go closes its connection.
        readers.append((reader, writer))
    print("ready", flush=True)

    async def hear(reader: asyncio.StreamReader) -> float:
        await reader.readuntil(b"event: accepted")
        return time.time()

    heard = await asyncio.gather(*(hear(reader) for reader, _ in readers))
    print(max(heard), flush=True)


if __name__ == "__main__":
    _, port_, listeners_, key_ = sys.argv
    asyncio.run(main(int(port_), int(listeners_), key_))
