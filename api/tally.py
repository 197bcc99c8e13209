"""How many answers had which status: what was accepted, and what was refused."""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Tally:
    """Stands around everything and counts into `counts`, on the event loop alone."""

    def __init__(self, app: ASGIApp, counts: Counter[int]) -> None:
        self._app, self._counts = app, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and count its answer."""

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counts[message["status"]] += 1
            await send(message)

        await self._app(scope, receive, tell)
