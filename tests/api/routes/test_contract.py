"""Whatever is asked, the answer is one that the description tells of."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter as Tally
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.routes.intake import IMAGES, NPY

from .conftest import Counter

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


# Of what is sent as it is; whatever else was drawn is sent as text.
@schemathesis.serializer(*IMAGES, NPY)
def as_it_is(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Return a body of a type that the tool does not know."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


_FEW_CASES, _MANY_CASES = 400, 10_000
# A stream that nobody ends would be waited for.
_STREAM_SECONDS = 0.01


@pytest.mark.slow
def test_ten_thousand_requests_meet_no_undocumented_answer(counter: Counter) -> None:
    told = _ask_everything(counter, _MANY_CASES)
    assert sum(told.values()) >= _MANY_CASES


def test_some_requests_meet_no_undocumented_answer(counter: Counter) -> None:
    told = _ask_everything(counter, _FEW_CASES)
    assert sum(told.values()) >= _FEW_CASES
    # Both what is accepted and what is refused was among them.
    assert {200, 202, 404, 422} <= told.keys()


def _ask_everything(counter: Counter, cases: int) -> Tally[int]:
    """Ask each operation its share and return how many answers had which status."""
    schema = schemathesis.openapi.from_url(f"{counter.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    told: Tally[int] = Tally()
    raw = b64encode(counter.scene.town.data).decode()
    good = {"model": "digits", "input": {"raw": raw}}
    task_id = counter.client.post("/v1/tasks", json=good).json()["id"]
    counter.scene.finish_one()
    miner = counter.scene.executor.wallet.address
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {counter.key}"
        missing = cases
        for left in range(len(operations), 0, -1):
            share = -(-missing // left)
            aim = partial(_aim, task_id=task_id, miner=miner, good=good)
            missing -= _ask(operations[left - 1], session, share, told, aim)
    return told


def _aim(case: Case, task_id: str, miner: str, good: dict[str, Any]) -> None:
    """Let a request name what there is; what is drawn alone would never be found."""
    if "id" in (case.path_parameters or {}):
        case.path_parameters = {"id": task_id}
    if "address" in (case.path_parameters or {}):
        case.path_parameters = {"address": miner}
    if isinstance(case.body, dict) and "input" in case.body:
        case.body = {**case.body, **good}
    if isinstance(case.body, dict) and isinstance(case.body.get("tasks"), list):
        case.body = {"tasks": [good for _ in case.body["tasks"]]}


def _ask(
    operation: APIOperation,
    session: requests.Session,
    cases: int,
    told: Tally[int],
    aim: Callable[[Case], None],
) -> int:
    """Ask one operation, half of the time against its description; return how often."""
    before = sum(told.values())

    def ask(case: Case) -> None:
        if case.path.endswith("/events"):
            case.query = {**(case.query or {}), "seconds": _STREAM_SECONDS}
        if sum(told.values()) % 2:
            aim(case)
        answer = case.call(session=session, timeout=20)
        told[answer.status_code] += 1
        case.validate_response(answer, checks=_CHECKS)

    # What has no parameter, or takes any text, cannot be asked wrongly.
    with suppress(Unsatisfiable):
        _run(operation, GenerationMode.NEGATIVE, ask, cases // 2)
    _run(operation, GenerationMode.POSITIVE, ask, cases - sum(told.values()) + before)
    return sum(told.values()) - before


def _run(
    operation: APIOperation, mode: GenerationMode, ask: Callable[[Case], None], cases: int
) -> None:
    run = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run(given(case=operation.as_strategy(generation_mode=mode))(ask))()
