"""Miners and fishermen: what the chain says of their past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Query

from infernet.audit.errors import UnknownMatter
from infernet.chain.abi import checksummed
from infernet.chain.records import Address
from infernet.monitor.scoreboard import Player, Rank
from infernet.monitor.scores import FishermanRecord, MinerRecord

from ..problems import answers
from ..schemas.players import FishermanView, FishermenView, MinersView, MinerView
from ..schemas.values import ADDRESS_PATTERN
from .seam import KEYED, ON_CHAIN, Reader, TheGateway
from .tasks import Cursor, Limit

router = APIRouter(prefix="/v1", tags=["players"])

T = TypeVar("T")

_LISTED = answers(*KEYED, *ON_CHAIN)
_ONE = answers(*KEYED, *ON_CHAIN, "unknown-matter")


async def _address(
    address: Annotated[str, Path(pattern=ADDRESS_PATTERN, description="Of the account")],
) -> Address:
    return Address(checksummed(address))


Named = Annotated[Address, Depends(_address)]
Sort = Annotated[Rank, Query(description="By score, or by the deposit in the vault")]


@router.get("/miners", summary="List miners, the best first", responses=_LISTED)
def get_miners(
    gateway: TheGateway,
    caller: Reader,
    sort: Sort = Rank.SCORE,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> MinersView:
    """Return who ever claimed a task. Ranks move with the chain, also between two pages."""
    now = gateway.scoreboard.look()
    shown, following = _page(now.ranked_miners(sort), cursor, limit)
    miners = [_miner(each) for each in shown]
    return MinersView(block=now.block, miners=miners, cursor=following)


@router.get("/miners/{address}", summary="Get a miner", responses=_ONE)
def get_miner(gateway: TheGateway, caller: Reader, address: Named) -> MinerView:
    """Return what a miner did so far."""
    found = gateway.scoreboard.look().miner(address)
    if found is None:
        raise UnknownMatter(f"{address} never claimed a task here; check the address")
    return _miner(found)


@router.get("/fishermen", summary="List fishermen, the best first", responses=_LISTED)
def get_fishermen(
    gateway: TheGateway,
    caller: Reader,
    sort: Sort = Rank.SCORE,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> FishermenView:
    """Return who ever challenged a result. Ranks move with the chain, also between two pages."""
    now = gateway.scoreboard.look()
    shown, following = _page(now.ranked_fishermen(sort), cursor, limit)
    fishermen = [_fisherman(each) for each in shown]
    return FishermenView(block=now.block, fishermen=fishermen, cursor=following)


@router.get("/fishermen/{address}", summary="Get a fisherman", responses=_ONE)
def get_fisherman(gateway: TheGateway, caller: Reader, address: Named) -> FishermanView:
    """Return what a fisherman did so far."""
    found = gateway.scoreboard.look().fisherman(address)
    if found is None:
        raise UnknownMatter(f"{address} never challenged a result here; check the address")
    return _fisherman(found)


def _page(ranked: Sequence[T], cursor: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """Return a part of a ranking, and how many ranks it and those before it are."""
    start = 0 if cursor is None else int(cursor)
    end = start + limit
    return ranked[start:end], str(end) if end < len(ranked) else None


def _miner(found: Player[MinerRecord]) -> MinerView:
    record = found.record
    return MinerView(
        address=found.address,
        href=f"/v1/miners/{found.address}",
        score=found.score,
        deposit_wei=str(found.balance.total),
        free_wei=str(found.balance.free),
        claims=record.claims,
        results=record.results,
        final=record.final,
        slashed=record.slashed,
        expired=record.expired,
        disputes_won=record.disputes_won,
        disputes_lost=record.disputes_lost,
        latency_median_seconds=record.latency(0.5),
        latency_p95_seconds=record.latency(0.95),
        fees_wei=str(record.fees_wei),
        lost_wei=str(record.lost_wei),
    )


def _fisherman(found: Player[FishermanRecord]) -> FishermanView:
    record = found.record
    return FishermanView(
        address=found.address,
        href=f"/v1/fishermen/{found.address}",
        score=found.score,
        deposit_wei=str(found.balance.total),
        free_wei=str(found.balance.free),
        challenges=record.challenges,
        won=record.won,
        lost=record.lost,
        rewards=record.rewards,
        rewards_wei=str(record.rewards_wei),
        bonds_lost_wei=str(record.bonds_lost_wei),
    )
