"""The plots of docs/spec/economics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from .closed import (
    deterring_coverage,
    honest_gain,
    share_for,
    value_protected,
    watching_gain,
)
from .delay import ways
from .derive import Assumptions
from .play import Executor, Eye, Fisherman, Mind, play
from .svg import Axis, Line, chart
from .sybils import MOST_SYBILS, foreign_truth, own_lie, own_truth
from .terms import ETHER, HOUR_SECONDS
from .trials import SHARE
from .worlds import dear_world, image_world, with_gain

FOLDER = Path("docs/images")
_TASKS, _SEED = 1_500, 7
_DOTS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def logarithmic(low: float, high: float, count: int = 60) -> list[float]:
    """Return values in equal ratios."""
    return [float(value) for value in np.geomspace(low, high, count)]


def breaking_coverage(gain: float, hedged: bool) -> float:
    """Return the coverage at which a simulated lie earns what the truth does, by interpolation."""
    world = with_gain(dear_world(), gain)
    mind, points = Mind.HEDGING if hedged else Mind.LYING, []
    for covered in (0.02, *_DOTS, 0.95):
        crowd = [Fisherman(Eye.CHECKING, share_for(covered, 4))] * 4
        outcome = play(world, Executor(mind), crowd, _TASKS, _SEED)
        points.append((covered, float(outcome.each.mean()) - honest_gain(world)))
    for (low, more), (high, less) in pairwise(points):
        if more >= 0 > less:
            return low + (high - low) * more / (more - less)
    raise ValueError(f"no coverage from 0.02 to 0.95 makes a gain of {gain} stakes a loss")


def deterrence() -> str:
    """Draw the coverage that deters a gain, with the simulated one as dots."""
    lines = []
    for hedged, name in ((False, "whole stake lost"), (True, "liar challenges itself")):
        gains = logarithmic(0.01, 100)
        points = [(g, deterring_coverage(with_gain(dear_world(), g), hedged)) for g in gains]
        lines.append(Line(name, points))
        dots = [(g, breaking_coverage(g, hedged)) for g in (0.1, 0.3, 1.0, 3.0)]
        lines.append(Line(f"{name}, simulated", dots, dots=True))
    x = Axis("gain from one lie, in stakes", 0.01, 100, is_log=True)
    return chart("Which coverage deters a lie", x, Axis("share of results checked", 0, 1), lines)


def watching() -> str:
    """Draw what a watcher earns by the share of lies."""
    world, lies = image_world(), logarithmic(1e-10, 1e-2)
    lines = [
        Line(
            f"watchers that check {SHARE:.0%}: {watchers}",
            [
                (share, earned / world.run_wei)
                for share in lies
                if (earned := watching_gain(world, share, SHARE, watchers, hedged=False)) > 0
            ],
        )
        for watchers in (1, 4, 16)
    ]
    x = Axis("share of results that are lies", 1e-10, 1e-2, is_log=True)
    y = Axis("earned for each result, in runs", 1e-4, 1e8, is_log=True)
    return chart("When checking pays (ResNet50, 20 gwei)", x, y, lines)


def both_sides() -> str:
    """Draw what one owner of many accounts loses."""
    world = image_world()
    cases: tuple[tuple[str, Callable[[int], float]], ...] = (
        ("own lie, challenged by own accounts", lambda n: own_lie(world, n).owner_wei),
        ("own truth, challenged by own accounts", lambda n: own_truth(world, n).owner_wei),
        ("an honest executor that is challenged", lambda n: foreign_truth(world, n).honest_wei),
    )
    lines = [
        Line(name, [(n, loss(n) / ETHER) for n in range(1, MOST_SYBILS + 1)])
        for name, loss in cases
    ]
    x = Axis("accounts", 0, 80)
    return chart("What playing both sides costs", x, Axis("ETH lost", 1e-3, 1e3, True), lines)


def stakes() -> str:
    """Draw the stake that a value needs, by coverage."""
    lines = []
    for covered in (0.01, 0.1, 0.5, 0.9):
        stake = logarithmic(0.01, 10_000)
        points = [(value_protected(int(s * ETHER), covered) / ETHER, s) for s in stake]
        lines.append(Line(f"{covered:.0%} of results checked", points))
    floor = image_world().stake_wei / ETHER
    lines.append(Line("floor of ResNet50", [(0.01, floor), (10_000, floor)]))
    x = Axis("value of one lie to its maker, ETH", 0.01, 10_000, is_log=True)
    return chart(
        "How stakes must grow with value", x, Axis("stake, ETH", 0.01, 10_000, True), lines
    )


def delays() -> str:
    """Draw what each way to hold a task up costs, at its length."""
    found = ways(image_world(), Assumptions().yearly_rate, 150_528)
    lines = [
        Line(way.name, [(way.seconds / HOUR_SECONDS, way.attacker_wei / ETHER)], dots=True)
        for way in found
    ]
    y = Axis("ETH that the attacker loses", 0.01, 1_000, is_log=True)
    return chart("What delay costs", Axis("hours of delay", 0, 10), y, lines)


def figures() -> Iterator[tuple[str, str]]:
    """Yield the name of each file and what belongs into it."""
    for draw in (deterrence, watching, both_sides, stakes, delays):
        yield f"economics-{draw.__name__.replace('_', '-')}.svg", draw()
