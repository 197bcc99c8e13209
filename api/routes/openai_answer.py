"""Wait for a task that a client of OpenAI's protocol asked for, and say what it said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from infernet.chain.records import TaskId
from infernet.store.errors import StoreError

from .. import problems
from ..access.guard import Access, Caller
from ..errors import NoRoom, StillOpen
from ..schemas.openai import InfernetGiven
from ..schemas.openai_views import Headed, InfernetView, UsageView
from ..schemas.values import hex_of
from ..service.gateway import Gateway
from ..service.notify import Listener
from ..service.openai import Wanted, confirmed, cut, result_of
from ..service.text import Spoken
from ..store.records import Finality, TaskRow
from . import show
from .intake import JSON
from .openai_form import Form

T = TypeVar("T")

_QUIET_SECONDS = 15.0
_QUIET = ": waiting\n\n"
_FINGERPRINT_BYTES = 6
_FINALITIES: dict[Finality, Literal["none", "soft", "final"]] = {
    Finality.NONE: "none",
    Finality.PENDING: "soft",
    Finality.FINAL: "final",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a request is answered. `until`: when the wait ends, by the event loop's clock."""

    gateway: Gateway
    access: Access
    caller: Caller
    request: Request
    own: InfernetGiven
    until: float

    async def result(self, task_id: TaskId, wanted: Wanted) -> TaskRow:
        """Return a task once its result is as sure as wanted, or raise Unanswered."""
        async with self._listening(task_id) as listener:
            return await result_of(self.gateway, listener, task_id, wanted)

    async def confirmed(self, told: TaskRow) -> TaskRow:
        """Return a task once the result that was told is final, or raise Unanswered."""
        async with self._listening(told.order.id) as listener:
            return await confirmed(self.gateway, listener, told)

    async def spoken(self, row: TaskRow) -> Spoken:
        """Return what a task said, or raise StillOpen for a lie that is no text."""
        asked = row.order.id, row.order.program_root, row.order.iterations
        found = await asyncio.to_thread(self.gateway.spoken, *asked, row.standing.output)
        if found is None:
            raise StillOpen(
                hex_of(row.order.id), "has a result that is no text, so it is false; follow it"
            )
        return found

    async def unless_gone(self, task_id: TaskId, waiting: Coroutine[object, object, T]) -> T:
        """Return what is waited for; for a client that left raise StillOpen, which nobody hears."""
        work = asyncio.create_task(waiting)
        gone = asyncio.create_task(_departure(self.request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise StillOpen(hex_of(task_id), "goes on, and its client left")
            return work.result()
        finally:
            work.cancel()
            gone.cancel()

    @asynccontextmanager
    async def _listening(self, task_id: TaskId) -> AsyncIterator[Listener]:
        """Give the events of a task. Whatever ends the wait is told as StillOpen: the task goes on,
        and whoever asked again would pay for another.
        """
        try:
            async with (
                asyncio.timeout_at(self.until),
                self.gateway.listen(0, task_id) as listener,
                self.access.watching(self.caller, listener.end),
            ):
                yield listener
        except TimeoutError:
            waited = f"{self.own.timeout_seconds:g} s"
            raise StillOpen(
                hex_of(task_id), f"has no {self.own.wait} result after {waited}; it goes on"
            ) from None
        except (NoRoom, StoreError) as error:
            raise StillOpen(
                hex_of(task_id), f"goes on, but cannot be waited for: {error}"
            ) from None


@dataclass(frozen=True, slots=True)
class Making:
    """A task that makes text, and how its answer is put. `seed`: None where it is greedy."""

    desk: Desk
    form: Form
    task_id: TaskId
    stops: Sequence[str]
    seed: int | None

    async def whole(self) -> Response:
        """Return the answer in one piece."""
        desk = self.desk
        row = await desk.unless_gone(self.task_id, desk.result(self.task_id, desk.own.wait))
        said = await desk.spoken(row)
        text, reason = cut(said, self.stops)
        view = self.form.whole(self._head(row), text, reason, usage_of([said]))
        return Response(view.model_dump_json(), media_type=JSON)

    def stream(self, *, has_usage: bool) -> Response:
        """Return the answer as server-sent events: the text once it is soft, then what follows."""
        return StreamingResponse(
            self._events(has_usage=has_usage),
            media_type="text/event-stream",
            # Proxies would hold events back.
            headers={"X-Accel-Buffering": "no"},
        )

    async def _events(self, *, has_usage: bool) -> AsyncIterator[str]:
        try:
            async for event in self._told(has_usage=has_usage):
                yield event
            yield "data: [DONE]\n\n"
        except Exception as error:  # noqa: BLE001 - each has its event, and is logged if no route's
            answer = problems.answer_to(self.desk.request, error)
            yield f"data: {bytes(answer.body).decode()}\n\n"

    async def _told(self, *, has_usage: bool) -> AsyncIterator[str]:
        desk, form = self.desk, self.form
        row = await asyncio.to_thread(desk.gateway.task, self.task_id)
        yield _event(form.begin(self._head(row)))
        work = asyncio.create_task(desk.result(self.task_id, "soft"))
        async for comment in _meanwhile(work):
            yield comment
        row = work.result()
        said = await desk.spoken(row)
        text, reason = cut(said, self.stops)
        if text:
            yield _event(form.piece(self._head(row), text))
        yield _event(form.end(self._head(row), reason))
        if desk.own.wait == "final":
            work = asyncio.create_task(desk.confirmed(row))
            async for comment in _meanwhile(work):
                yield comment
            row = work.result()
            yield _event(form.note(self._head(row), None))
        if has_usage:
            yield _event(form.note(self._head(row), usage_of([said])))

    def _head(self, row: TaskRow) -> Headed:
        order = row.order
        return Headed(
            id=f"{self.form.prefix}{order.id.hex()}",
            created=row.accepted_at,
            model=order.model,
            system_fingerprint=f"fp_{order.program_root[:_FINGERPRINT_BYTES].hex()}",
            infernet=infernet_of(self.desk.gateway, row, self.seed),
        )


def infernet_of(gateway: Gateway, row: TaskRow, seed: int | None = None) -> InfernetView:
    """Return what an answer says of its task."""
    place = f"{gateway.settings.public_url}{show.href(row.order.id)}"
    return InfernetView(
        task_id=hex_of(row.order.id),
        program_root=hex_of(row.order.program_root),
        state=row.state.value,
        finality=_FINALITIES[row.finality],
        task=place,
        receipt=f"{place}/receipt",
        seed=seed,
    )


def usage_of(said: Sequence[Spoken]) -> UsageView:
    """Return what tasks read and made."""
    prompt, made = sum(each.prompt_tokens for each in said), sum(each.made for each in said)
    return UsageView(prompt_tokens=prompt, completion_tokens=made, total_tokens=prompt + made)


def _event(view: Headed) -> str:
    return f"data: {view.model_dump_json()}\n\n"


async def _meanwhile(work: asyncio.Task[TaskRow]) -> AsyncIterator[str]:
    """Yield comments until something is done, so that nobody takes the silence for an end."""
    try:
        while not (await asyncio.wait({work}, timeout=_QUIET_SECONDS))[0]:
            yield _QUIET
    finally:
        work.cancel()


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
