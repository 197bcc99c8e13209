"""Miners and fishermen, from the scoreboard to pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from infernet.chain.logs import Event
from infernet.monitor.scoreboard import Player
from infernet.monitor.scores import FishermanRecord, MinerRecord

from .board import Board
from .pages import FishermenPage, MinersPage
from .records import Deeds, FishermanLine, Head, MinerLine

T = TypeVar("T")

_PER_PAGE = 25
_SPANS, _SPAN_EVENTS = 48, 400


def miners_page(board: Board, head: Head, skipped: int) -> MinersPage:
    """Return a part of the miners' ranking."""
    shown, following = _part(board.scoreboard.look().ranked_miners(), skipped)
    return MinersPage(head, tuple(map(miner_line, shown)), skipped, following)


def fishermen_page(board: Board, head: Head, skipped: int) -> FishermenPage:
    """Return a part of the fishermen's ranking."""
    shown, following = _part(board.scoreboard.look().ranked_fishermen(), skipped)
    return FishermenPage(head, tuple(map(fisherman_line, shown)), skipped, following)


def miner_line(player: Player[MinerRecord]) -> MinerLine:
    """Return a miner in one line."""
    record = player.record
    return MinerLine(
        player.address,
        round(player.score, 4),
        player.balance.total,
        record.results,
        record.final,
        record.slashed,
        record.expired,
        record.disputes_won,
        record.disputes_lost,
        record.latency(0.5),
        record.latency(0.95),
        record.fees_wei,
        record.lost_wei,
    )


def fisherman_line(player: Player[FishermanRecord]) -> FishermanLine:
    """Return a fisherman in one line."""
    record = player.record
    return FishermanLine(
        player.address,
        round(player.score, 4),
        player.balance.total,
        record.challenges,
        record.won,
        record.lost,
        record.rewards_wei,
        record.bonds_lost_wei,
    )


def deeds_of(board: Board, head: Head, player: Player[MinerRecord]) -> Deeds:
    """Return what became of a miner's latest claims, and how long its results took."""
    market = board.contracts.market
    found = [
        market.latest_events(name, _SPAN_EVENTS, executor=player.address)
        for name in ("Finalised", "Slashed", "ClaimExpired")
    ]
    first, (final, slashed, expired) = counted(found, head.block)
    latencies = tuple(sorted(player.record.latencies.items()))
    return Deeds(first, head.block, final, slashed, expired, latencies)


def counted(
    kinds: Sequence[Sequence[Event]], last_block: int
) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """Return the first block with an event, and the events of each kind in spans from it on.

    Events behind `last_block`, which the index may have by now, are left to the next page.
    """
    kinds = [[each for each in events if each.block_number <= last_block] for events in kinds]
    first = min((each.block_number for events in kinds for each in events), default=0)
    length = last_block - first + 1
    counts = []
    for events in kinds:
        spans = [0] * _SPANS
        for event in events:
            spans[(event.block_number - first) * _SPANS // length] += 1
        counts.append(tuple(spans))
    return first, tuple(counts)


def _part(ranked: Sequence[T], skipped: int) -> tuple[Sequence[T], int | None]:
    """Return the ranks behind so many, and how many are before the next part, if there is one."""
    end = skipped + _PER_PAGE
    return ranked[skipped:end], end if end < len(ranked) else None
