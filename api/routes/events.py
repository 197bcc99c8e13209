"""Events of tasks as they happen: server-sent events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.exceptions import RequestValidationError
from fastapi.sse import EventSourceResponse, ServerSentEvent

from infernet.chain.records import TaskId

from ..problems import answers
from ..service.notify import Listener
from ..store.records import ENDS, TaskEvent
from .seam import KEYED, STORED, IdBytes, Reader, Texts, TheAccess, TheGateway

router = APIRouter(prefix="/v1", tags=["events"])

_RETRY_MILLISECONDS = 2_000
_NUMBER = re.compile(r"[0-9]{1,18}")
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events as they happen: `id` is the sequence, `event` the kind, `data` an "
        "EventView in JSON; a comment when nothing happened for 15 s",
    }
}
LastId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="Tell what came after this event", examples=["41"]),
]
Span = Annotated[
    float | None,
    Query(gt=0, le=86_400, allow_inf_nan=False, description="End the stream after so long"),
]


def _after(text: str | None) -> int | None:
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        fault = {"type": "value_error", "loc": ("header", "Last-Event-ID"), "input": None}
        raise RequestValidationError([{**fault, "msg": "it has to be the id of an event"}])
    return int(text)


async def _of_all(
    gateway: TheGateway, access: TheAccess, caller: Reader, last: LastId = None
) -> AsyncIterator[Listener]:
    after = _after(last)
    if after is None:
        after = await asyncio.to_thread(gateway.last_event)
    # Entered before the answer begins, so that a full house is still told as a problem.
    async with gateway.listen(after) as listener, access.watching(caller, listener.end):
        yield listener


async def _of_task(
    gateway: TheGateway, access: TheAccess, caller: Reader, id_: IdBytes, last: LastId = None
) -> AsyncIterator[Listener]:
    after = _after(last) or 0
    await asyncio.to_thread(gateway.task, TaskId(id_))
    async with (
        gateway.listen(after, TaskId(id_)) as listener,
        access.watching(caller, listener.end),
    ):
        yield listener


@router.get(
    "/events",
    summary="Hear of all tasks",
    response_class=EventSourceResponse,
    responses={**_STREAM, **answers(*KEYED, *STORED, "no-room")},
)
async def get_events(
    listener: Annotated[Listener, Depends(_of_all)], texts: Texts, seconds: Span = None
) -> AsyncIterator[ServerSentEvent]:
    """Tell what happens from now on, or after `Last-Event-ID`."""
    async for each in _told(listener, texts, seconds):
        yield each


@router.get(
    "/tasks/{id}/events",
    summary="Hear of one task",
    response_class=EventSourceResponse,
    responses={**_STREAM, **answers(*KEYED, *STORED, "no-room", "unknown-task")},
)
async def get_task_events(
    listener: Annotated[Listener, Depends(_of_task)],
    gateway: TheGateway,
    texts: Texts,
    seconds: Span = None,
) -> AsyncIterator[ServerSentEvent]:
    """Tell what happened to a task and what happens, or only what came after `Last-Event-ID`.

    The stream ends with the task.
    """

    async def is_last(event: TaskEvent) -> bool:
        # A reorganisation may have taken an end back.
        later = (event.sequence, event.task_id, 1)
        return event.state in ENDS and not await asyncio.to_thread(gateway.events, *later)

    async for each in _told(listener, texts, seconds, is_last):
        yield each


async def _never(event: TaskEvent) -> bool:
    return False


async def _told(
    listener: Listener,
    texts: Texts,
    seconds: float | None,
    is_last: Callable[[TaskEvent], Awaitable[bool]] = _never,
) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="listening", retry=_RETRY_MILLISECONDS)
    end = None if seconds is None else asyncio.get_running_loop().call_later(seconds, listener.end)
    try:
        async for event in listener:
            text, number = texts.of(event), str(event.sequence)
            yield ServerSentEvent(raw_data=text, event=event.kind, id=number)
            if await is_last(event):
                return
    finally:
        if end is not None:
            end.cancel()
