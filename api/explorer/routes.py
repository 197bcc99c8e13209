"""The explorer's addresses: pages, their JSON twins, and what changes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.routing import APIRoute

from infernet.audit.errors import UnknownMatter
from infernet.chain.errors import ChainError

from .errors import InvalidQuery, NoSuchPage, TooManyReaders
from .explorer import Explorer
from .live import Change, Live
from .rendering import HEADERS, ROOT, problem, render, static_file, wants_json

# Proxies give up on connections that are silent for longer.
_PING_SECONDS = 15.0


class _PageRoute(APIRoute):
    """A route whose errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except InvalidQuery as error:
                return problem(request, 400, "This cannot be looked up", str(error))
            except (NoSuchPage, UnknownMatter) as error:
                return problem(request, 404, "Nothing of that name is here", str(error))
            except TooManyReaders as error:
                return problem(request, 503, "Too many readers", str(error))
            except ChainError as error:
                return problem(request, 503, "The chain does not answer", str(error))

        return handle


def explorer_router(explorer: Explorer, live: Live) -> APIRouter:
    """Return the routes of the explorer; they are no part of the OpenAPI description."""
    router = APIRouter(prefix=ROOT, route_class=_PageRoute, include_in_schema=False)
    pages = _Pages(explorer)
    router.add_api_route("", pages.overview)
    router.add_api_route("/overview.json", pages.overview)
    for name in ("tasks", "disputes", "models", "miners", "fishermen"):
        router.add_api_route(f"/{name}", getattr(pages, name))
        router.add_api_route(f"/{name}.json", getattr(pages, name))
    router.add_api_route("/tasks/{key}/input.png", pages.picture)
    for name, show in pages.single.items():
        router.add_api_route(f"/{name}/{{key}}", show)
    router.add_api_route("/search", pages.search)
    router.add_api_route("/search.json", pages.search)
    router.add_api_route("/contracts.json", pages.deployment)
    router.add_api_route("/events", _events(live))
    router.add_api_route("/static/{name}", _static)
    router.add_api_route("/{rest:path}", _nothing)
    return router


class _Pages:
    """Each page of the explorer, as what answers a request; run on threads."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self.single: dict[str, Callable[[Request, str], Response]] = {
            "tasks": self._single("task.html", "tasks", explorer.task),
            "assertions": self._single("assertion.html", "assertions", explorer.assertion),
            "disputes": self._single("dispute.html", "disputes", explorer.dispute),
            "models": self._single("model.html", "models", explorer.model),
            "addresses": self._single("address.html", "addresses", explorer.address),
            "transactions": self._single("transaction.html", "", explorer.transaction),
        }

    def overview(self, request: Request) -> Response:
        """Show what goes on now."""
        return self._show(request, "overview.html", self._explorer.overview(), "overview")

    def tasks(self, request: Request, before: str | None = None) -> Response:
        """Show tasks, the newest first."""
        live = "" if before else "tasks"
        return self._show(request, "tasks.html", self._explorer.tasks(before), live)

    def disputes(self, request: Request, before: str | None = None) -> Response:
        """Show disputes, the newest first."""
        live = "" if before else "disputes"
        return self._show(request, "disputes.html", self._explorer.disputes(before), live)

    def models(self, request: Request) -> Response:
        """Show the registered programs."""
        return self._show(request, "models.html", self._explorer.models(), "models")

    def miners(self, request: Request, after: str | None = None) -> Response:
        """Show the miners, the best first."""
        return self._show(request, "miners.html", self._explorer.miners(after), "miners")

    def fishermen(self, request: Request, after: str | None = None) -> Response:
        """Show the fishermen, the best first."""
        return self._show(request, "fishermen.html", self._explorer.fishermen(after), "fishermen")

    def search(self, request: Request, q: str = "") -> Response:
        """Show what a text may mean; a reader goes straight to the only hit."""
        found = self._explorer.search(q)
        if len(found.hits) == 1 and not wants_json(request):
            (hit,) = found.hits
            return RedirectResponse(f"{ROOT}/{hit.kind}/{hit.key}", 303, HEADERS)
        return self._show(request, "search.html", found, "")

    def picture(self, key: str) -> Response:
        """Show a task's input; it never changes."""
        headers = {**HEADERS, "Cache-Control": "public, max-age=86400"}
        return Response(self._explorer.picture(key), media_type="image/png", headers=headers)

    def deployment(self) -> Response:
        """Give the contracts' addresses as a file for commands."""
        headers = {**HEADERS, "Content-Disposition": 'attachment; filename="contracts.json"'}
        return Response(self._explorer.deployment(), media_type="application/json", headers=headers)

    def _single(
        self, template: str, live: str, read: Callable[[str], object]
    ) -> Callable[[Request, str], Response]:
        def show(request: Request, key: str) -> Response:
            key = key.removesuffix(".json")
            return self._show(request, template, read(key), f"{live}/{key}" if live else "")

        return show

    def _show(self, request: Request, template: str, page: object, live: str) -> Response:
        return render(request, template, page, self._explorer.now(), live)


def _events(live: Live) -> Callable[[], Awaitable[Response]]:
    async def events() -> Response:
        """Tell changes as server-sent events."""
        live.require_room()
        headers = {**HEADERS, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(live), media_type="text/event-stream", headers=headers)

    return events


async def _stream(live: Live) -> AsyncIterator[str]:
    async with live.reading() as changes:
        yield "retry: 2000\n\n"
        while True:
            try:
                change = await asyncio.wait_for(changes.get(), _PING_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if change is None:
                return
            yield _message(change)


def _message(change: Change) -> str:
    data = {"block": change.block, "time": change.time, "pages": change.pages}
    return f"id: {change.block}\nevent: change\ndata: {json.dumps(data)}\n\n"


def _static(name: str) -> Response:
    found = static_file(name)
    if found is None:
        raise NoSuchPage("There is no such file.")
    return found


def _nothing(rest: str) -> Response:
    raise NoSuchPage(f"There is no page “{rest[:80]}”. Search for an id, an address or a model.")
