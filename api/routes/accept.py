"""POST /v1/tasks and its kin: what spends."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError

from infernet.chain.market import Request as Asked
from infernet.chain.records import ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.signed import typed_request

from ..access.guard import Scope, require
from ..errors import InvalidTask
from ..problems import answers
from ..schemas.given import BatchGiven, SignedGiven, TaskGiven, Terms, TypedQuery
from ..schemas.values import hex_of
from ..schemas.views import AcceptedBatchView, AcceptedView, TypedDataView
from ..service.accept import MOST_KEY_CHARACTERS
from ..service.terms import Accepted
from . import show
from .intake import (
    IMAGES,
    JSON,
    MULTIPART,
    NPY,
    RAW,
    content_of,
    signed_wish_in,
    wish_of,
    wishes_of,
)
from .landing import Landing
from .seam import KEYED, ON_CHAIN, Reader, TheGateway, Writer, gateway_of

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

REFUSED = (
    *KEYED,
    "malformed-body",
    "budget-exceeded",
    "unknown-model",
    "unsupported-type",
    "invalid-task",
    "key-reused",
    "no-room",
    "stopping",
    "chain-unavailable",
    "store-trouble",
)
_KEY_NAME = "Idempotency-Key"
_LOCATION = {"description": "Where the task is followed", "schema": {"type": "string"}}
_EXAMPLE = {"model": "digits", "input": {"tensor": [[[0, 128], [255, 0]]]}}
Key = Annotated[
    str | None,
    Header(
        alias=_KEY_NAME,
        min_length=1,
        max_length=MOST_KEY_CHARACTERS,
        description="The same key with the same request is the same task, for a day",
        examples=["2f1c9a"],
    ),
]


_writer_of = require(Scope.TASKS_WRITE)
_landing = Landing()


def _schema(model: type[Any]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": content}}


def _binary(about: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "format": "binary", "description": about}}


def _form() -> dict[str, Any]:
    fields = {"type": "string", "pattern": "^[0-9]{1,9}$"}
    properties = {
        "model": {"type": "string", "minLength": 1, "maxLength": 100},
        "input": {"type": "string", "format": "binary"},
        "fee_wei": {"type": "string", "pattern": "^[0-9]{1,28}$"},
        "deadline_seconds": fields,
        "iterations": fields,
    }
    return {
        "schema": {
            "type": "object",
            "properties": properties,
            "required": ["model", "input"],
            "additionalProperties": False,
        },
        "encoding": {"input": {"contentType": ", ".join((*IMAGES, NPY, RAW))}},
    }


def _parameters() -> list[dict[str, Any]]:
    about = "For bodies that are the input itself"
    found = []
    for name, kind in (
        ("model", {"type": "string", "minLength": 1, "maxLength": 100}),
        ("fee_wei", {"type": "string", "pattern": "^[0-9]{1,28}$"}),
        ("deadline_seconds", {"type": "integer", "minimum": 1, "maximum": 2**31}),
        ("iterations", {"type": "integer", "minimum": 1, "maximum": 2**32 - 1}),
    ):
        found.append({"name": name, "in": "query", "description": about, "schema": kind})
    return found


_TASK_BODY = {
    JSON: {"schema": _schema(TaskGiven), "examples": {"tensor": {"value": _EXAMPLE}}},
    NPY: _binary("An .npy file: the source's input"),
    **{kind: _binary("A picture, read by the model's preprocessing") for kind in IMAGES},
    RAW: _binary("The program's own input bytes"),
    MULTIPART: _form(),
}
_BATCH_BODY = {
    JSON: {"schema": _schema(BatchGiven), "examples": {"two": {"value": {"tasks": [_EXAMPLE] * 2}}}}
}


@router.post(
    "",
    status_code=202,
    summary="Have a task accepted, paid by the gateway",
    response_model=AcceptedView,
    responses={
        202: {"headers": {"Location": _LOCATION}, "description": "Durably accepted, not sent yet"},
        **answers(*REFUSED),
    },
    openapi_extra=_body(_TASK_BODY) | {"parameters": _parameters()},
)
async def post_task(
    request: Request, gateway: TheGateway, caller: Writer, key: Key = None
) -> Response:
    """Answer once the task is on disk. Its id is the one that it has on chain.

    The input is JSON, or the body itself by its Content-Type, with the rest in the query; or a form
    with one file named `input`.
    """
    wish = await wish_of(request)
    return _one(await _landing.of(gateway.accept(wish, caller.account, key)))


async def answer(request: Request) -> Response:
    """Return what `post_task` answers, with its arguments taken from the request by hand.

    Raises what routes and their dependencies raise.
    """
    gateway, caller = await gateway_of(request), await _writer_of(request)
    key = request.headers.get(_KEY_NAME)
    if key is not None and not 1 <= len(key) <= MOST_KEY_CHARACTERS:
        what = f"it has {len(key)} characters; 1 to {MOST_KEY_CHARACTERS} are accepted"
        raise RequestValidationError([{"loc": ("header", _KEY_NAME), "msg": what}])
    return await post_task(request, gateway, caller, key)


@router.post(
    "/batch",
    status_code=202,
    summary="Have several tasks accepted, all or none",
    response_model=AcceptedBatchView,
    responses={202: {"description": "Durably accepted, not sent yet"}, **answers(*REFUSED)},
    openapi_extra=_body(_BATCH_BODY),
)
async def post_batch(
    request: Request, gateway: TheGateway, caller: Writer, key: Key = None
) -> Response:
    """Answer once all of them are on disk."""
    wishes = await wishes_of(request)
    found = await _landing.of(gateway.accept_batch(wishes, caller.account, key))
    tasks = [_view(each, found.is_repeat) for each in found.task_ids]
    view = AcceptedBatchView(tasks=tasks, is_repeat=found.is_repeat)
    return Response(view.model_dump_json(), 202, media_type=JSON)


@router.post(
    "/signed",
    status_code=202,
    summary="Have a task relayed that its requester signed and pays",
    response_model=AcceptedView,
    responses={
        202: {"headers": {"Location": _LOCATION}, "description": "Durably accepted, not sent yet"},
        **answers(*REFUSED),
    },
    openapi_extra=_body({JSON: {"schema": _schema(SignedGiven)}}),
)
async def post_signed(
    request: Request, gateway: TheGateway, caller: Writer, key: Key = None
) -> Response:
    """Answer once the task is on disk. The fee comes from the requester's balance in the vault."""
    wish = signed_wish_in(await content_of(request))
    return _one(await _landing.of(gateway.accept_signed(wish, caller.account, key)))


@router.get(
    "/typed-data",
    summary="Get what a requester signs",
    response_model=TypedDataView,
    responses=answers(*KEYED, "unknown-model", "invalid-task", *ON_CHAIN),
)
def get_typed_data(
    gateway: TheGateway, caller: Reader, asked: Annotated[TypedQuery, Query()]
) -> dict[str, Any]:
    """Return EIP-712 typed data for `eth_signTypedData_v4`; sign only what you can check."""
    served = gateway.model(asked.model)
    if asked.iterations > served.max_iterations:
        raise InvalidTask("iterations", f"'{served.name}' takes {served.max_iterations} at most")
    request = Asked(
        ProgramRoot(served.program_root),
        Wei(asked.fee_wei),
        Seconds(asked.deadline),
        asked.nonce,
        asked.iterations,
    )
    contracts = gateway.contracts
    root = bytes.fromhex(asked.input_root[2:])
    return typed_request(
        contracts.chain.chain_id,
        contracts.market.address,
        request,
        root,
        is_carried=gateway.settings.are_inputs_carried,
    )


def _view(task_id: TaskId, is_repeat: bool) -> AcceptedView:
    return AcceptedView(id=hex_of(task_id), href=show.href(task_id), is_repeat=is_repeat)


def _one(found: Accepted) -> Response:
    view = _view(found.task_ids[0], found.is_repeat)
    return Response(view.model_dump_json(), 202, {"Location": view.href}, JSON)


# Bodies are read by hand, so what describes them has to be named apart.
SCHEMAS = (TaskGiven, BatchGiven, SignedGiven, Terms)
