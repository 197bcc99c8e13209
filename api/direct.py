"""POST /v1/tasks on a short way: the framework's own costs as much as all that a task needs."""

from __future__ import annotations

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from . import problems
from .routes import accept


class Direct:
    """Stands inside the fence, answers that one address, and leaves others to the application.

    The application describes the route, and serves it where a proxy has put a path before it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if (
            scope["type"] != "http"
            or scope["path"] != accept.router.prefix
            or scope["method"] != "POST"
        ):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await accept.answer(request)
        except Exception as error:  # noqa: BLE001 - each has its answer, and is logged if no route's
            answer = problems.answer_to(request, error)
        await answer(scope, receive, send)
