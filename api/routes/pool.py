"""/v1/pool: miners come here by themselves, and ask what there is to do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from infernet.chain.abi import checksummed
from infernet.chain.records import Address, ProgramRoot

from ..problems import answers
from ..schemas.pool import (
    ChallengeGiven,
    ChallengeView,
    JoinedView,
    MemberView,
    MinerGiven,
    PoolView,
    WorkTaskView,
    WorkView,
)
from ..schemas.values import hex_of
from ..service.desk import Joined, PoolDesk
from ..service.joining import Challenge
from ..service.pool import Offer, Place
from . import show
from .intake import JSON, body_as
from .seam import MEMBER, ON_CHAIN, OPEN, Anyone, TheGateway, TheMember, json_body

router = APIRouter(prefix="/v1/pool", tags=["pool"])

_BODY = ("malformed-body", "unsupported-type", "stopping")
_LONGEST_WAIT_SECONDS = 30.0


@router.get(
    "", summary="See who mines for this gateway", dependencies=[Anyone], responses=answers(*OPEN)
)
async def get_pool(gateway: TheGateway) -> PoolView:
    """Return the members, who joined first before the others."""
    desk = gateway.pool
    names = gateway.model_names()
    return PoolView(
        gateway=desk.challenges.gateway,
        head_start_seconds=desk.settings.head_start_seconds,
        absent_seconds=desk.settings.absent_seconds,
        members=[_member(each, names) for each in desk.places()],
    )


@router.post(
    "/challenges",
    status_code=201,
    summary="Get what a miner signs to join",
    dependencies=[Anyone],
    response_model=ChallengeView,
    responses=answers(*OPEN, *_BODY),
    openapi_extra=json_body(ChallengeGiven),
)
async def post_challenge(request: Request, gateway: TheGateway) -> Response:
    """Return EIP-712 typed data, good for a minute and once."""
    given = await body_as(ChallengeGiven, request)
    desk, address = gateway.pool, Address(checksummed(given.address))
    found = desk.challenges.new(address)
    view = ChallengeView(
        gateway=desk.challenges.gateway,
        nonce=hex_of(found.nonce),
        expires_at=found.expires_at,
        typed_data=desk.challenges.typed(address, found),
    )
    return Response(view.model_dump_json(), 201, media_type=JSON)


@router.post(
    "/miners",
    status_code=201,
    summary="Join the pool",
    dependencies=[Anyone],
    response_model=JoinedView,
    responses=answers(
        *OPEN,
        *_BODY,
        "deposit-too-small",
        "bad-challenge",
        "unknown-model",
        "no-room",
        *ON_CHAIN,
    ),
    openapi_extra=json_body(MinerGiven),
)
async def post_miner(request: Request, gateway: TheGateway) -> Response:
    """Take a miner in whose signature is good and whose deposit covers a task.

    An account has one session: joining again ends the one before.
    """
    given = await body_as(MinerGiven, request)
    joined = await run_in_threadpool(
        gateway.pool.join,
        Address(checksummed(given.address)),
        frozenset(ProgramRoot(bytes.fromhex(each[2:])) for each in given.models),
        Challenge(bytes.fromhex(given.nonce[2:]), given.expires_at),
        bytes.fromhex(given.signature[2:]),
    )
    return Response(_joined(joined, gateway.pool).model_dump_json(), 201, media_type=JSON)


@router.get(
    "/work",
    summary="Wait for tasks to claim",
    responses=answers(*MEMBER, "stopping"),
)
async def get_work(
    request: Request,
    gateway: TheGateway,
    member: TheMember,
    room: Annotated[
        int, Query(ge=0, le=256, description="Tasks that the miner could take now")
    ] = 1,
    after: Annotated[
        str | None, Query(pattern="^[0-9a-f]{16}$", description="Cursor of the last answer")
    ] = None,
    wait_seconds: Annotated[float, Query(ge=0, le=_LONGEST_WAIT_SECONDS)] = 25.0,
) -> WorkView:
    """Answer once there is something else than in the last answer, or the time is over.

    A miner without room asks too, with `room=0`: whoever does not ask has left.
    """
    found = await gateway.pool.work(member, room, after, wait_seconds, request.is_disconnected)
    tasks = [_task(offer, left) for offer, left in found.offers]
    return WorkView(tasks=tasks, cursor=found.cursor)


@router.delete("/miners/me", status_code=204, summary="Leave the pool", responses=answers(*MEMBER))
async def delete_miner(gateway: TheGateway, member: TheMember) -> None:
    """End the session. What was claimed on chain stays the miner's to finish."""
    gateway.pool.leave(member)


def _joined(found: Joined, desk: PoolDesk) -> JoinedView:
    return JoinedView(
        id=found.member.id,
        address=found.member.address,
        token=found.token,
        session_seconds=desk.settings.session_seconds,
        models=list(found.models),
        deposit_wei=str(found.member.deposit_wei),
        free_wei=str(found.free_wei),
        needed_wei=str(found.needed_wei),
        head_start_seconds=desk.settings.head_start_seconds,
        absent_seconds=desk.settings.absent_seconds,
    )


def _member(place: Place, names: dict[bytes, str]) -> MemberView:
    return MemberView(
        id=place.member.id,
        address=place.member.address,
        models=sorted(names[root] for root in place.member.models),
        score=place.score,
        deposit_wei=str(place.member.deposit_wei),
        room=place.room,
        offered=place.offered,
        lapses=place.lapses,
        joined_seconds=place.joined_seconds,
    )


def _task(offer: Offer, seconds_left: float) -> WorkTaskView:
    order = offer.order
    return WorkTaskView(
        id=hex_of(order.id),
        program_root=hex_of(order.program_root),
        input_root=hex_of(order.input_root),
        requester=order.requester,
        nonce=str(order.nonce),
        iterations=order.iterations,
        fee_wei=str(order.fee_wei),
        deadline=order.deadline,
        input=f"{show.href(order.id)}/input",
        yours_for_seconds=seconds_left,
    )


# Bodies are read by hand, so what describes them has to be named apart.
SCHEMAS = (ChallengeGiven, MinerGiven)
