"""The client for asyncio: what `Client` does, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self, TypeVar

import httpx

from . import talk
from .answers import (
    Accepted,
    AcceptedBatch,
    Dispute,
    Event,
    Finality,
    Model,
    Proof,
    Receipt,
    State,
    Story,
    Task,
    Wei,
)
from .errors import Unreachable
from .inputs import Input
from .reading import Reply
from .stream import SILENCE_SECONDS, Stream
from .talk import Patience, Talk, Turn
from .transport import SECONDS, Collected, unreachable

T = TypeVar("T")


class AsyncClient:
    """A gateway at a URL, for one event loop; `close` it, or use it with `async with`.

    `api_key`: default INFERNET_API_KEY. Each request is tried again while nobody answers or the
    gateway is busy, as `patience` says; what was accepted is never accepted twice by that. Methods
    raise ClientError.
    """

    def __init__(
        self, url: str, api_key: str | None = None, *, patience: Patience | None = None
    ) -> None:
        self.url = talk.checked_url(url)
        self._patience = patience or Patience()
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=talk.headers_of(api_key), timeout=SECONDS
        )

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give connections back."""
        await self._http.aclose()

    async def submit(
        self,
        model: str,
        given: Input,
        *,
        fee_wei: Wei | None = None,
        deadline_seconds: int | None = None,
        iterations: int | None = None,
        idempotency_key: str | None = None,
    ) -> Accepted:
        """Have a task accepted; once it returns, the gateway has it on disk."""
        terms = talk.terms(fee_wei, deadline_seconds, iterations)
        return await self._run(talk.submit(model, given, terms, idempotency_key, self._patience))

    async def submit_many(
        self,
        model: str,
        given: Iterable[Input],
        *,
        fee_wei: Wei | None = None,
        deadline_seconds: int | None = None,
        iterations: int | None = None,
        idempotency_key: str | None = None,
    ) -> AcceptedBatch:
        """Have several tasks accepted, all or none."""
        terms = talk.terms(fee_wei, deadline_seconds, iterations)
        return await self._run(
            talk.submit_many(model, given, terms, idempotency_key, self._patience)
        )

    async def task(self, task_id: str) -> Task:
        """Return a task as it stands."""
        return await self._run(talk.get_task(task_id, self._patience))

    async def tasks(
        self, *, state: State | None = None, model: str | None = None, is_mine: bool = False
    ) -> AsyncIterator[Task]:
        """Yield tasks, the newest first, page after page."""
        filters = {"state": state, "model": model, "mine": is_mine or None}
        cursor = None
        while True:
            page = await self._run(talk.page_of_tasks(cursor, filters, self._patience))
            for each in page.tasks:
                yield each
            if (cursor := page.cursor) is None:
                return

    async def wait(
        self,
        task_id: str,
        until: Finality = Finality.FINAL,
        *,
        timeout_seconds: float | None = None,
    ) -> Task:
        """Return a task once its result is at least as sure as wanted, over restarts too.

        Raise WithoutResult if there will be none, TimedOut if it takes longer.
        """
        return await self._run(talk.wait(task_id, until, timeout_seconds, self._patience))

    async def events(
        self, task_id: str | None = None, *, after: int | None = None
    ) -> AsyncIterator[Event]:
        """Yield a task's events, past and present, until it ends; or those of all from now on.

        A stream that breaks is taken up where it was; none is missed or told twice. `after`: only
        later ones.
        """
        stream = Stream(task_id, after, self._patience)
        while not stream.is_over:
            await asyncio.sleep(stream.pause_seconds)
            try:
                async for event in self._heard(stream):
                    yield event
            except (httpx.HTTPError, httpx.StreamError) as error:
                stream.broke(unreachable(self.url, error))

    async def receipt(self, task_id: str) -> Receipt:
        """Return what anyone needs to check a task's result."""
        return await self._run(talk.get_receipt(task_id, self._patience))

    async def models(self) -> tuple[Model, ...]:
        """Return the models that tasks may name."""
        return (await self._run(talk.get_models(self._patience))).models

    async def disputes(self, *, is_open: bool | None = None) -> AsyncIterator[Dispute]:
        """Yield disputes, the newest first, page after page."""
        cursor = None
        while True:
            page = await self._run(talk.page_of_disputes(cursor, {"open": is_open}, self._patience))
            for each in page.disputes:
                yield each
            if (cursor := page.cursor) is None:
                return

    async def dispute(self, dispute_id: str) -> Story:
        """Return a dispute with all its moves so far."""
        return await self._run(talk.get_dispute(dispute_id, self._patience))

    async def proof(self, dispute_id: str) -> Proof:
        """Return the proof that decided a dispute, or raise NotThere."""
        return await self._run(talk.get_proof(dispute_id, self._patience))

    async def is_healthy(self) -> bool:
        """Return whether the gateway follows the chain, or raise Unreachable."""
        return await self._run(talk.health())

    async def _run(self, going: Talk[T]) -> T:
        turn = next(going)
        while True:
            await asyncio.sleep(turn.after_seconds)
            try:
                turn = going.send(await self._sent(turn))
            except StopIteration as stop:
                found: T = stop.value
                return found

    async def _sent(self, turn: Turn) -> Reply | Unreachable:
        asked = turn.asked
        try:
            async with self._http.stream(
                asked.method, asked.path, headers=asked.headers, content=asked.body
            ) as answer:
                collected = Collected(answer)
                async for chunk in answer.aiter_bytes():
                    collected.add(chunk)
                return collected.reply()
        except (httpx.HTTPError, httpx.StreamError) as error:
            return unreachable(self.url, error)

    async def _heard(self, stream: Stream) -> AsyncIterator[Event]:
        timeout = httpx.Timeout(SECONDS, read=SILENCE_SECONDS)
        async with self._http.stream(
            "GET", stream.path, headers=stream.headers, timeout=timeout
        ) as answer:
            stream.begin()
            if answer.status_code != 200:
                collected = Collected(answer)
                async for chunk in answer.aiter_bytes():
                    collected.add(chunk)
                stream.refused(collected.reply())
                return
            async for chunk in answer.aiter_bytes():
                for event in stream.feed(chunk):
                    yield event
        stream.ended()
