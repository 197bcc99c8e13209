"""The first page, from the chain: what goes on now, and sums over all."""

from __future__ import annotations

from .board import Board
from .disputes import dispute_line
from .pages import OverviewPage
from .players import counted, fisherman_line, miner_line
from .records import Head, Pulse, Totals
from .tasks import task_line

_RECENT, _BEST = 8, 5
_PULSE_EVENTS = 400


def overview_page(board: Board, head: Head) -> OverviewPage:
    """Return what goes on now."""
    market, games = board.contracts.market, board.contracts.games
    tasks = market.latest_events("Requested", _RECENT)
    live = games.open_events("ChallengeCommitted")[-_RECENT:]
    latest = games.latest_events("ChallengeCommitted", _RECENT)
    shown = list({bytes(each["gameId"]): each for each in (*reversed(live), *latest)}.values())
    players = board.scoreboard.look()
    return OverviewPage(
        head,
        _totals(board),
        _pulse(board, head),
        tuple(task_line(board, event) for event in tasks),
        tuple(dispute_line(board, event) for event in shown[:_RECENT]),
        tuple(map(miner_line, players.ranked_miners()[:_BEST])),
        tuple(map(fisherman_line, players.ranked_fishermen()[:_BEST])),
    )


def _totals(board: Board) -> Totals:
    contracts = board.contracts
    market, games, vault = contracts.market, contracts.games, contracts.vault
    requested, final = (market.count_events(name) for name in ("Requested", "Finalised"))
    committed = games.count_events("ChallengeCommitted")
    return Totals(
        requested,
        final,
        market.count_events("Slashed"),
        requested - final - market.count_events("FeeReclaimed"),
        committed,
        committed - games.count_events("GameSettled"),
        contracts.registry.count_events("ModelRegistered"),
        vault.burned(),
        contracts.chain.balance(vault.address),
    )


def _pulse(board: Board, head: Head) -> Pulse:
    """Return the latest events, counted in equal spans of blocks."""
    market = board.contracts.market
    names = ("Requested", "Finalised", "Slashed")
    first, counts = counted([market.latest_events(n, _PULSE_EVENTS) for n in names], head.block)
    return Pulse(first, head.block, *counts)
