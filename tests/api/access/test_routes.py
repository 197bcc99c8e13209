"""Every route of the gateway asks for its scope, and asks first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.access.keys import FILE_NAME, Scope, changing
from api.access.limits import Limits
from api.access.rates import Rate
from api.app import create_app
from api.openai_problems import PREFIXES
from api.service.gateway import Gateway
from infernet.config import Config

from .gate import Client

_ID = "0x" + "00" * 32
_OPEN = {"/health", "/status", "/metrics", "/v1/problems", "/v1/problems/{name}", "/v1/pool"}
# Where miners sign their way in, and where a session is what counts.
_JOINING = {"/v1/pool/challenges", "/v1/pool/miners"}
_MEMBERS = {"/v1/pool/work", "/v1/pool/miners/me"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    """Return the application with a gateway that was never opened: refusals do not touch it."""
    monkeypatch.setitem(os.environ, "INFERNET_DATA_DIR", str(tmp_path))
    app = create_app(Config())
    app.state.gateway = object.__new__(Gateway)
    yield app
    app.state.access.close()


def _routes(app: FastAPI) -> list[tuple[str, str, bool]]:
    """Return method, path and whether a key is needed, of each route that is described."""
    found = []
    for path, methods in app.openapi()["paths"].items():
        for method, said in methods.items():
            found.append(
                (method.upper(), path, "security" in said and path not in _OPEN | _JOINING)
            )
    return found


def _ask(app: FastAPI, method: str, path: str, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    place = path.replace("{id}", _ID).replace("{", "").replace("}", "")
    return Client(app).ask(method, place, headers=headers)


def test_all_but_a_few_routes_need_a_key(app: FastAPI) -> None:
    without = {path for _, path, is_closed in _routes(app) if not is_closed}
    assert without == _OPEN | _JOINING
    assert not [path for method, path, _ in _routes(app) if path in _OPEN and method != "GET"]


def test_no_route_works_without_its_scope(app: FastAPI, tmp_path: Path) -> None:
    with changing(tmp_path) as keys:
        texts = {scope: keys.create(scope, [scope], rate=1_000)[1] for scope in Scope}
        _, nothing = keys.create("nothing", [], rate=1_000)
    app.state.access.limits = Limits(address=Rate(1_000.0, 1_000.0))
    closed = [(method, path) for method, path, is_closed in _routes(app) if is_closed]
    for method, path in closed:
        if path in _MEMBERS:
            for key in (None, nothing, *texts.values()):
                assert _ask(app, method, path, key).status_code == 401, path
    closed = [(method, path) for method, path in closed if path not in _MEMBERS]
    assert len(closed) > 10
    for method, path in closed:
        assert _ask(app, method, path, None).status_code == 401, path
        assert _ask(app, method, path, nothing).status_code == 403, path
        assert _ask(app, method, path, texts[Scope.ADMIN]).status_code == 403, path
        other = Scope.TASKS_READ if method == "POST" else Scope.TASKS_WRITE
        said = _ask(app, method, path, texts[other])
        assert said.status_code == 403, path
        expected = "application/json" if path.startswith(PREFIXES) else "application/problem+json"
        assert said.headers["Content-Type"] == expected


def test_a_mistake_of_the_gateway_has_its_security_headers_too(app: FastAPI) -> None:
    async def mistake() -> None:
        raise ZeroDivisionError("of a secret")

    app.add_api_route("/mistake", mistake)
    said = Client(app).get("/mistake")
    assert said.status_code == 500
    assert "secret" not in said.text
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in said.headers["Content-Security-Policy"]


def test_a_store_that_fails_is_no_open_door(app: FastAPI, tmp_path: Path) -> None:
    with (tmp_path / FILE_NAME).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4_096)
        file.write(b"\xff" * (size - 4_096))
    body = b"x" * (Limits().most_unknown_bytes + 1)
    key = f"inf_{'0' * 12}_{'0' * 64}"
    for content in (b"", body):
        asked = {"headers": {"Authorization": f"Bearer {key}"}, "content": content}
        assert Client(app).post("/v1/tasks", **asked).status_code == 503


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tasks/..%2f..%2fgateway.sqlite/input",
        "/v1/tasks/%2e%2e%2f%2e%2e%2faccess.sqlite/input",
        "/v1/tasks/0x" + "2e2e2f" * 10 + "/input",
        "/v1/tasks/" + "٠" * 64 + "/input",
        "/v1/tasks/0x" + "zz" * 32 + "/input",
        "/v1/tasks/..\\..\\access.sqlite/input",
        "/v1/tasks/%00/input",
    ],
)
def test_ids_that_are_paths_name_nothing(app: FastAPI, tmp_path: Path, path: str) -> None:
    with changing(tmp_path) as keys:
        _, text = keys.create("reader", [Scope.TASKS_READ])
    said = _ask(app, "GET", path, text)
    assert said.status_code in (404, 422)
    assert b"SQLite" not in said.content
