"""The short way to a task answers as the framework's way does."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI

from .conftest import Counter

GOOD = json.dumps({"model": "digits", "input": {"tensor": [[[0.5] * 16] * 16]}})
_BEHIND = "/gateway"

CASES: dict[str, tuple[str, dict[str, str], str, int]] = {
    "a task": ("key", {"Idempotency-Key": "both-ways"}, GOOD, 202),
    "no key": ("", {}, GOOD, 401),
    "a key that is none": ("inf_0", {}, GOOD, 401),
    "a key that may only read": ("reader", {}, GOOD, 403),
    "no JSON": ("key", {}, "{", 400),
    "another type": ("key", {"Content-Type": "text/plain"}, GOOD, 415),
    "no such model": ("key", {}, GOOD.replace("digits", "none"), 404),
    "no number": ("key", {}, GOOD.replace("0.5", '"0.5"'), 422),
    "an unknown member": ("key", {}, GOOD.replace("{", '{"fee": 1, ', 1), 422),
    "an empty Idempotency-Key": ("key", {"Idempotency-Key": ""}, GOOD, 422),
    "a long Idempotency-Key": ("key", {"Idempotency-Key": "k" * 256}, GOOD, 422),
}


@pytest.mark.parametrize("case", CASES)
def test_both_ways_answer_alike(counter: Counter, case: str) -> None:
    who, more, body, status = CASES[case]
    headers = {"Content-Type": "application/json"} | more
    if who:
        key = {"key": counter.key, "reader": counter.reader}.get(who, who)
        headers["Authorization"] = f"Bearer {key}"
    _ask(counter.app, "", headers, body)
    short = _ask(counter.app, "", headers, body)
    long = _ask(counter.app, _BEHIND, headers, body)
    assert (short.status_code, long.status_code) == (status, status)
    assert _facts(short) == _facts(long)


def test_other_methods_of_the_address_take_the_long_way(counter: Counter) -> None:
    assert counter.client.get("/v1/tasks").status_code == 200
    assert counter.client.put("/v1/tasks").headers["Allow"] == "POST"


def _ask(app: FastAPI, root: str, headers: dict[str, str], body: str) -> httpx.Response:
    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(app, root_path=root)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.post(f"{root}/v1/tasks", headers=headers, content=body)

    return asyncio.run(asking())


def _facts(answer: httpx.Response) -> tuple[dict[str, object], dict[str, str]]:
    """Return what an answer says, without the words of the framework and the place asked."""
    content = json.loads(answer.content)
    if "errors" in content:
        content["errors"] = [each["field"] for each in content["errors"]]
        del content["detail"]
    content.pop("instance", None)
    headers = dict(answer.headers)
    del headers["content-length"]
    return content, headers
