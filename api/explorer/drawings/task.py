"""The life of a task as a line with stations, and the scores of its answer as bars."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from markupsafe import Markup

from ...store.records import FREE, TaskState
from ..pages import TaskPage
from ..records import Answer, Score
from .svg import WIDTH, box, drawing, tag, text

_X = {
    TaskState.QUEUED: 34.0,
    TaskState.RUNNING: 144.0,
    TaskState.ASSERTED: 256.0,
    TaskState.FINAL: 368.0,
    TaskState.DISPUTED: 256.0,
    TaskState.SLASHED: 144.0,
}
_MAIN = (TaskState.QUEUED, TaskState.RUNNING, TaskState.ASSERTED, TaskState.FINAL)
_SIDE = (TaskState.DISPUTED, TaskState.SLASHED)
_UPPER, _LOWER = 20.0, 84.0
_RADIUS = 9.0
# Which way the present attempt has gone.
_WAY = {
    TaskState.QUEUED: _MAIN[:1],
    TaskState.RUNNING: _MAIN[:2],
    TaskState.ASSERTED: _MAIN[:3],
    TaskState.FINAL: _MAIN,
    TaskState.DISPUTED: (*_MAIN[:3], TaskState.DISPUTED),
    TaskState.SLASHED: (*_MAIN[:3], *_SIDE),
    TaskState.REFUNDED: _MAIN[:1],
    TaskState.FAILED: _MAIN[:1],
}


def life(page: TaskPage) -> Markup:
    """Return the stations of a task's life; where it was is filled, where it is has a ring."""
    is_free = page.state in FREE
    parts = [*_rails(page.state), *(_station(page, state) for state in (*_MAIN, *_SIDE))]
    if page.slashed:
        words = f"{page.slashed}× slashed"
        parts.append(text(_X[TaskState.QUEUED] - 30, _LOWER + 25, words, "note slashed"))
    if is_free:
        parts.append(text(_X[TaskState.QUEUED], _UPPER + 62, page.state.value, "label strong"))
    return drawing("life", 112, "Where the task stands", life_text(page), parts, "life")


def life_text(page: TaskPage) -> str:
    """Return what the picture shows, in words."""
    times = f", {page.slashed} false results were slashed before" if page.slashed else ""
    return f"The task is {page.state.value}{times}. Only a final result cannot be taken back."


def scores(answer: Answer) -> Markup:
    """Return the highest classes as bars."""
    parts: list[Markup] = []
    for number, score in enumerate(answer.scores):
        parts += _score(number, score)
    words = ", ".join(f"{score.label} {score.value:.3g}" for score in answer.scores)
    height = 30 * len(answer.scores)
    return drawing("scores", height, "Highest classes", words, parts, "scores")


def _score(number: int, score: Score) -> Iterator[Markup]:
    y = 30 * number
    best = " best" if number == 0 else ""
    yield box(0, y + 3, max(WIDTH * score.share, 3), 24, f"score{best}", r=5)
    yield text(10, y + 20, score.label[:40], f"label{best}")
    yield text(WIDTH - 6, y + 20, f"{score.value:.3g}", "label muted", "end")


def _rails(state: TaskState) -> Iterator[Markup]:
    way = _WAY[state]
    for first, second in pairwise(_MAIN):
        yield _rail(_X[first], _UPPER, _X[second], _UPPER, second in way)
    x = _X[TaskState.ASSERTED]
    yield _rail(x, _UPPER, x, _LOWER, TaskState.DISPUTED in way)
    yield _rail(x, _LOWER, _X[TaskState.SLASHED], _LOWER, TaskState.SLASHED in way)
    left = _X[TaskState.QUEUED]
    curve = f"M {_X[TaskState.SLASHED] - _RADIUS} {_LOWER} H {left + 34} Q {left} {_LOWER} {left}"
    yield tag("path", d=f"{curve} {_UPPER + _RADIUS}", class_="rail back")


def _rail(x1: float, y1: float, x2: float, y2: float, is_gone: bool) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="rail gone" if is_gone else "rail")


def _station(page: TaskPage, state: TaskState) -> Markup:
    x, y = _X[state], _LOWER if state in _SIDE else _UPPER
    here = "here" if page.state is state else "gone" if state in _WAY[page.state] else "ahead"
    ring = tag("circle", cx=x, cy=y, r=_RADIUS, class_=f"station {state.value} {here}")
    return ring + text(x, y + 25, state.value, f"label {here}", "middle")
