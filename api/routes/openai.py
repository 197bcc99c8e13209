"""OpenAI's protocol: each request becomes a task, and waits for its result. See docs/text.md."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from infernet.chain.records import TaskId

from ..openai_problems import status_of
from ..problems import BY_NAME
from ..schemas.openai import Asked, ChatGiven, CompletionGiven, EmbeddingsGiven, Sampled
from ..schemas.openai_views import (
    ChatChunkView,
    ChatView,
    CompletionView,
    EmbeddingsView,
    EmbeddingView,
    FaultView,
)
from ..service.terms import Wish
from ..service.text import Spoken
from .accept import REFUSED, Key
from .intake import JSON
from .landing import Landing
from .openai_answer import Desk, Making, infernet_of, usage_of
from .openai_asked import (
    asked,
    chat_wish,
    completion_wish,
    embedding_wishes,
    seed_of,
    stops_of,
)
from .openai_form import ChatForm, Form, PlainForm
from .seam import TheAccess, TheGateway, Writer, json_body

router = APIRouter(prefix="/v1", tags=["openai"])

_landing = Landing()
_WAITED = (*REFUSED, "prompt-too-long", "ended-without", "still-open")


def _described(kind: type[Any], chunk: type[Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route's answers."""
    content: dict[str, Any] = {JSON: {"schema": _schema(kind)}}
    if chunk is not None:
        text = {"type": "string", "description": f"Events whose data is a {chunk.__name__}"}
        content["text/event-stream"] = {"schema": text}
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "The result", "content": content}
    }
    for problem in (BY_NAME[name] for name in _WAITED):
        fault = {"description": problem.title, "content": {JSON: {"schema": _schema(FaultView)}}}
        found.setdefault(status_of(problem.status), fault)
    return found


def _schema(model: type[Any]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


@router.post(
    "/chat/completions",
    summary="Have a model answer a chat",
    response_class=Response,
    responses=_described(ChatView, ChatChunkView),
    openapi_extra=json_body(ChatGiven),
)
async def post_chat(
    request: Request, gateway: TheGateway, access: TheAccess, caller: Writer, key: Key = None
) -> Response:
    """Answer once somebody staked on the result, or stream; `infernet.wait` may ask for more."""
    given = await asked(ChatGiven, request)
    desk, seed = _desk(request, gateway, access, caller, given), seed_of(given, key)
    return await _made(desk, ChatForm(), given, chat_wish(given, seed), seed, key)


@router.post(
    "/completions",
    summary="Have a model go on from a prompt",
    response_class=Response,
    responses=_described(CompletionView, CompletionView),
    openapi_extra=json_body(CompletionGiven),
)
async def post_completion(
    request: Request, gateway: TheGateway, access: TheAccess, caller: Writer, key: Key = None
) -> Response:
    """Answer as a chat is answered."""
    given = await asked(CompletionGiven, request)
    desk, seed = _desk(request, gateway, access, caller, given), seed_of(given, key)
    return await _made(desk, PlainForm(), given, completion_wish(given, seed), seed, key)


@router.post(
    "/embeddings",
    summary="Have texts embedded",
    response_class=Response,
    responses=_described(EmbeddingsView),
    openapi_extra=json_body(EmbeddingsGiven),
)
async def post_embeddings(
    request: Request, gateway: TheGateway, access: TheAccess, caller: Writer, key: Key = None
) -> Response:
    """Answer once somebody staked on every result; each input is a task of its own."""
    given = await asked(EmbeddingsGiven, request)
    desk = _desk(request, gateway, access, caller, given)
    wishes = embedding_wishes(given)
    accepted = await _landing.of(gateway.accept_batch(wishes, caller.account, key))
    ids = accepted.task_ids
    view = await desk.unless_gone(ids[0], _embedded(desk, given, ids))
    return Response(view.model_dump_json(), media_type=JSON)


async def _made(
    desk: Desk, form: Form, given: Sampled, wish: Wish, seed: int | None, key: str | None
) -> Response:
    accepted = await _landing.of(desk.gateway.accept(wish, desk.caller.account, key))
    making = Making(desk, form, accepted.task_ids[0], stops_of(given), seed)
    if not given.stream:
        return await making.whole()
    options = given.stream_options
    return making.stream(has_usage=bool(options and options.include_usage))


async def _embedded(
    desk: Desk, given: EmbeddingsGiven, task_ids: Sequence[TaskId]
) -> EmbeddingsView:
    rows = [await desk.result(each, desk.own.wait) for each in task_ids]
    said = [await desk.spoken(row) for row in rows]
    return EmbeddingsView(
        data=[
            EmbeddingView(index=index, embedding=_vector(each, given.encoding_format))
            for index, each in enumerate(said)
        ],
        model=rows[0].order.model,
        usage=usage_of(said),
        infernet=[infernet_of(desk.gateway, row) for row in rows],
    )


def _vector(said: Spoken, encoding: str) -> list[float] | str:
    if encoding == "float":
        return list(said.numbers)
    return b64encode(np.array(said.numbers, "<f4").tobytes()).decode()


def _desk(
    request: Request, gateway: TheGateway, access: TheAccess, caller: Writer, given: Asked
) -> Desk:
    until = asyncio.get_running_loop().time() + given.infernet.timeout_seconds
    return Desk(gateway, access, caller, request, given.infernet, until)


# Bodies are read by hand, and streams answered by hand, so what describes them is named apart.
SCHEMAS = (
    ChatGiven,
    CompletionGiven,
    EmbeddingsGiven,
    ChatView,
    ChatChunkView,
    CompletionView,
    EmbeddingsView,
)
