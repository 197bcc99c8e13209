"""A third meaning of a word: lanes at byte positions, whose products are polynomials.

A word is `sum(term[p] · 256**p) mod 2**256`. Each lane knows a bound of its term; whatever takes a
word apart first checks that no lane reaches into the next, so that no carry can cross.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import z3

from .algebra import Algebra, Term

WORD_BYTES = 32


class Carry(Exception):
    """A lane may reach into the next, so that the word does not fall apart into its lanes."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A term from 0 to `bound`."""

    term: Term
    bound: int

    @property
    def bytes(self) -> int:
        """Return how many bytes the largest value has."""
        return -(-self.bound.bit_length() // 8)


@dataclass(frozen=True, slots=True)
class Word:
    """Lanes by byte position from the low end."""

    lanes: dict[int, Lane]

    def parts(self) -> dict[int, Lane]:
        """Return the lanes; raise Carry unless each ends before the next begins."""
        ordered = sorted(self.lanes.items())
        ends = [at + lane.bytes for at, lane in ordered]
        starts = [at for at, _ in ordered[1:]] + [WORD_BYTES]
        if any(end > start for end, start in zip(ends, starts, strict=True)):
            raise Carry(f"lanes end at {ends} and begin at {starts}")
        return self.lanes


class Lanes(Algebra):
    """Words of lanes beside known integers; `flip` gives the term of a byte xor 0x80."""

    def __init__(self, flip: Callable[[Term], Term]) -> None:
        super().__init__()
        self._flip = flip

    def number(self, value: int) -> Term:
        return value

    def select(self, condition: Term, one: Term, other: Term) -> Term:
        condition = z3.simplify(condition) if z3.is_expr(condition) else z3.BoolVal(condition)
        if z3.is_true(condition):
            return one
        if z3.is_false(condition):
            return other
        raise NotImplementedError("a choice between words")

    def binary(self, operator: str, x: Term, y: Term, signed: bool) -> Term:
        """Return `x operator y`; the operators are Solidity's."""
        if isinstance(x, int) and isinstance(y, int):
            return _KNOWN[operator](x, y)
        match operator:
            case "+":
                return _added(_word(x), _word(y))
            case "*":
                return _multiplied(_word(x), _word(y))
            case "|":
                return _joined(_word(x), _word(y))
            case "&" if isinstance(y, int):
                return _masked(x, y)
            case "^" if isinstance(y, int):
                return self._xor(x, y)
            case ">>" if isinstance(y, int) and y % 8 == 0:
                return Word(_moved(x.parts(), -y // 8))
            case "<<" if isinstance(y, int) and y % 8 == 0:
                return Word(_moved(x.lanes, y // 8))
        raise NotImplementedError(f"{operator} of lanes")

    def invert(self, x: Term) -> Term:
        return ((1 << 256) - 1) ^ x

    def convert(self, x: Term, bits: int, signed: bool) -> Term:
        raise NotImplementedError("a conversion of lanes")

    def _xor(self, x: Word, pattern: int) -> Word:
        flips = pattern.to_bytes(WORD_BYTES, "little")
        if any(byte not in (0, 0x80) for byte in flips):
            raise NotImplementedError("xor with anything but signs")
        lanes = {}
        for at, lane in x.parts().items():
            if lane.bytes > 1:
                raise Carry("a lane of more than a byte has no sign bit")
            lanes[at] = Lane(self._flip(lane.term), 0xFF) if flips[at] else lane
        if any(flip and at not in lanes for at, flip in enumerate(flips)):
            raise NotImplementedError("the sign of a byte that no lane has")
        return Word(lanes)


_KNOWN: dict[str, Callable[[int, int], Any]] = {
    "+": lambda x, y: (x + y) % (1 << 256),
    "*": lambda x, y: x * y % (1 << 256),
    "<": lambda x, y: x < y,
    "!=": lambda x, y: x != y,
    "<<": lambda x, y: (x << y) % (1 << 256),
    ">>": lambda x, y: x >> y,
    "&": lambda x, y: x & y,
    "|": lambda x, y: x | y,
    "^": lambda x, y: x ^ y,
}


def scalar(x: Term) -> Term:
    """Return the value of a word that has nothing but a lowest lane."""
    if isinstance(x, int):
        return x
    if set(x.parts()) != {0}:
        raise Carry("more than the lowest lane")
    return x.lanes[0].term


def _word(x: Term) -> Word:
    if isinstance(x, Word):
        return x
    content = x.to_bytes(WORD_BYTES, "little")
    return Word({at: Lane(byte, byte) for at, byte in enumerate(content) if byte})


def _added(x: Word, y: Word) -> Word:
    lanes = dict(x.lanes)
    for at, lane in y.lanes.items():
        old = lanes.get(at, Lane(0, 0))
        lanes[at] = Lane(old.term + lane.term, old.bound + lane.bound)
    return Word(lanes)


def _multiplied(x: Word, y: Word) -> Word:
    """Return the product; what lies at 2**256 and above is gone."""
    found: dict[int, Lane] = {}
    for at, one in x.lanes.items():
        for beside, other in y.lanes.items():
            if at + beside < WORD_BYTES:
                old = found.get(at + beside, Lane(0, 0))
                bound = old.bound + one.bound * other.bound
                found[at + beside] = Lane(old.term + one.term * other.term, bound)
    return Word(found)


def _joined(x: Word, y: Word) -> Word:
    if x.parts().keys() & y.parts().keys():
        raise Carry("or of two lanes at one place")
    return Word(Word({**x.lanes, **y.lanes}).parts())


def _masked(x: Word, mask: int) -> Word:
    content = mask.to_bytes(WORD_BYTES, "little")
    kept = {}
    for at, lane in x.parts().items():
        under = content[at : at + lane.bytes]
        if under == b"\xff" * lane.bytes:
            kept[at] = lane
        elif any(under):
            raise Carry("a mask that cuts a lane")
    return Word(kept)


def _moved(lanes: dict[int, Lane], places: int) -> dict[int, Lane]:
    """Return lanes moved up; those that leave the word on either side are gone."""
    inside = {}
    for at, lane in lanes.items():
        if 0 <= at + places < WORD_BYTES:
            inside[at + places] = lane
        elif -lane.bytes < at + places < 0:
            raise Carry("a lane that leaves the word in part")
    return inside
