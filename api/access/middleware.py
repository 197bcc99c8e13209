"""What is refused before anything of a request is parsed, and headers for every answer.

Bodies are read here, whole and within limits, and handed on as one piece: what a route parses is
neither too long, nor compressed, nor still on its way.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infernet.store.errors import StoreError

from .errors import (
    AccessError,
    BadHeaders,
    BodyTooLarge,
    EncodingRefused,
    HeadersTooLarge,
    TooBusy,
    TooSlow,
    Unauthenticated,
)
from .guard import Access, key_in

_LENGTH = re.compile(rb"[0-9]{1,15}")
# Two of one of these would let two readers understand a request differently.
_ONCE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"cookie",
        b"host",
        b"idempotency-key",
        b"origin",
        b"transfer-encoding",
    }
)
_PER_HEADER_BYTES = 4
_BUSY_SECONDS = 2
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_ONLY_HTTPS = (b"strict-transport-security", b"max-age=31536000")
_CLOSE = (b"connection", b"close")


class Fence:
    """Stands around the application. `answer`: makes the answer of an error, as routes' do.

    An answer that names its own policy keeps it; nothing allows other origins.
    """

    def __init__(
        self, app: ASGIApp, access: Access, answer: Callable[[Scope, Exception], ASGIApp]
    ) -> None:
        self._app, self._access, self._answer = app, access, answer
        self._limits = access.limits
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_https, bare = scope["scheme"] == "https", send
        send = _with_headers(bare, is_https)
        with self._holding() as hold:
            try:
                if self._has_body(scope):
                    receive = await self._read(scope, receive, hold)
            except (AccessError, StoreError) as error:
                # The rest of a body would otherwise be waited for.
                send = _with_headers(bare, is_https, _CLOSE)
                await self._answer(scope, error)(scope, receive, send)
                return
            except _Gone:
                return
            await self._app(scope, receive, send)

    def _has_body(self, scope: Scope) -> bool:
        """Return whether a body comes; raises AccessError for headers that are not accepted."""
        lines: list[tuple[bytes, bytes]] = scope["headers"]
        size = sum(len(name) + len(value) + _PER_HEADER_BYTES for name, value in lines)
        limits = self._limits
        if len(lines) > limits.most_headers or size > limits.most_header_bytes:
            raise HeadersTooLarge(
                f"{len(lines)} headers of {size} bytes came, and {limits.most_headers} of "
                f"{limits.most_header_bytes} bytes are read; send fewer, or smaller cookies"
            )
        found = dict[bytes, bytes]()
        for name, value in lines:
            if name in _ONCE and name in found:
                raise BadHeaders(f"the header {name.decode()} came twice; send it once")
            found[name] = value
        if found.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise EncodingRefused("compressed bodies are not read; send it without encoding")
        return self._require_length(found)

    def _require_length(self, headers: dict[bytes, bytes]) -> bool:
        length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
        if length is not None and coding is not None:
            raise BadHeaders("Content-Length and Transfer-Encoding came both; send one of them")
        if coding is not None:
            if coding.lower() != b"chunked":
                raise BadHeaders("the only Transfer-Encoding that is read is chunked")
            return True
        if length is None:
            return False
        if not _LENGTH.fullmatch(length):
            raise BadHeaders("Content-Length has to be a number in digits 0 to 9")
        self._require_size(int(length))
        return int(length) > 0

    def _require_size(self, size: int) -> None:
        most = self._limits.most_body_bytes
        if size > most:
            raise BodyTooLarge(f"bodies of up to {most} bytes are read; send less at once")

    def _require_key(self, scope: Scope) -> None:
        """Give strangers no memory that is worth an attack."""
        text = key_in(scope)
        if text is None:
            most = self._limits.most_unknown_bytes
            raise Unauthenticated(f"a body of over {most} bytes needs a key; send one with it")
        self._access.keys.check(text)

    async def _read(self, scope: Scope, receive: Receive, hold: Callable[[int], None]) -> Receive:
        """Return a `receive` that gives the whole body at once."""
        body, is_known = bytearray(), False
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    more, piece = message.get("more_body", False), message.get("body", b"")
                    self._require_size(len(body) + len(piece))
                    if not is_known and len(body) + len(piece) > self._limits.most_unknown_bytes:
                        self._require_key(scope)
                        is_known = True
                    hold(len(piece))
                    body += piece
        except TimeoutError:
            raise TooSlow(
                f"the body was not here within {self._limits.body_seconds:g} s; send less at once"
            ) from None
        return _once(bytes(body), receive)

    @contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        """Give what counts the bytes of one body, which are given back at the end."""
        own = 0

        def hold(count: int) -> None:
            nonlocal own
            if self._held_bytes + count > self._limits.most_held_bytes:
                raise TooBusy(
                    f"other requests fill the memory for bodies; send again in {_BUSY_SECONDS} s",
                    _BUSY_SECONDS,
                )
            self._held_bytes += count
            own += count

        try:
            yield hold
        finally:
            self._held_bytes -= own


class _Gone(Exception):
    """The client has left in the middle of its body."""


def _once(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def _with_headers(send: Send, is_https: bool, *more: tuple[bytes, bytes]) -> Send:
    wanted = (*_HEADERS, _ONLY_HTTPS, *more) if is_https else (*_HEADERS, *more)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            lines = list(message.get("headers", ()))
            given = {name.lower() for name, _ in lines}
            lines += [line for line in wanted if line[0] not in given]
            message = {**message, "headers": lines}
        await send(message)

    return sending
