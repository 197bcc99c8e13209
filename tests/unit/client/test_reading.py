"""Whatever is answered, the client raises its own errors alone."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.client.answers import AcceptedBatch, Event, ModelList, Proof, Story, Task, TaskPage
from infernet.client.errors import Answered, ClientError
from infernet.client.reading import Reply, problem_in, read
from infernet.client.stream import Stream
from infernet.client.talk import Patience

KINDS = (AcceptedBatch, Event, ModelList, Proof, Story, Task, TaskPage)
NAMES = sorted({name for kind in KINDS for name in kind.__dataclass_fields__})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(body=VALUES.map(lambda value: json.dumps(value).encode()) | st.binary())
def test_any_body_is_read_or_refused(kind: type[object], body: bytes) -> None:
    with suppress(ClientError):
        read(kind, body)


@given(
    status=st.integers(100, 599),
    retry=st.text(),
    body=VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(),
)
def test_any_problem_is_an_error_of_the_client(status: int, retry: str, body: bytes) -> None:
    with suppress(ClientError):
        fault = problem_in(Reply(status, {"retry-after": retry}, body), 202)
        assert (fault is None) == (status == 202)
        assert fault is None or (isinstance(fault, Answered) and fault.problem.status == status)


@given(st.lists(st.binary()))
def test_any_stream_is_read_or_refused(chunks: list[bytes]) -> None:
    stream = Stream(None, None, Patience(()))
    with suppress(ClientError):
        for chunk in chunks:
            list(stream.feed(chunk))
