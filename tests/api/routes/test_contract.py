"""Whatever is asked, the answer is one that the description tells of."""

from __future__ import annotations

from collections import Counter as Tally

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .conftest import Counter

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
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
    assert {200, 404, 422} <= told.keys()


def _ask_everything(counter: Counter, cases: int) -> Tally[int]:
    """Ask each operation its share and return how many answers had which status."""
    schema = schemathesis.openapi.from_url(f"{counter.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    told: Tally[int] = Tally()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {counter.key}"
        missing = cases
        for left in range(len(operations), 0, -1):
            share = -(-missing // left)
            missing -= _ask(operations[left - 1], session, share, told)
    return told


def _ask(operation: APIOperation, session: requests.Session, cases: int, told: Tally[int]) -> int:
    """Ask one operation, half of the time against its description; return how often."""
    before = sum(told.values())

    def ask(case: Case) -> None:
        if case.path.endswith("/events"):
            case.query = {**(case.query or {}), "seconds": _STREAM_SECONDS}
        answer = case.call(session=session, timeout=20)
        told[answer.status_code] += 1
        case.validate_response(answer, checks=_CHECKS)

    modes = [GenerationMode.POSITIVE]
    if any((operation.path_parameters, operation.query, operation.body)):
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:
        run = settings(
            max_examples=-(-cases // len(modes)),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        run(given(case=operation.as_strategy(generation_mode=mode))(ask))()
    return sum(told.values()) - before
