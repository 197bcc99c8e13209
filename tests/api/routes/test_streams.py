"""Streams of a whole gateway: they tell also what no block does, and hold no server up."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import httpx
import pytest

from tests.anvil import find_anvil, running
from tests.api.explorer.scene import Scene, digits, scene_on
from tests.api.office import SETTINGS, funded_key

from .conftest import Counter, over_http

_WAIT_SECONDS = 20


@pytest.fixture
def scene() -> Iterator[Scene]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as node:
        yield scene_on(node, digits())


def _read(counter: Counter, path: str) -> Queue[str | None]:
    """Read a stream on a thread; give its lines, None at its end. Returns once it answered."""
    lines: Queue[str | None] = Queue()

    def read() -> None:
        headers = {"Authorization": f"Bearer {counter.key}"}
        with httpx.stream("GET", f"{counter.url}{path}", headers=headers, timeout=60) as answer:
            lines.put(str(answer.status_code))
            for line in answer.iter_lines():
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    assert lines.get(timeout=_WAIT_SECONDS) == "200"
    return lines


def test_a_task_that_failed_unsent_changes_its_page_though_no_block_tells_it(
    scene: Scene, tmp_path: Path
) -> None:
    with over_http(scene, tmp_path, funded_key(scene.town.anvil, 0)) as counter:
        span = SETTINGS.least_deadline_seconds
        body = {"model": "digits", "input": {"raw": _raw(scene)}, "deadline_seconds": span}
        answer = counter.client.post("/v1/tasks", json=body)
        assert answer.status_code == 202, answer.text
        task = answer.json()["id"]
        page = counter.client.get(f"/explorer/tasks/{task}", headers={"Accept": "text/html"})
        assert f'data-live="tasks/{task}"' in page.text
        lines = _read(counter, "/explorer/events")
        scene.town.skip(span + 10)
        assert f"tasks/{task}" in _told(lines, f"tasks/{task}")
        state = counter.client.get(f"/explorer/tasks/{task}.json").json()["state"]
        assert state == "failed"


def _told(lines: Queue[str | None], page: str) -> set[str]:
    """Return all pages that a stream named until it named one."""
    found: set[str] = set()
    while page not in found:
        line = lines.get(timeout=_WAIT_SECONDS)
        assert line is not None, "the stream ended"
        if line.startswith("data: "):
            found |= set(json.loads(line.removeprefix("data: "))["pages"])
    return found


def _raw(scene: Scene) -> str:
    return b64encode(scene.town.data).decode()


def test_a_server_that_is_told_to_end_ends_its_streams_first(scene: Scene, tmp_path: Path) -> None:
    with over_http(scene, tmp_path, funded_key(scene.town.anvil)) as counter:
        body = {"model": "digits", "input": {"raw": _raw(scene)}}
        href = counter.client.post("/v1/tasks", json=body).json()["href"]
        streams = [_read(counter, path) for path in ("/explorer/events", f"{href}/events")]
        began = time.monotonic()
    assert time.monotonic() - began < 4
    for lines in streams:
        while lines.get(timeout=1) is not None:
            pass
