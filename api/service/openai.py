"""Wait for the result of a task, and cut its text where the client asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from infernet.chain.records import TaskId
from infernet.models.text import FinishReason

from ..errors import EndedWithout, ResultVoid, StillOpen
from ..store.records import FREE, Finality, TaskRow
from .gateway import Gateway
from .notify import Listener
from .text import Spoken

Wanted = Literal["soft", "final"]


async def result_of(
    gateway: Gateway, listener: Listener, task_id: TaskId, wanted: Wanted
) -> TaskRow:
    """Return a task once its result is as sure as wanted. `listener`: to its events.

    Raises EndedWithout, or StillOpen where the listener ends first.
    """
    enough = (Finality.FINAL,) if wanted == "final" else (Finality.PENDING, Finality.FINAL)
    async for row in _rows(gateway, listener, task_id):
        if row.finality in enough:
            return row
    raise AssertionError("rows end with an error")


async def confirmed(gateway: Gateway, listener: Listener, told: TaskRow) -> TaskRow:
    """Return a task once the result that was told is final.

    Raises ResultVoid once it is not the task's any more, and as `result_of`.
    """
    async for row in _rows(gateway, listener, told.order.id):
        if row.standing.assertion_id != told.standing.assertion_id:
            raise ResultVoid(_hex(told.order.id), "lost the result that was told; ask again")
        if row.finality is Finality.FINAL:
            return row
    raise AssertionError("rows end with an error")


def cut(spoken: Spoken, stops: Sequence[str]) -> tuple[str, FinishReason]:
    """Return the text before the first of the stops, and why it ends there."""
    assert spoken.generated is not None
    text = spoken.generated.text
    ends = [place for stop in stops if (place := text.find(stop)) >= 0]
    if ends:
        return text[: min(ends)], "stop"
    return text, spoken.generated.finish_reason


async def _rows(gateway: Gateway, listener: Listener, task_id: TaskId) -> AsyncIterator[TaskRow]:
    """Yield a task as it is and after each event; never end without an error."""
    yield _open(await asyncio.to_thread(gateway.task, task_id))
    async for _ in listener:
        yield _open(await asyncio.to_thread(gateway.task, task_id))
    raise StillOpen(_hex(task_id), "goes on, and the gateway can wait no longer; follow it")


def _open(row: TaskRow) -> TaskRow:
    if row.state in FREE:
        why = row.trouble or "no miner gave a result in time"
        raise EndedWithout(_hex(row.order.id), f"is {row.state}: {why}; ask again")
    return row


def _hex(task_id: TaskId) -> str:
    return f"0x{task_id.hex()}"
