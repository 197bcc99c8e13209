"""HEAD is GET without a body; requests go up to the limit of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.app import create_app
from infernet.config.tables import ApiTable, Config, DataTable
from tests.api.access.gate import Client

from .conftest import Counter


@pytest.mark.parametrize("path", ["/health", "/status", "/v1/models", "/v1/tasks", "/explorer/"])
def test_head_answers_as_get_does_without_a_body(counter: Counter, path: str) -> None:
    got, head = counter.client.get(path), counter.client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    kept = {"content-type", "content-security-policy", "x-content-type-options"}
    assert {name: head.headers.get(name) for name in kept} == {
        name: got.headers.get(name) for name in kept
    }


def test_head_of_a_stream_ends_with_its_headers(counter: Counter) -> None:
    head = counter.client.head("/v1/events", timeout=3)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"].startswith("text/event-stream")


def test_head_needs_a_key_as_get_does(counter: Counter) -> None:
    head = counter.client.head("/v1/tasks", headers={"Authorization": ""})
    assert head.status_code == 401


def test_bodies_are_read_up_to_the_limit_of_the_settings(tmp_path: Path) -> None:
    config = Config(api=ApiTable(most_body_mib=1), data=DataTable(dir=tmp_path))
    app = create_app(config)
    try:
        said = Client(app).post("/v1/tasks", content=b"x" * ((1 << 20) + 1))
        assert said.status_code == 413
        assert str(1 << 20) in said.json()["detail"]
    finally:
        app.state.access.close()
