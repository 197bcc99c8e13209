"""The client against a gateway that is served, and what it does when answers do not come."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infernet.audit.receipt import read_receipt
from infernet.chain.records import TaskId
from infernet.client import (
    AsyncClient,
    Busy,
    Client,
    Finality,
    NoResultYet,
    NotAllowed,
    NotThere,
    Patience,
    Refused,
    State,
    TimedOut,
    Unreachable,
    Unreadable,
)
from infernet.models.store import shipped_dir
from tests.api.office import Miner
from tests.api.routes.conftest import Counter

PICTURE = shipped_dir() / "digits" / "digit-7.png"
_BRIEF = Patience((0.05, 0.05))
_EVENT = (
    b'id: %d\nevent: finalised\ndata: {"sequence": %d, "task_id": "0x' + b"5a" * 32 + b'", '
    b'"kind": "finalised", "state": "%s", "finality": "none", "data": {}, "at": null, '
    b'"time": 1}\n\n'
)


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Give the URL of a peer that sends these bytes, one connection each, and what it was sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        thread.join(5)


def answer(status: str, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def test_a_photo_is_followed_from_soft_to_final(counter: Counter) -> None:
    with Client(counter.url, counter.key) as client:
        assert client.is_healthy()
        assert [each.name for each in client.models()] == ["digits"]
        task_id = client.submit("digits", PICTURE, idempotency_key="photo").id
        again = client.submit("digits", PICTURE, idempotency_key="photo")
        assert again.id == task_id and again.is_repeat
        # Until it is on chain, no result of it can be asked for.
        assert any(each.at for each in client.events(task_id))
        with pytest.raises(NoResultYet):
            client.receipt(task_id)
        with pytest.raises(TimedOut):
            client.wait(task_id, timeout_seconds=0.3)
        assert client.task(task_id).output is None
        Miner(counter.scene.town).finish(TaskId(bytes.fromhex(task_id[2:])))
        output = client.wait(task_id, timeout_seconds=30).output
        assert output is not None and output.finality is Finality.FINAL
        assert output.highest[0].label == "7"
        assert [each.state for each in client.events(task_id)][-1] is State.FINAL
        assert read_receipt(client.receipt(task_id).text).finality.status == "final"
        assert task_id in [each.id for each in client.tasks(is_mine=True)]
        assert list(client.disputes()) == []


def test_a_batch_is_awaited(counter: Counter) -> None:
    async def have() -> None:
        async with AsyncClient(counter.url, counter.key) as client:
            batch = await client.submit_many("digits", [PICTURE, PICTURE.read_bytes()])
            assert len({each.id for each in batch.tasks}) == 2
            async for event in client.events(batch.tasks[0].id):
                assert event.finality is Finality.NONE
                break
            assert (await client.task(batch.tasks[1].id)).model == "digits"

    asyncio.run(have())


def test_pages_of_tasks_are_one_list(counter: Counter) -> None:
    with Client(counter.url, counter.key) as client:
        # A page has 50.
        batches = [client.submit_many("digits", [PICTURE] * 60) for _ in range(2)]
        ids = [each.id for batch in batches for each in batch.tasks]
        listed = [each.id for each in client.tasks(is_mine=True)]
        assert listed[: len(ids)] == ids[::-1]
        assert len(listed) == len(set(listed))
        assert list(client.tasks(state=State.FAILED)) == []


def test_what_a_key_may_not_is_refused_and_the_key_never_shown(counter: Counter) -> None:
    wrong = "inf_" + "0" * 12 + "_" + "1" * 64
    for key, name in ((wrong, "unauthenticated"), (counter.reader, "forbidden")):
        with Client(counter.url, key) as client, pytest.raises(NotAllowed) as caught:
            client.submit("digits", PICTURE)
        assert caught.value.problem.name == name
        assert key not in repr(client) + str(caught.value) + repr(caught.value)


def test_refusals_say_what_is_wrong(counter: Counter) -> None:
    with Client(counter.url, counter.key) as client:
        with pytest.raises(NotThere):
            client.task("0x" + "0" * 64)
        with pytest.raises(Refused) as caught:
            client.submit("digits", b"\x89PNG\r\n\x1a\n" + bytes(64_000_000))
        assert caught.value.problem.name == "body-too-large"


def test_a_busy_gateway_is_asked_again_with_the_same_key() -> None:
    busy = answer("429 Too Many Requests", b"{}", "Retry-After: 1\r\n")
    full = answer("503 Service Unavailable", b"not json")
    good = answer("202 Accepted", b'{"id": "0x%s", "is_repeat": true}' % (b"5a" * 32))
    with scripted(busy, b"", full, good) as (url, heard), Client(url, "inf_a") as client:
        assert client.submit("digits", [[1]]).is_repeat
    keys = {
        line
        for each in heard
        for line in each.lower().splitlines()
        if line.startswith(b"idempotency-key")
    }
    assert len(heard) == 4 and len(keys) == 1


def test_patience_ends() -> None:
    busy = answer("429 Too Many Requests", b"{}", "Retry-After: 31\r\n")
    with scripted(busy) as (url, _), Client(url) as client, pytest.raises(Busy):
        client.models()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{free}", patience=_BRIEF) as client,
        pytest.raises(Unreachable),
    ):
        client.models()


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"models": [{}]}', b"[" * 100_000])
def test_an_answer_of_somebody_else_is_unreadable(body: bytes) -> None:
    with (
        scripted(answer("200 OK", body)) as (url, _),
        Client(url) as client,
        pytest.raises(Unreadable),
    ):
        client.models()


def test_a_stream_that_breaks_is_taken_up_where_it_was() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    broken, whole = head + b"Content-Length: 9999\r\n\r\n", head + b"Connection: close\r\n\r\n"
    first = broken + _EVENT % (4, 4, b"queued") + b"id: 5\ndata: {"
    # An end that was taken back, and one behind which the connection broke.
    second = broken + b"".join(
        _EVENT % (number, number, state)
        for number, state in ((4, b"queued"), (7, b"final"), (8, b"queued"), (9, b"refunded"))
    )
    third = whole + _EVENT % (9, 9, b"refunded")
    with (
        scripted(first, second, third) as (url, heard),
        Client(url, patience=_BRIEF) as client,
    ):
        told = list(client.events("0x" + "5a" * 32))
    assert [(each.sequence, each.state) for each in told] == [
        (4, State.QUEUED),
        (7, State.FINAL),
        (8, State.QUEUED),
        (9, State.REFUNDED),
    ]
    assert b"last-event-id: 4" in heard[1].lower() and b"last-event-id: 8" in heard[2].lower()
