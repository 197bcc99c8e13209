"""GET /v1/tasks and below: what reveals."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from infernet.chain.abi import checksummed
from infernet.chain.records import Address, TaskId

from ..problems import answers
from ..schemas.given import StateName
from ..schemas.values import ADDRESS_PATTERN
from ..schemas.views import TasksView, TaskView
from ..service.pool import Member
from ..store.records import TaskState
from ..store.tasks import Filters
from . import show
from .seam import KEYED, ON_CHAIN, STORED, IdBytes, Reader, ReaderOrMember, TheGateway, manifests

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

CURSOR = r"^[1-9][0-9]{0,17}$"
Cursor = Annotated[str | None, Query(pattern=CURSOR, description="From the page before")]
Limit = Annotated[int, Query(ge=1, le=200, description="Of one page")]
AddressGiven = Annotated[str | None, Query(pattern=ADDRESS_PATTERN)]
_READ = (*KEYED, "unknown-task", *STORED, *ON_CHAIN)


@router.get(
    "",
    summary="List tasks, the newest first",
    response_model=TasksView,
    responses=answers(*KEYED, *STORED, *ON_CHAIN),
)
def get_tasks(
    gateway: TheGateway,
    caller: Reader,
    cursor: Cursor = None,
    limit: Limit = 50,
    state: StateName | None = None,
    model: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    requester: AddressGiven = None,
    executor: AddressGiven = None,
    mine: Annotated[bool, Query(description="Only what this key asked for")] = False,
) -> TasksView:
    """Return the tasks of this market, also those that others put on chain."""
    filters = Filters(
        caller.account.id if mine else None,
        None if state is None else TaskState(state),
        model,
        None if requester is None else Address(checksummed(requester)),
        None if executor is None else Address(checksummed(executor)),
    )
    page = gateway.tasks(filters, None if cursor is None else int(cursor), limit)
    known = manifests(gateway)
    tasks = [show.task(row, known.get(row.order.program_root)) for row in page.tasks]
    return TasksView(tasks=tasks, cursor=None if page.cursor is None else str(page.cursor))


@router.get("/{id}", summary="Get a task", response_model=TaskView, responses=answers(*_READ))
def get_task(gateway: TheGateway, caller: Reader, id_: IdBytes) -> TaskView:
    """Return a task; `finality` says how sure its output is."""
    row = gateway.task(TaskId(id_))
    order = row.order
    said = gateway.spoken(order.id, order.program_root, order.iterations, row.standing.output)
    return show.task(row, manifests(gateway).get(order.program_root), said)


@router.get(
    "/{id}/receipt",
    summary="Get a receipt that can be checked offline",
    response_class=Response,
    responses={
        200: {
            "description": "The receipt of the last result, docs/spec/receipt.md",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **answers(*_READ, "unknown-matter", "no-result"),
    },
)
def get_receipt(gateway: TheGateway, caller: Reader, id_: IdBytes) -> Response:
    """Return what `infernet task verify` checks. Its `finality` tells pending from final."""
    text = gateway.receipt(TaskId(id_)).to_json()
    return Response(text, media_type="application/json")


@router.get(
    "/{id}/input",
    summary="Get a task's input bytes",
    response_class=Response,
    responses={
        200: {
            "description": "The bytes that the input root is of",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        },
        **answers(*_READ, "not-a-member", "not-offered"),
    },
)
def get_input(gateway: TheGateway, caller: ReaderOrMember, id_: IdBytes) -> Response:
    """Return the program's input, as it was committed to.

    A miner of the pool reads those of tasks that it may claim, or has claimed.
    """
    if isinstance(caller, Member):
        gateway.pool.require_readable(caller, gateway.task(TaskId(id_)))
    return Response(gateway.input(TaskId(id_)), media_type="application/octet-stream")
