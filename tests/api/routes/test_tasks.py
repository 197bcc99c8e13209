"""Tasks over HTTP, from a real uvicorn to a real chain."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from typing import Any

import httpx
import numpy as np

from infernet.audit.receipt import read_receipt, root_of
from infernet.chain.records import TaskId
from infernet.models.store import shipped_dir
from tests.api.office import Miner, await_requested, until
from tests.survival.town import BRISK

from .conftest import Counter

PICTURE = (shipped_dir() / "digits" / "digit-7.png").read_bytes()


def _tensor() -> list[Any]:
    shape = (8, 8)
    return np.arange(64, dtype=np.uint8).reshape(shape).tolist()  # type: ignore[no-any-return]


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"/v1/problems/{name}"
    assert found["status"] == status and found["detail"] and found["instance"]
    return found


def _id_of(answer: httpx.Response) -> TaskId:
    assert answer.status_code == 202, answer.text
    found = answer.json()
    assert answer.headers["location"] == found["href"] == f"/v1/tasks/{found['id']}"
    return TaskId(bytes.fromhex(found["id"][2:]))


def test_every_form_of_a_picture_is_the_same_input(counter: Counter) -> None:
    client = counter.client
    data = counter.scene.town.data
    text = b64encode(PICTURE).decode()
    answers = [
        client.post(
            "/v1/tasks?model=digits", content=PICTURE, headers={"Content-Type": "image/png"}
        ),
        client.post("/v1/tasks", json={"model": "digits", "input": {"image": text}}),
        client.post(
            "/v1/tasks",
            data={"model": "digits", "iterations": "1"},
            files={"input": ("seven.png", PICTURE, "image/png")},
        ),
        client.post(
            "/v1/tasks?model=digits",
            content=data,
            headers={"Content-Type": "application/octet-stream"},
        ),
        client.post(
            "/v1/tasks", json={"model": "digits", "input": {"raw": b64encode(data).decode()}}
        ),
    ]
    for task_id in map(_id_of, answers):
        assert counter.gateway.task(task_id).order.input_root == root_of(data)
        shown = client.get(f"/v1/tasks/0x{task_id.hex()}/input")
        assert shown.content == data and shown.headers["x-content-type-options"] == "nosniff"


def test_tensor_and_npy_are_the_same_input(counter: Counter) -> None:
    shape = counter.gateway.model("digits").input_shape
    kind = counter.gateway.model("digits").manifest.input.source_dtype
    array = np.zeros(shape, kind)
    listed = {"model": "digits", "input": {"tensor": array.tolist()}}
    one = _id_of(counter.client.post("/v1/tasks", json=listed))
    headers = {"Content-Type": "application/x-npy"}
    answer = counter.client.post("/v1/tasks?model=digits", content=_npy(array), headers=headers)
    two = _id_of(answer)
    roots = {counter.gateway.task(each).order.input_root for each in (one, two)}
    assert len(roots) == 1


def test_a_task_from_acceptance_to_finality(counter: Counter) -> None:
    client, scene = counter.client, counter.scene
    headers = {"Content-Type": "image/png", "Idempotency-Key": "a-story"}
    answer = client.post("/v1/tasks?model=digits", content=PICTURE, headers=headers)
    task_id = _id_of(answer)
    again = client.post("/v1/tasks?model=digits", content=PICTURE, headers=headers)
    assert again.json() == {**answer.json(), "is_repeat": True}
    place = answer.json()["href"]
    first = client.get(place).json()
    assert (first["finality"], first["output"]) == ("none", None)
    await_requested(counter.gateway, task_id)
    _problem(client.get(f"{place}/receipt"), 409, "no-result")

    def state() -> str:
        return str(client.get(place).json()["state"])

    miner = Miner(scene.town)
    miner.claim(task_id)
    result = miner.answer(task_id)
    until(lambda: state() == "asserted", "a result")
    soft = client.get(place).json()
    assert soft["finality"] == soft["output"]["finality"] == "pending"
    assert soft["output"]["highest"][0]["label"] == "7"
    pending = client.get(f"{place}/receipt").text
    assert read_receipt(pending).finality.status == "pending"
    scene.town.skip(BRISK.market.window_seconds + 1)
    scene.town.contracts.market.finalise(miner.wallet, result)
    until(lambda: state() == "final", "finality")
    hard = client.get(place).json()
    assert hard["finality"] == hard["output"]["finality"] == "final"
    assert read_receipt(client.get(f"{place}/receipt").text).finality.status == "final"
    # The stream ends with the task; whoever has heard the end may wait for a reorganisation.
    told = _events(client, f"{place}/events")
    assert (told[0][0], told[-1][0]) == ("accepted", "finalised")
    numbers = [event["sequence"] for _, event in told]
    later = {"Last-Event-ID": str(numbers[-2])}
    assert [kind for kind, _ in _events(client, f"{place}/events", later)] == ["finalised"]
    over = {"Last-Event-ID": str(numbers[-1])}
    assert _events(client, f"{place}/events?seconds=0.5", over) == []


def _events(
    client: httpx.Client, place: str, headers: dict[str, str] | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """Return the events that a stream tells until it ends."""
    found: list[tuple[str, dict[str, Any]]] = []
    kind = ""
    with client.stream("GET", place, headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                found.append((kind, json.loads(value)))
    return found


def test_a_batch_is_accepted_whole_or_not_at_all(counter: Counter) -> None:
    raw = {"raw": b64encode(counter.scene.town.data).decode()}
    good, bad = {"model": "digits", "input": raw}, {"model": "nothing", "input": raw}
    before = counter.gateway.last_event()
    answer = counter.client.post("/v1/tasks/batch", json={"tasks": [good, bad]})
    _problem(answer, 404, "unknown-model")
    mine = [e for e in counter.gateway.events(before) if e.kind == "accepted"]
    assert mine == []
    answer = counter.client.post("/v1/tasks/batch", json={"tasks": [good, good]})
    assert answer.status_code == 202
    ids = {each["id"] for each in answer.json()["tasks"]}
    assert len(ids) == 2


def test_pages_of_tasks_join_without_gap(counter: Counter) -> None:
    whole = counter.client.get("/v1/tasks?limit=200").json()["tasks"]
    found, cursor = [], ""
    while True:
        page = counter.client.get(f"/v1/tasks?limit=3{cursor}").json()
        found += [each["id"] for each in page["tasks"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert found == [each["id"] for each in whole]


def test_a_key_spends_only_with_its_scope(counter: Counter) -> None:
    body = {"model": "digits", "input": {"raw": ""}}
    headers = {"Authorization": f"Bearer {counter.reader}"}
    for path in ("/v1/tasks", "/v1/tasks/batch", "/v1/tasks/signed"):
        _problem(counter.client.post(path, json=body, headers=headers), 403, "forbidden")
    answer = httpx.post(f"{counter.url}/v1/tasks", json=body)
    _problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    _problem(httpx.get(f"{counter.url}/v1/tasks"), 401, "unauthenticated")
