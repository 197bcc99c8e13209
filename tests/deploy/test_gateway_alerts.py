"""Each alert of a gateway is fired by causing its fault; only that minutes pass is pretended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infernet.chain.records import TaskId
from tests.anvil import free_port, needs_anvil, running
from tests.api.explorer.scene import Scene, digits, scene_on
from tests.api.office import await_requested, funded_key, until
from tests.api.routes.conftest import Counter, over_http

from .scrape import Prometheus

pytestmark = needs_anvil
JOB = "infernet-gateway"
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running(state=tmp_path_factory.mktemp("node") / "state.json") as node:
        yield scene_on(node, digits())


@pytest.fixture
def own(scene: Scene, tmp_path: Path) -> Iterator[Counter]:
    with over_http(scene, tmp_path, funded_key(scene.town.anvil)) as found:
        yield found


def watching(url: str) -> Prometheus:
    return Prometheus({JOB: url}, start=time.time())


def submit(counter: Counter) -> TaskId:
    query = {"model": "digits", "deadline_seconds": 100_000}
    said = counter.client.post(
        "/v1/tasks", params=query, content=counter.scene.town.data, headers=RAW
    )
    assert said.status_code == 202, said.text
    return TaskId(bytes.fromhex(said.json()["id"][2:]))


def test_a_gateway_that_fares_well_fires_nothing_and_counts_its_answers(own: Counter) -> None:
    task = submit(own)
    await_requested(own.gateway, task)
    own.client.get("/v1/nothing")
    seen = watching(own.url)
    seen.scrape(3)
    assert seen.firing() == set()
    text = httpx.get(f"{own.url}/metrics").text
    assert 'infernet_gateway_answers_total{status="202"} 1.0' in text
    assert 'infernet_gateway_answers_total{status="404"} 1.0' in text
    assert "infernet_gateway_oldest_waiting_seconds 0.0" in text


def test_a_gateway_that_does_not_answer_is_down() -> None:
    seen = watching(f"http://127.0.0.1:{free_port()}")
    seen.scrape(2)
    assert seen.firing() == {"GatewayDown"}


def test_a_gateway_whose_node_is_gone_stalls(own: Counter) -> None:
    node, health = own.scene.town.anvil, own.gateway._health
    node.stop()
    try:
        until(lambda: bool(health.errors), "a spoiled turn")
        assert health._last_turn is not None
        health._last_turn -= 100
        seen = watching(own.url)
        seen.scrape(2)
        assert seen.firing() == {"GatewayStalled"}
    finally:
        node.start()


def test_a_task_that_nobody_can_pay_for_waits(own: Counter) -> None:
    node, account = own.scene.town.anvil, own.gateway.wallet.address
    node.fund(account, 0)
    task = submit(own)
    node.skip(301)
    seen = watching(own.url)
    until(lambda: _waited(own.url) > 300, "a task to wait")
    seen.scrape(2)
    assert seen.firing() == {"TasksWaiting"}
    node.fund(account, 100)
    await_requested(own.gateway, task)
    seen.scrape()
    assert seen.firing() == set()


def _waited(url: str) -> float:
    (line,) = (
        line
        for line in httpx.get(f"{url}/metrics").text.splitlines()
        if line.startswith("infernet_gateway_oldest_waiting_seconds")
    )
    return float(line.split()[1])


def test_inputs_that_fill_their_room_are_told(own: Counter) -> None:
    await_requested(own.gateway, submit(own))
    blobs = own.gateway._blobs
    blobs.most_bytes = blobs.used_bytes + 1
    seen = watching(own.url)
    seen.scrape()
    assert seen.firing() == {"GatewayFull"}


def test_mistakes_are_told(own: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watching(own.url)
    seen.scrape()
    with monkeypatch.context() as broken:
        broken.setattr(own.gateway, "_blobs", None)
        assert own.client.get("/status").status_code == 500
    seen.scrape()
    assert seen.firing() == {"GatewayMistaken"}
