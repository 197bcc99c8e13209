"""Where a dispute is cut: `DissectionLib` and bisection/dissection.py."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import z3

from bisection.dissection import Dissection, part_count, worst_dissections

from .algebra import Integers, Term, Words
from .solidity import Contract, Node
from .symbols import paths, plain
from .theorem import Goal, Mutant, Theorem, obligations

SOURCE = "libraries/DissectionLib.sol"
MOST_STEPS = 1 << 63
MOST_PARTS = 256


def _cut(start: Any, length: Any, parts: Any, position: Any) -> Any:
    dissection = SimpleNamespace(start=start, length=length, parts=parts)
    return Dissection.cut(dissection, position)


def _segments(tree: Node) -> Iterator[Goal]:
    start, length, index, parts = z3.Ints("start length index parts")
    given = [start >= 0, length >= 1, start + length < MOST_STEPS]
    given += [parts >= 1, parts <= MOST_PARTS, parts <= length, index >= 0, index < parts]
    algebra = Integers()
    contract = Contract(tree, algebra)
    first, size = contract.call("segmentRange", start, length, parts, index)
    last = first + size
    yield obligations(algebra, given)
    following, _ = contract.call("segmentRange", start, length, parts, index + 1)
    given += algebra.axioms
    yield Goal(
        "the first begins where the range does", given, z3.Implies(index == 0, first == start)
    )
    ends = z3.Implies(index == parts - 1, last == start + length)
    yield Goal("the last ends where the range does", given, ends)
    yield Goal("each ends where the next begins", given, last == following)
    yield Goal("each lies in the range", given, z3.And(first >= start, last <= start + length))
    yield Goal("none is empty", given, size >= 1)
    yield Goal(
        "each is shorter than the range, if cut", given, z3.Implies(parts >= 2, size < length)
    )
    yield Goal("none is longer than ceil(length / parts)", given, (size - 1) * parts < length)
    for position, about in ((index, "begin"), (index + 1, "end")):
        for here, found in paths(_cut, given, start, length, parts, position):
            wanted = first if about == "begin" else last
            yield Goal(f"bisection, Dissection.cut: the {about}", here, plain(found) == wanted)


def _parts(tree: Node) -> Iterator[Goal]:
    length, arity = z3.Ints("length arity")
    given = [length >= 1, length < MOST_STEPS, arity >= 2, arity <= MOST_PARTS]
    algebra = Integers()
    found = Contract(tree, algebra).call("partsOf", length, arity)
    yield obligations(algebra, given)
    yield Goal("1 <= parts <= length", given, z3.And(found >= 1, found <= length, found <= arity))
    yield Goal("two or more, unless it is one step", given, z3.Implies(length > 1, found >= 2))
    for here, twin in paths(part_count, given, length, arity):
        yield Goal("bisection, part_count", here, plain(twin) == found)


def _depth(tree: Node) -> Iterator[Goal]:
    low = z3.BitVec("parts", 16)
    parts = z3.ZeroExt(240, low)
    given = [z3.ULE(1, low), z3.ULE(low, MOST_PARTS)]
    algebra = Words()
    depth = Contract(tree, algebra, unroll=8).call("depthOf", parts)
    yield obligations(algebra, given)
    one = z3.BitVecVal(1, 256)
    yield Goal("every index fits", given, z3.ULE(parts, one << depth))
    least = z3.Implies(depth != 0, z3.ULT(one << (depth - 1), parts))
    yield Goal("none smaller would do", given, least)


def _rounds(tree: Node) -> Iterator[Goal]:
    length, longer, arity, count, power = z3.Ints("length longer arity count power")
    given = [length > 1, length <= longer, longer < MOST_STEPS, arity >= 2, arity <= MOST_PARTS]
    given += [count >= 0, count < 64]
    algebra = Integers()
    contract = Contract(tree, algebra)

    def shortened(steps: Term) -> tuple[Term, Term, Term]:
        goes_on, after = contract.iterate(
            "dissectionsOf", 0, {"length": steps, "arity": arity, "count": count}
        )
        return goes_on, after["length"], after["count"]

    goes_on, rest, counted = shortened(length)
    _, longest, _ = shortened(longer)
    yield obligations(algebra, given)
    given += algebra.axioms
    yield Goal("it goes on above one step", given, goes_on)
    yield Goal("a turn counts one", given, counted == count + 1)
    # A segment has at most ceil(length / parts) steps, parts = min(arity, length) ("segments").
    segment = z3.Int("segment")
    cut = [
        *given,
        segment >= 1,
        z3.If(arity <= length, (segment - 1) * arity < length, segment == 1),
    ]
    yield Goal("no segment is longer than what a turn leaves", cut, segment <= rest)
    yield Goal("nor than what a turn leaves of more steps", cut, segment <= longest)
    halves = z3.Implies(length <= 2 * power, rest <= power)
    yield Goal("a turn halves at least, so there are at most 63", [*given, power >= 1], halves)
    one_less = z3.And(rest >= 1, rest < length)
    yield Goal("a turn leaves at least one step, and fewer", given, one_less)
    yield from _few_rounds(tree)


def _few_rounds(tree: Node) -> Iterator[Goal]:
    length, arity = z3.Ints("length arity")
    given = [length >= 1, length <= 16, arity >= 2, arity <= MOST_PARTS]
    algebra = Integers()
    count = Contract(tree, algebra, unroll=4).call("dissectionsOf", length, arity)
    yield obligations(algebra, [*given, *algebra.axioms])
    for here, twin in paths(worst_dissections, [*given, *algebra.axioms], length, arity):
        yield Goal("bisection, worst_dissections", here, plain(twin) == count)


THEOREMS = (
    Theorem(
        "segments",
        "the segments of a dissection cover its range without gap or overlap, none is empty, "
        "each is shorter than the range if it is cut and at most ceil(length / parts); the cuts"
        " are Dissection.cut's",
        "start + length < 2^63, 1 <= parts <= min(256, length)",
        SOURCE,
        _segments,
        (
            Mutant(
                "uint256 high = (length * (index + 1)) / parts;",
                "uint256 high = (length * index) / parts + 1;",
            ),
            Mutant("return (start + low, high - low);", "return (start + low, high - low + 1);"),
        ),
    ),
    Theorem(
        "parts",
        "partsOf(length, arity) = part_count: from 1 to length, and at least 2 unless it is one"
        " step",
        "1 <= length < 2^63, 2 <= arity <= 256",
        SOURCE,
        _parts,
        (
            Mutant(
                "return length < arity ? length : arity;", "return length > arity ? length : arity;"
            ),
        ),
    ),
    Theorem(
        "depth",
        "depthOf(parts) is the least d with 2^d >= parts",
        "1 <= parts <= 256",
        SOURCE,
        _depth,
        (
            Mutant(
                "while ((1 << depth) < parts) ++depth;", "while ((1 << depth) <= parts) ++depth;"
            ),
        ),
    ),
    Theorem(
        "rounds",
        "a turn of dissectionsOf leaves at least as many steps as any segment has, and at most "
        "half: it bounds the dissections of a game, by 63",
        "1 < length < 2^63, 2 <= arity <= 256; equal to worst_dissections up to 16 steps",
        SOURCE,
        _rounds,
        (Mutant("length = (length + arity - 1) / arity;", "length = length / arity;"),),
    ),
)
