"""Who asks, for routes: `caller: Annotated[Caller, Depends(require(Scope.TASKS_WRITE))]`.

The application holds its Access in `app.state.access`. Bodies are read before a route's
dependencies run, so a key that is revoked while its request trickles in is refused.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.types import Scope as ASGIScope

from infernet.logs import redactor
from infernet.store.errors import StoreError

from ..service.terms import Account
from .errors import Forbidden, TooManyRequests, Unauthenticated
from .keys import Key, Keys, Scope
from .limits import Limits
from .rates import Buckets, Rate, place_of

__all__ = ("Access", "Caller", "Scope", "anyone", "require")

KEY_SCHEME = HTTPBearer(
    scheme_name="API key",
    bearerFormat="inf_<id>_<secret>",
    description="A key of this gateway; `infernet api key create` makes one.",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `account`: for the gateway, which counts what its tasks cost."""

    key_id: str
    scopes: frozenset[Scope]
    account: Account


class Access:
    """Knows keys and counts requests; used on the event loop alone."""

    def __init__(
        self,
        keys: Keys,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys, self.limits = keys, limits or Limits()
        self._clock = clock
        self._by_key, self._by_address = Buckets(), Buckets()
        self._learned: set[str] = set()

    @classmethod
    def open(cls, folder: Path, limits: Limits | None = None) -> Access:
        """Open the keys of a data folder, which `close` gives back; raises StoreError."""
        return cls(Keys.reading(folder), limits)

    def close(self) -> None:
        """Close the file of the keys."""
        self.keys.close()

    def identify(self, text: str | None, address: str) -> Caller:
        """Return who shows a key, and count the request.

        Raises Unauthenticated, or TooManyRequests. A key that is not good counts against the
        address, a good one against itself alone: neighbours behind one address do not share it.
        """
        if text is None:
            self.count_address(address)
            raise Unauthenticated(
                "this needs a key: send `Authorization: Bearer inf_…`; `infernet api key create` "
                "makes one"
            )
        try:
            key = self.keys.check(text)
        except Unauthenticated:
            self.count_address(address)
            raise
        if key.id not in self._learned:
            self._learned.add(key.id)
            redactor.learn(text)
        return self._admit(key)

    def count(self, name: str) -> None:
        """Count a request of somebody known otherwise than by a key, or raise TooManyRequests."""
        wait = self._by_key.take(name, self.limits.key, self._clock())
        _require_no_wait(wait, f"{name} asks too often")

    def identify_session(self, key_id: str) -> Caller:
        """Return who signed in with a key on the pages, and count the request; as `identify`."""
        return self._admit(self.keys.still(key_id))

    @asynccontextmanager
    async def watching(self, caller: Caller, end: Callable[[], None]) -> AsyncIterator[None]:
        """Call `end` once the caller's key is revoked or expired, as long as this is open.

        For answers that go on, such as streams of events.
        """

        async def watch() -> None:
            try:
                while True:
                    await asyncio.sleep(self.limits.watch_seconds)
                    self.keys.still(caller.key_id)
            except (Unauthenticated, StoreError):
                end()

        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()

    def count_address(self, address: str) -> None:
        """Count a request of nobody known, or raise TooManyRequests."""
        place = place_of(address)
        wait = self._by_address.take(place, self.limits.address, self._clock())
        _require_no_wait(wait, "requests without a good key come too fast from this address")

    def _admit(self, key: Key) -> Caller:
        rate = self.limits.key
        if key.rate is not None:
            rate = Rate(key.rate, max(1.0, 2 * key.rate))
        wait = self._by_key.take(key.id, rate, self._clock())
        _require_no_wait(wait, f"key {key.id} may ask {rate.per_second:g} times a second")
        return Caller(key.id, key.scopes, Account(key.id, key.budget_wei))


def require(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency that gives the caller, whose key has a scope.

    It raises Unauthenticated, TooManyRequests or Forbidden.
    """

    async def caller(request: Request, shown: object = Security(KEY_SCHEME)) -> Caller:
        found = access_of(request).identify(key_in(request.scope), address_of(request))
        if scope not in found.scopes:
            raise Forbidden(scope)
        return found

    return caller


async def anyone(request: Request) -> None:
    """Be the dependency of a route that is open to all: counts a request, or TooManyRequests.

    A request that shows a good key counts against that.
    """
    access, text = access_of(request), key_in(request.scope)
    if text is None:
        access.count_address(address_of(request))
    else:
        access.identify(text, address_of(request))


def access_of(request: Request) -> Access:
    """Return the access of the application that a request came to."""
    found = request.app.state.access
    assert isinstance(found, Access)
    return found


def key_in(scope: ASGIScope) -> str | None:
    """Return the key that a request shows, None if it shows none; raises Unauthenticated."""
    lines: list[bytes] = [value for name, value in scope["headers"] if name == b"authorization"]
    if not lines:
        return None
    kind, _, text = lines[0].decode("latin-1").partition(" ")
    if len(lines) > 1 or kind.lower() != "bearer" or not text:
        raise Unauthenticated(
            "Authorization has to come once, as `Bearer inf_…`; send the key so", was_shown=True
        )
    return text


def address_of(request: Request) -> str:
    """Return the address that a request comes from, as far as the server knows."""
    return request.client.host if request.client else ""


def _require_no_wait(wait: float, what: str) -> None:
    if wait:
        seconds = math.ceil(wait)
        raise TooManyRequests(f"{what}; ask again in {seconds} s", seconds)
