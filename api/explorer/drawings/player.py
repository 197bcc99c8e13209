"""What became of a miner's claims, how long its results took, and a score as a bar."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from infernet.chain.records import Seconds

from ..records import Deeds, MinerLine
from .dispute import in_time
from .svg import WIDTH, box, drawing, tag, text

_HEIGHT, _AXIS, _TALLEST = 110.0, 92.0, 66.0
_BARS = 40
_FRESH = 0.5


def meter(score: float) -> Markup:
    """Return a score as a bar; the number stands beside it."""
    kind = "fill final" if score >= _FRESH else "fill doubt"
    parts = box(0, 0, 60, 6, "track"), box(0, 0, 60 * score, 6, kind)
    return tag("svg", *parts, viewBox="0 0 60 6", class_="doubt-bar", aria_hidden="true")


def deeds(found: Deeds) -> Markup:
    """Return final and slashed results and expired claims over equal spans of blocks."""
    kinds = (("final", found.final), ("slashed", found.slashed), ("expired", found.expired))
    most = max(map(sum, zip(*(counts for _, counts in kinds), strict=True))) or 1
    width = WIDTH / len(found.final)
    parts = [tag("line", x1=0, x2=WIDTH, y1=_AXIS, y2=_AXIS, class_="axis")]
    for number in range(len(found.final)):
        y = _AXIS - 1
        for name, counts in kinds:
            if count := counts[number]:
                high = (_AXIS - 4) * count / most
                y -= high
                parts.append(box(number * width, y, width - 1.5, high, name, f"{count} {name}"))
    parts.append(text(0, _HEIGHT - 3, f"block {found.first_block:,}", "note"))
    parts.append(text(WIDTH, _HEIGHT - 3, f"{found.last_block:,}", "note", "end"))
    told = ", ".join(f"{sum(counts)} {name}" for name, counts in kinds)
    words = f"From block {found.first_block:,} to {found.last_block:,}: {told}."
    return drawing("deeds", _HEIGHT, "Claims by block", words, parts, "pulse")


def latencies(found: Sequence[tuple[Seconds, int]], miner: MinerLine) -> Markup:
    """Return how many results took how long, from claim to assertion."""
    assert miner.latency_median is not None and miner.latency_p95 is not None
    longest = found[-1][0]
    # Each bar is as many whole seconds wide as the others.
    span = longest // _BARS + 1
    count = longest // span + 1
    bars = [0] * count
    for seconds, results in found:
        bars[seconds // span] += results
    width, most = WIDTH / count, max(bars)
    parts = [tag("line", x1=0, x2=WIDTH, y1=_AXIS, y2=_AXIS, class_="axis")]
    for number, results in enumerate(bars):
        if results:
            high = _TALLEST * results / most
            hint = f"{results} within {in_time(Seconds((number + 1) * span))}"
            parts.append(
                box(number * width, _AXIS - 1 - high, max(width - 1.5, 1), high, "took", hint)
            )
    for y, seconds, name in (
        (11, miner.latency_median, "half within"),
        (24, miner.latency_p95, "95 % within"),
    ):
        x = min((seconds // span + 1) * width, WIDTH)
        anchor = "start" if x < WIDTH / 2 else "end"
        parts.append(tag("line", x1=x, x2=x, y1=y + 3, y2=_AXIS, class_="share"))
        parts.append(text(x, y, f"{name} {in_time(seconds)}", "note", anchor))
    parts.append(text(0, _HEIGHT - 3, "0 s", "note"))
    parts.append(text(WIDTH, _HEIGHT - 3, in_time(Seconds(count * span)), "note", "end"))
    words = (
        f"Half of the results came within {in_time(miner.latency_median)} of their claim, "
        f"95 % within {in_time(miner.latency_p95)}, all within {in_time(longest)}."
    )
    return drawing("latencies", _HEIGHT, "Seconds from claim to result", words, parts, "pulse")
