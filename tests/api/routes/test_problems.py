"""Every bad request has its documented problem."""

from __future__ import annotations

import asyncio
import json
import re
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.access.errors import AccessError
from api.openai_problems import PREFIXES
from api.problems import BY_NAME, MEDIA_TYPE, TABLE, install
from infernet.audit.receipt import root_of
from infernet.chain.records import TaskId, Wei
from infernet.chain.wallet import KeySigner, Wallet
from tests.api.office import await_requested, soon

from .conftest import Counter
from .test_tasks import _problem

ID = "0x" + "ab" * 32
RAW = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json"}
DOCS = Path(__file__).parents[3] / "docs/api.md"


def _json(body: object) -> dict[str, Any]:
    return {"content": json.dumps(body), "headers": JSON}


def _task(**changes: object) -> dict[str, Any]:
    return _json({"model": "digits", "input": {"tensor": [[1]]}} | changes)


BAD: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "no such address": ("GET", "/v1/nothing", {}, 404, "not-found"),
    "no such method": ("DELETE", "/v1/tasks", {}, 405, "method-not-allowed"),
    "no such task": ("GET", f"/v1/tasks/{ID}", {}, 404, "unknown-task"),
    "no such task's events": ("GET", f"/v1/tasks/{ID}/events", {}, 404, "unknown-task"),
    "no such task's input": ("GET", f"/v1/tasks/{ID}/input", {}, 404, "unknown-task"),
    "no such task's receipt": ("GET", f"/v1/tasks/{ID}/receipt", {}, 404, "unknown-task"),
    "no such dispute": ("GET", f"/v1/disputes/{ID}", {}, 404, "unknown-matter"),
    "no such proof": ("GET", f"/v1/proof/{ID}", {}, 404, "unknown-matter"),
    "no such model": ("GET", "/v1/models/nothing", {}, 404, "unknown-model"),
    "no such problem": ("GET", "/v1/problems/nothing", {}, 404, "unknown-problem"),
    "an id that is none": ("GET", "/v1/tasks/0x12", {}, 422, "invalid-request"),
    "an id in capitals": ("GET", f"/v1/tasks/{ID.upper()}", {}, 422, "invalid-request"),
    "a cursor that is none": ("GET", "/v1/tasks?cursor=x", {}, 422, "invalid-request"),
    "a huge cursor": ("GET", f"/v1/tasks?cursor={'9' * 30}", {}, 422, "invalid-request"),
    "a page too large": ("GET", "/v1/tasks?limit=201", {}, 422, "invalid-request"),
    "a state that is none": ("GET", "/v1/tasks?state=done", {}, 422, "invalid-request"),
    "an event id that is none": (
        "GET",
        "/v1/events",
        {"headers": {"Last-Event-ID": "-1"}},
        422,
        "invalid-request",
    ),
    "no type": ("POST", "/v1/tasks", {"content": b"{}"}, 415, "unsupported-type"),
    "a strange type": (
        "POST",
        "/v1/tasks",
        {"content": b"x", "headers": {"Content-Type": "application/pdf"}},
        415,
        "unsupported-type",
    ),
    "a batch that is no JSON": (
        "POST",
        "/v1/tasks/batch",
        {"content": b"x", "headers": RAW},
        415,
        "unsupported-type",
    ),
    "compressed": (
        "POST",
        "/v1/tasks",
        {"content": b"x", "headers": {**JSON, "Content-Encoding": "gzip"}},
        415,
        "encoding-refused",
    ),
    "broken JSON": ("POST", "/v1/tasks", {"content": b"{", "headers": JSON}, 400, "malformed-body"),
    "JSON in another encoding": (
        "POST",
        "/v1/tasks",
        {"content": b"\xff\xfe\x00", "headers": JSON},
        400,
        "malformed-body",
    ),
    "NaN": (
        "POST",
        "/v1/tasks",
        {"content": b'{"input": NaN}', "headers": JSON},
        400,
        "malformed-body",
    ),
    "deep JSON": (
        "POST",
        "/v1/tasks",
        {"content": b"[" * 200_000, "headers": JSON},
        400,
        "malformed-body",
    ),
    "long digits": (
        "POST",
        "/v1/tasks",
        {"content": b"1" * 10_000, "headers": JSON},
        400,
        "malformed-body",
    ),
    "a list": ("POST", "/v1/tasks", _json([]), 422, "invalid-request"),
    "no input": ("POST", "/v1/tasks", _json({"model": "digits"}), 422, "invalid-request"),
    "two inputs": (
        "POST",
        "/v1/tasks",
        _task(input={"raw": "", "npy": ""}),
        422,
        "invalid-request",
    ),
    "no base64": ("POST", "/v1/tasks", _task(input={"raw": "ä"}), 422, "invalid-request"),
    "an unknown member": ("POST", "/v1/tasks", _task(colour=1), 422, "invalid-request"),
    "a fee below zero": ("POST", "/v1/tasks", _task(fee_wei=-1), 422, "invalid-request"),
    "a fee in Arabic digits": ("POST", "/v1/tasks", _task(fee_wei="٣"), 422, "invalid-request"),
    "true as a number": ("POST", "/v1/tasks", _task(iterations=True), 422, "invalid-request"),
    "a fee too high": ("POST", "/v1/tasks", _task(fee_wei=str(10**19)), 422, "invalid-task"),
    "a surrogate": (
        "POST",
        "/v1/tasks",
        {"content": b'{"model": "\\ud800", "input": {"raw": ""}}', "headers": JSON},
        400,
        "malformed-body",
    ),
    "a deadline too near": ("POST", "/v1/tasks", _task(deadline_seconds=1), 422, "invalid-task"),
    "a wrong shape": ("POST", "/v1/tasks", _task(), 422, "invalid-task"),
    "words as a tensor": (
        "POST",
        "/v1/tasks",
        _task(input={"tensor": ["a"]}),
        422,
        "invalid-task",
    ),
    "no picture": (
        "POST",
        "/v1/tasks?model=digits",
        {"content": b"x", "headers": {"Content-Type": "image/png"}},
        422,
        "invalid-task",
    ),
    "no array": (
        "POST",
        "/v1/tasks?model=digits",
        {"content": b"x", "headers": {"Content-Type": "application/x-npy"}},
        422,
        "invalid-task",
    ),
    "no model": ("POST", "/v1/tasks", {"content": b"x", "headers": RAW}, 422, "invalid-request"),
    "an unserved model": ("POST", "/v1/tasks", _task(model="nothing"), 404, "unknown-model"),
    "a broken form": (
        "POST",
        "/v1/tasks",
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        400,
        "malformed-body",
    ),
    "a form without a file": (
        "POST",
        "/v1/tasks",
        {"files": {"model": (None, "digits")}},
        422,
        "invalid-request",
    ),
    "an empty batch": ("POST", "/v1/tasks/batch", _json({"tasks": []}), 422, "invalid-task"),
    "a batch of nothing": ("POST", "/v1/tasks/batch", _json({}), 422, "invalid-request"),
    "no signature": ("POST", "/v1/tasks/signed", _task(), 422, "invalid-request"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_bad_request_has_its_problem(
    counter: Counter, case: tuple[str, str, dict[str, Any], int, str]
) -> None:
    method, path, options, status, name = case
    _problem(counter.client.request(method, path, **options), status, name)


HEAVY = {
    "members": (b"{" + b",".join(b'"%x":1' % n for n in range(500_000)) + b"}", 422),
    "members beside an input": (
        b'{"input":{"tensor":[1]},' + b",".join(b'"%x":1' % n for n in range(500_000)) + b"}",
        422,
    ),
    "lists": (b'{"model":"digits","input":{"tensor":[' + b"[]," * 3_000_000 + b"[]]}}", 400),
    "tasks": (b'{"tasks":[' + b",".join([b'{"model":"digits"}'] * 300_000) + b"]}", 422),
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_body_holds_nobody_up(counter: Counter, name: str) -> None:
    """Bodies are read where all requests are served, so a slow one would stop the gateway."""
    body, status = HEAVY[name]
    path = "/v1/tasks/batch" if name == "tasks" else "/v1/tasks"
    began = time.monotonic()
    answer = counter.client.post(path, content=body, headers=JSON)
    assert answer.status_code == status
    assert len(answer.content) < 4_000
    assert time.monotonic() - began < 8


def test_an_idempotency_key_is_one_request(counter: Counter) -> None:
    key = {**RAW, "Idempotency-Key": "only one"}
    data = counter.scene.town.data
    path = "/v1/tasks?model=digits"
    assert counter.client.post(path, content=data, headers=key).status_code == 202
    other = bytes(len(data))
    _problem(counter.client.post(path, content=other, headers=key), 422, "key-reused")


def test_every_problem_is_served_and_documented(counter: Counter) -> None:
    listed = counter.client.get("/v1/problems").json()["problems"]
    assert [each["type"] for each in listed] == [problem.type for problem in TABLE]
    for problem in TABLE:
        assert counter.client.get(problem.type).json()["status"] == problem.status
    described = set(
        re.findall(r"^\| `([a-z-]+)` \| [0-9]{3} \|", DOCS.read_text(encoding="utf-8"), re.M)
    )
    assert described == set(BY_NAME)


def test_all_references_of_the_description_lead_somewhere(counter: Counter) -> None:
    found = httpx.get(f"{counter.url}/openapi.json").json()
    text = json.dumps(found)
    named = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert named <= set(found["components"]["schemas"])
    for path, status, answer in _answers(found):
        if int(status) >= 400:
            expected = "application/json" if path.startswith(PREFIXES) else MEDIA_TYPE
            assert list(answer["content"]) == [expected], path


def _answers(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, routes in description["paths"].items():
        for operation in routes.values():
            for status, answer in operation["responses"].items():
                yield path, status, answer


def test_a_requester_signs_and_pays_itself(counter: Counter) -> None:
    town, client = counter.scene.town, counter.client
    signer, fee = KeySigner.create(), 10**15
    town.anvil.fund(signer.address, 1)
    root = f"0x{root_of(town.data).hex()}"
    deadline = soon(town, 3_000)
    terms = {"model": "digits", "fee_wei": str(fee), "deadline": deadline, "nonce": 9}
    typed = client.get("/v1/tasks/typed-data", params={**terms, "input_root": root}).json()
    signature = signer.sign_typed(typed)
    body = {
        **terms,
        "requester": signer.address,
        "signature": f"0x{signature.hex()}",
        "input": {"raw": b64encode(town.data).decode()},
    }
    poor = _problem(client.post("/v1/tasks/signed", json=body), 422, "invalid-task")
    assert poor["field"] == "fee_wei"
    town.contracts.vault.deposit(Wallet(town.chain, signer), Wei(fee))
    found = client.post("/v1/tasks/signed", json=body)
    assert found.status_code == 202, found.text
    await_requested(counter.gateway, TaskId(bytes.fromhex(found.json()["id"][2:])))
    assert counter.client.get(found.json()["href"]).json()["requester"] == signer.address
    forged = _problem(
        client.post("/v1/tasks/signed", json={**body, "nonce": 10}), 422, "invalid-task"
    )
    assert forged["field"] == "signature"


def test_health_status_and_metrics_need_no_key(counter: Counter) -> None:
    assert httpx.get(f"{counter.url}/health").json() == {"status": "ok"}
    status = httpx.get(f"{counter.url}/status").json()
    assert status["market"] == counter.gateway.contracts.market.address
    text = httpx.get(f"{counter.url}/metrics").text
    assert "infernet_gateway_followed_block" in text
    assert httpx.get(f"{counter.url}/explorer").status_code == 200


def test_a_mistake_of_ours_tells_nothing_of_itself() -> None:
    app = FastAPI()
    install(app)

    @app.get("/mistake")
    def mistake() -> None:
        raise RuntimeError("the secret is 42")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.get("/mistake")

    answer = asyncio.run(ask())
    assert "42" not in _problem(answer, 500, "internal")["detail"]


def test_every_refusal_of_access_has_a_row() -> None:
    answered = {kind.problem for kind in _kinds(AccessError)} - {"access", "unknown-key"}
    assert answered and answered <= set(BY_NAME)


def _kinds(kind: type[AccessError]) -> Iterator[type[AccessError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)
