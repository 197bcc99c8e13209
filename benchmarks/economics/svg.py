"""Line charts as SVG, readable on light and dark pages: a pure function of their points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 20, 40, 54
_LEGEND_STEP = 18
_TICKS = 5
_LIGHT = ("#0b6bcb", "#c2410c", "#15803d", "#9333ea", "#a16207", "#be123c")
_DARK = ("#7cc0ff", "#ffa46b", "#6ee7a0", "#d4b0ff", "#f2d16b", "#ff9db5")


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points, or dots alone."""

    name: str
    points: Sequence[tuple[float, float]]
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis with its label and scale; `low` and `high` are its ends."""

    label: str
    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, 0 to 1."""
        low, high, value = (self._scaled(each) for each in (self.low, self.high, value))
        return (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Return the values to mark: powers of ten, or a few round numbers."""
        if self.is_log:
            powers = range(ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9) + 1)
            return [10.0**power for power in powers]
        step = (self.high - self.low) / _TICKS
        return [self.low + step * number for number in range(_TICKS + 1)]

    def holds(self, value: float) -> bool:
        """Say whether a value lies on the axis."""
        return self.low <= value <= self.high

    def _scaled(self, value: float) -> float:
        return log10(value) if self.is_log else value


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """Return the chart; points beyond the axes are left out."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        _style(len(lines)),
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        _text(title, _LEFT, 22, "title"),
        *_grid(x, y),
    ]
    for number, line in enumerate(lines):
        parts += _drawn(line, x, y, number)
        parts += _legend(line, number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _style(count: int) -> str:
    def rules(colours: Sequence[str], page: str, ink: str, grid: str) -> str:
        lines = "".join(
            f".l{i}{{stroke:{colours[i % len(colours)]}}}.d{i}{{fill:{colours[i % len(colours)]}}}"
            for i in range(count)
        )
        return f".page{{fill:{page}}}text{{fill:{ink}}}.grid{{stroke:{grid}}}{lines}"

    light, dark = (
        rules(_LIGHT, "#ffffff", "#1f2933", "#d9dee5"),
        rules(_DARK, "#12181f", "#e6ebf1", "#38424e"),
    )
    shared = (
        "text{font:12px system-ui,sans-serif}.title{font-size:14px;font-weight:600}"
        ".line{fill:none;stroke-width:2}.grid{stroke-width:1}"
    )
    return f"<style>{shared}{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"


def _grid(x: Axis, y: Axis) -> list[str]:
    bottom, parts = HEIGHT - _BOTTOM, []
    for value in x.ticks():
        at = _across(x, value)
        parts.append(f'<path class="grid" d="M{at:.1f} {_TOP}V{bottom}"/>')
        parts.append(_text(_number(value), at, bottom + 18, anchor="middle"))
    for value in y.ticks():
        at = _up(y, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(_text(_number(value), _LEFT - 8, at + 4, anchor="end"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(_text(x.label, middle, HEIGHT - 12, anchor="middle"))
    turned = f'transform="rotate(-90 16 {(_TOP + bottom) / 2:.0f})"'
    parts.append(_text(y.label, 16, (_TOP + bottom) / 2, anchor="middle", more=turned))
    return parts


def _drawn(line: Line, x: Axis, y: Axis, number: int) -> list[str]:
    places = [
        (_across(x, across), _up(y, up))
        for across, up in line.points
        if x.holds(across) and y.holds(up)
    ]
    if line.dots:
        return [f'<circle class="d{number}" cx="{a:.1f}" cy="{u:.1f}" r="4"/>' for a, u in places]
    path = "L".join(f"{a:.1f} {u:.1f}" for a, u in places)
    return [f'<path class="line l{number}" d="M{path}"/>'] if places else []


def _legend(line: Line, number: int) -> list[str]:
    left, up = _LEFT + 12, _TOP + 16 + _LEGEND_STEP * number
    mark = (
        f'<circle class="d{number}" cx="{left + 9}" cy="{up - 4}" r="4"/>'
        if line.dots
        else f'<path class="line l{number}" d="M{left} {up - 4}h18"/>'
    )
    return [mark, _text(line.name, left + 24, up)]


def _text(
    words: str, across: float, up: float, kind: str = "", anchor: str = "start", more: str = ""
) -> str:
    attributes = f' class="{kind}"' if kind else ""
    attributes += f' text-anchor="{anchor}"' if anchor != "start" else ""
    attributes += f" {more}" if more else ""
    return f'<text x="{across:.1f}" y="{up:.1f}"{attributes}>{escape(words)}</text>'


def _across(x: Axis, value: float) -> float:
    return _LEFT + x.place(value) * (WIDTH - _LEFT - _RIGHT)


def _up(y: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - y.place(value) * (HEIGHT - _TOP - _BOTTOM)


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1_000 <= value < 1_000_000 else f"{value:.3g}"
