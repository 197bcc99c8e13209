"""The part of PromQL that the shipped alert rules use, over samples that were really scraped.

expr     := and ('or' and)*
and      := compared ('and' compared)*
compared := sum (('<' | '>' | '==') sum)?
sum      := product (('+' | '-') product)*
product  := unit (('*' | '/') unit)*
unit     := number | '(' expr ')' | 'sum' 'by' '(' names ')' '(' expr ')' | 'time' '(' ')'
          | ('increase' | 'delta') '(' selector '[' duration ']' ')' | selector
selector := name ('{' label ('=' | '!=' | '=~') text, ... '}')?

Vectors match when all their labels but the name are equal, as Prometheus does it without `on`.
Ranges hold both their bounds, as in Prometheus 2.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Value = float | Vector
Series = tuple[str, Labels]

_TOKEN = re.compile(
    r"\s*(?:(\d+(?:\.\d+)?(?:e\d+)?)(?![a-z\d])|(\d+[smhd])|([A-Za-z_:]\w*)|(\"[^\"]*\")"
    r"|(==|=~|!=|[-+*/<>=(){}\[\],]))"
)
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b if b else float("nan"),
}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass
class History:
    """Scrapes, oldest first: seconds and the value of each series at that time."""

    scrapes: list[tuple[float, dict[Series, float]]] = field(default_factory=list)

    def until(self, time: float) -> History:
        """Return what was known at a time."""
        return History([scrape for scrape in self.scrapes if scrape[0] <= time])


def seconds(duration: str) -> int:
    """Return a duration such as 5m in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def evaluate(expression: str, history: History) -> Value:
    """Return what an expression says at the last scrape of a history."""
    parser = _Parser(expression, history)
    value = parser.expression()
    if parser.next:
        raise ValueError(f"{expression!r}: {parser.next!r} is not understood")
    return value


def names_in(expression: str) -> set[str]:
    """Return the metrics that an expression reads; it need not be of the grammar above."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(?:by|on|ignoring|without)\s*\([^)]*\)', "", expression)
    return set(re.findall(r"\b(?:infernet|process|po8_miner)_\w+|\bup\b", bare))


class _Parser:
    def __init__(self, text: str, history: History) -> None:
        self.tokens, at = [], 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if not found:
                raise ValueError(f"{text!r}: {text[at:]!r} is not understood")
            self.tokens.append(next(group for group in found.groups() if group))
            at = found.end()
        self.history = history
        self.now, self.latest = history.scrapes[-1]

    @property
    def next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, wanted: str | None = None) -> str:
        if not self.tokens or wanted not in (None, self.tokens[0]):
            raise ValueError(f"{wanted} is missing before {self.tokens}")
        return self.tokens.pop(0)

    def expression(self) -> Value:
        left = self.both()
        while self.next == "or":
            self.take()
            right = self.both()
            left = {**_vector(right), **_vector(left)}
        return left

    def both(self) -> Value:
        left = self.compared()
        while self.next == "and":
            self.take()
            right = _vector(self.compared())
            left = {labels: v for labels, v in _vector(left).items() if labels in right}
        return left

    def compared(self) -> Value:
        left = self.sum()
        if self.next not in _COMPARISONS:
            return left
        compare = _COMPARISONS[self.take()]
        pairs = _paired(_vector(left), self.sum())
        return {labels: a for labels, (a, b) in pairs.items() if compare(a, b)}

    def sum(self) -> Value:
        return self.chain(self.product, "+-")

    def product(self) -> Value:
        return self.chain(self.unit, "*/")

    def chain(self, part: Callable[[], Value], operators: str) -> Value:
        left = part()
        while self.next and self.next in operators:
            left = _combined(_ARITHMETIC[self.take()], left, part())
        return left

    def unit(self) -> Value:
        token = self.take()
        if token[0].isdigit():
            return float(token)
        if token == "(":
            value = self.expression()
            self.take(")")
            return value
        if token == "time":
            self.take("(")
            self.take(")")
            return self.now
        if token == "sum":
            return self.summed()
        if token in ("increase", "delta"):
            return self.grown(token == "increase")
        found = _matching(token, self.matchers(), self.latest)
        return {labels: value for (_, labels), value in found.items()}

    def summed(self) -> Vector:
        self.take("by")
        self.take("(")
        names = []
        while self.next != ")":
            names.append(self.take())
            if self.next == ",":
                self.take()
        self.take(")")
        self.take("(")
        found: Vector = {}
        for labels, value in _vector(self.expression()).items():
            key = frozenset(pair for pair in labels if pair[0] in names)
            found[key] = found.get(key, 0.0) + value
        self.take(")")
        return found

    def grown(self, is_counter: bool) -> Vector:
        self.take("(")
        name = self.take()
        matchers = self.matchers()
        self.take("[")
        span = seconds(self.take())
        self.take("]")
        self.take(")")
        points: dict[Labels, list[tuple[float, float]]] = {}
        for time, samples in self.history.scrapes:
            if time >= self.now - span:
                for (_, labels), value in _matching(name, matchers, samples).items():
                    points.setdefault(labels, []).append((time, value))
        return {
            labels: _grown(found, self.now - span, self.now, is_counter)
            for labels, found in points.items()
            if len(found) > 1
        }

    def matchers(self) -> list[Callable[[Mapping[str, str]], bool]]:
        found: list[Callable[[Mapping[str, str]], bool]] = []
        if self.next != "{":
            return found
        self.take()
        while self.next != "}":
            label, sign, text = self.take(), self.take(), self.take()[1:-1]
            found.append(_matcher(label, sign, text))
            if self.next == ",":
                self.take()
        self.take("}")
        return found


def _matcher(label: str, sign: str, text: str) -> Callable[[Mapping[str, str]], bool]:
    if sign == "=~":
        return lambda labels: bool(re.fullmatch(text, labels.get(label, "")))
    if sign == "!=":
        return lambda labels: labels.get(label, "") != text
    if sign == "=":
        return lambda labels: labels.get(label, "") == text
    raise ValueError(f"{sign!r} does not compare labels")


def _matching(
    name: str,
    matchers: list[Callable[[Mapping[str, str]], bool]],
    samples: Mapping[Series, float],
) -> dict[Series, float]:
    return {
        (found, labels): value
        for (found, labels), value in samples.items()
        if found == name and all(matcher(dict(labels)) for matcher in matchers)
    }


def _grown(points: list[tuple[float, float]], start: float, end: float, is_counter: bool) -> float:
    """Return the growth in a range as Prometheus extrapolates it to the range's bounds.

    A counter starts again from zero after a restart, and was never below zero.
    """
    values = [value for _, value in points]
    grown = values[-1] - values[0]
    if is_counter:
        grown = sum(b - a if b >= a else b for a, b in pairwise(values))
    first, last = points[0][0], points[-1][0]
    sampled = last - first
    usual = sampled / (len(points) - 1)
    before, after = first - start, end - last
    if is_counter and grown > 0:
        before = min(before, sampled * values[0] / grown)
    whole = sampled + sum(gap if gap < 1.1 * usual else usual / 2 for gap in (before, after))
    return grown * whole / sampled


def _vector(value: Value) -> Vector:
    if isinstance(value, float):
        raise ValueError("a number stands where a vector must")
    return value


def _paired(left: Vector, right: Value) -> dict[Labels, tuple[float, float]]:
    if isinstance(right, float):
        return {labels: (value, right) for labels, value in left.items()}
    return {labels: (v, right[labels]) for labels, v in left.items() if labels in right}


def _combined(work: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, float):
        if isinstance(right, float):
            return work(left, right)
        return {labels: work(left, value) for labels, value in right.items()}
    return {labels: work(a, b) for labels, (a, b) in _paired(left, right).items()}
