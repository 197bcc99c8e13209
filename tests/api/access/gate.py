"""A small application with one route of each kind, as the gateway guards its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp
from starlette.types import Scope as ASGIScope

from api.access.errors import AccessError
from api.access.guard import Access, Caller, Scope, anyone, require
from api.access.limits import Limits
from api.access.middleware import Fence
from api.access.rates import Rate
from api.access.server import server_options

MOST = 200_000
LIMITS = Limits(
    key=Rate(1.0, 5.0),
    address=Rate(1.0, 3.0),
    most_body_bytes=MOST,
    most_held_bytes=MOST + 1_000,
    body_seconds=0.5,
    header_seconds=0.5,
    idle_seconds=1,
)


class Clock:
    """Stands still until it is set."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def answer(scope: ASGIScope, error: Exception) -> ASGIApp:
    """Return an error as a problem document."""
    assert isinstance(error, AccessError)
    content = {"type": error.problem, "status": error.status, "detail": str(error)}
    media = "application/problem+json"
    return JSONResponse(content, error.status, error.headers, media_type=media)


def application(access: Access) -> ASGIApp:
    """Return the application behind its fence."""
    app = FastAPI()
    app.state.access = access

    async def problem(request: Request, error: Exception) -> Response:
        found = answer(request.scope, error)
        assert isinstance(found, Response)
        return found

    app.add_exception_handler(AccessError, problem)

    @app.post("/write")
    async def write(
        request: Request, caller: Annotated[Caller, Depends(require(Scope.TASKS_WRITE))]
    ) -> dict[str, Any]:
        body = await request.body()
        return {"account": caller.account.id, "bytes": len(body), "first": body[:8].hex()}

    @app.get("/read")
    async def read(caller: Annotated[Caller, Depends(require(Scope.TASKS_READ))]) -> str:
        return caller.key_id

    @app.get("/open", dependencies=[Depends(anyone)])
    async def open_() -> str:
        return "open"

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    return Fence(app, access, answer)


def serving(access: Access) -> AbstractContextManager[int]:
    """Serve the application with uvicorn on a port of its own, and give the port."""
    return served(application(access), LIMITS)


@contextmanager
def served(app: ASGIApp, limits: Limits, proxies: tuple[str, ...] = ()) -> Iterator[int]:
    """Serve any application as `serving`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = server_options(limits, proxies)
        config = uvicorn.Config(app, log_level="critical", **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def talk(port: int, *pieces: bytes, seconds: float = 5.0) -> bytes:
    """Send bytes and return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as line:
        for piece in pieces:
            line.sendall(piece)
        return drain(line)


def drain(line: socket.socket) -> bytes:
    """Return all that still comes."""
    found = b""
    while True:
        try:
            piece = line.recv(65_536)
        except ConnectionResetError:
            return found
        if not piece:
            return found
        found += piece


def request(
    method: str, path: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """Return the bytes of a request that ends its connection."""
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8") + body


class Client:
    """Asks the application without a server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def get(self, path: str, **asked: Any) -> httpx.Response:
        return self.ask("GET", path, **asked)

    def post(self, path: str, **asked: Any) -> httpx.Response:
        return self.ask("POST", path, **asked)

    def ask(self, method: str, path: str, **asked: Any) -> httpx.Response:
        return asyncio.run(self._ask(method, path, **asked))

    async def _ask(self, method: str, path: str, **asked: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, **asked)
