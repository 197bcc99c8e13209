"""A dispute as it narrows, with both clocks and where the money went."""

from __future__ import annotations

import math
from collections.abc import Iterator

from markupsafe import Markup

from infernet.chain.wallet import in_ether

from ..pages import DisputePage
from ..records import DisputeLine, Move, Purse, Side, Verdict
from .svg import WIDTH, box, drawing, shape, tag, text

_ROW, _TOP, _BAR = 92, 34, 20
_NARROWEST = 54.0
_END = 64


def narrowing(page: DisputePage) -> Markup:
    """Return the interval in doubt, move by move: its width is logarithmic in its steps.

    Each bar is one dissection, cut as it was; the part that the opponent named widens into the
    next bar.
    """
    rows = list(page.moves)
    # Only a proof has a beam that leads to it.
    end = _TOP + _ROW * len(rows) - (0 if page.instruction else _ROW - _BAR - 22)
    parts: list[Markup] = []
    for number, move in enumerate(rows):
        following = rows[number + 1] if number + 1 < len(rows) else None
        named = _named(page, following)
        parts += _row(page, number, move, named)
    parts += _end(page, end)
    return drawing(
        "narrowing",
        end + _END,
        f"How {page.steps:,} steps narrowed down",
        narrowing_text(page),
        parts,
        "narrowing",
    )


def doubt(line: DisputeLine) -> Markup:
    """Return the steps in doubt of a dispute in a list, logarithmic; words beside it say them."""
    share = math.log(line.length + 1) / math.log(line.steps + 1) if line.steps else 1.0
    kind = "fill final" if line.verdict.is_over else "fill doubt"
    parts = box(0, 0, 60, 6, "track", r=3), box(0, 0, 60 * share, 6, kind, r=3)
    return tag("svg", *parts, viewBox="0 0 60 6", class_="doubt-bar", aria_hidden="true")


def narrowing_text(page: DisputePage) -> str:
    """Return what the picture shows, in words."""
    if not page.moves:
        return "Nobody has cut the run yet."
    moves = "; ".join(
        f"the {move.by.value} cuts {move.length:,} steps from step {move.start:,} on into "
        f"{move.parts} parts"
        for move in page.moves
    )
    end = ""
    if page.instruction:
        end = f"; then the contract executes step {page.instruction.step:,}"
    elif page.by_timeout:
        end = "; then a clock runs out"
    return f"{moves[0].upper()}{moves[1:]}{end}. Now: {page.verdict.value}."


def clocks(page: DisputePage) -> Markup:
    """Return both clocks as bars of what is left."""
    pairs = (
        (Side.EXECUTOR, page.executor_clock, Verdict.EXECUTOR_TURN),
        (Side.CHALLENGER, page.challenger_clock, Verdict.CHALLENGER_TURN),
    )
    parts: list[Markup] = []
    for number, (side, left, turn) in enumerate(pairs):
        y = 20 + 44 * number
        mark = " · to move" if page.verdict is turn else ""
        parts.append(text(0, y, f"{side.value}{mark}", f"label {side.value}"))
        parts.append(text(WIDTH, y, f"{in_time(left)} left", "label muted", "end"))
        parts.append(box(0, y + 7, WIDTH, 10, "track", r=5))
        share = left / page.clock_seconds if page.clock_seconds else 0.0
        running = " running" if page.verdict is turn else ""
        parts.append(box(0, y + 7, WIDTH * min(share, 1.0), 10, f"fill {side.value}{running}", r=5))
    words = (
        f"The executor has {in_time(page.executor_clock)} of {in_time(page.clock_seconds)} left, "
        f"the challenger {in_time(page.challenger_clock)}."
    )
    return drawing("clocks", 84, "Clocks", words, parts, "clocks")


def small_clocks(page: DisputePage, move: Move) -> Markup:
    """Return both clocks after a move as two thin bars; the table says the numbers."""
    pairs = ((Side.EXECUTOR, move.executor_clock), (Side.CHALLENGER, move.challenger_clock))
    parts = []
    for number, (side, left) in enumerate(pairs):
        share = min(left / page.clock_seconds, 1.0) if page.clock_seconds else 0.0
        parts.append(box(0, 1 + 8 * number, 80, 5, "track"))
        parts.append(box(0, 1 + 8 * number, 80 * share, 5, f"fill {side.value}"))
    return tag("svg", *parts, viewBox="0 0 80 15", class_="small-clocks", aria_hidden="true")


def money(page: DisputePage) -> Markup:
    """Return stake and bond as bars of equal length, coloured by where the parts went."""
    parts: list[Markup] = []
    for number, purse in enumerate(page.purses):
        y = 20 + 62 * number
        label = f"{purse.side.value}’s {purse.what}"
        parts.append(text(0, y, label, f"label {purse.side.value}"))
        parts.append(text(WIDTH, y, in_ether(purse.total_wei), "label muted", "end"))
        parts += _segments(purse, y + 8)
        parts.append(text(0, y + 36, where_money_is(purse), "note"))
    words = " ".join(
        f"The {p.side.value}’s {p.what} of {in_ether(p.total_wei)}: {where_money_is(p)}."
        for p in page.purses
    )
    return drawing("money", 126, "What is at stake", words, parts, "money")


def where_money_is(purse: Purse) -> str:
    """Return the parts of a stake or bond in words."""
    winner = "challenger" if purse.side is Side.EXECUTOR else "executor"
    parts = (
        (purse.locked_wei, "locked"),
        (purse.burned_wei, "burned"),
        (purse.paid_wei, f"to the {winner}"),
        (purse.returned_wei, "back"),
    )
    return ", ".join(f"{in_ether(amount)} {what}" for amount, what in parts if amount) or "nothing"


def in_time(seconds: int) -> str:
    """Return a duration in its two largest units."""
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    found = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            found.append(f"{count} {name}")
    return " ".join(found[:2]) or "0 s"


def _segments(purse: Purse, y: float) -> Iterator[Markup]:
    kinds = ("locked", "burned", "paid", "returned")
    amounts = (purse.locked_wei, purse.burned_wei, purse.paid_wei, purse.returned_wei)
    x = 0.0
    for kind, amount in zip(kinds, amounts, strict=True):
        width = WIDTH * amount / purse.total_wei if purse.total_wei else 0.0
        if width:
            hint = f"{kind}: {in_ether(amount)}"
            yield box(x, y, width, 12, f"coin {kind} {purse.side.value}", hint)
        x += width


def _width(page: DisputePage, length: int) -> float:
    """Return the width of a bar: logarithmic in its steps."""
    share = math.log(max(length, 1)) / math.log(page.steps) if page.steps > 1 else 1.0
    return _NARROWEST + (WIDTH - _NARROWEST) * share


def _named(page: DisputePage, following: Move | None) -> tuple[int, int] | None:
    """Return start and length of the part that the opponent named, None while nobody has."""
    if following:
        return following.start, following.length
    return (page.instruction.step, 1) if page.instruction else None


def _row(
    page: DisputePage, number: int, move: Move, named: tuple[int, int] | None
) -> Iterator[Markup]:
    y = _TOP + _ROW * number
    width = _width(page, move.length)
    left = (WIDTH - width) / 2
    if named:
        first = left + width * (named[0] - move.start) / move.length
        last = left + width * (named[0] + named[1] - move.start) / move.length
        below = _width(page, named[1]) if named[1] > 1 else 8.0
        middle, bottom = WIDTH / 2, y + _ROW
        edges = (first, y + _BAR), (last, y + _BAR)
        beam = (*edges, (middle + below / 2, bottom), (middle - below / 2, bottom))
        yield shape(beam, f"beam {_other(move.by)}")
    yield text(0, y - 9, f"{number + 1}  {move.by.value}", f"label {move.by.value}")
    span = f"{move.length:,} steps from {move.start:,}"
    yield text(WIDTH, y - 9, span, "label muted", "end")
    gap = 1.0 if width / move.parts > 3 else 0.4
    for part in range(move.parts):
        start = move.start + move.length * part // move.parts
        stop = move.start + move.length * (part + 1) // move.parts
        is_named = named is not None and start == named[0]
        kind = f"cell {_other(move.by)} named" if is_named else f"cell {move.by.value}"
        x = left + width * part / move.parts
        hint = f"steps {start:,} to {stop:,}"
        yield box(x, y, width / move.parts - gap, _BAR, kind, hint, r=1.5)


def _end(page: DisputePage, y: float) -> Iterator[Markup]:
    """Yield the point at which it ended, or where it stands."""
    middle = WIDTH / 2
    if page.instruction:
        side = page.instruction.prover.value
        points = ((middle, y), (middle + 12, y + 12), (middle, y + 24), (middle - 12, y + 12))
        yield shape(points, f"point {side}")
        words = f"step {page.instruction.step:,}, executed by the contract"
        yield text(middle, y + 42, words, "label strong", "middle")
    elif page.verdict.is_over:
        words = "a clock ran out" if page.by_timeout else page.verdict.value
        yield text(middle, y + 18, words, "label strong", "middle")
    else:
        yield tag("circle", cx=middle, cy=y + 8, r=6, class_=f"waiting {_mover(page)}")
        yield text(middle, y + 36, page.verdict.value, "label strong", "middle")


def _mover(page: DisputePage) -> str:
    return "executor" if page.verdict is Verdict.EXECUTOR_TURN else "challenger"


def _other(side: Side) -> str:
    return "challenger" if side is Side.EXECUTOR else "executor"
