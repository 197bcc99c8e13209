"""Scaling of elements: `MapProver._add`, `RowProver._scale` and `_scalingOf`, and their twins."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import z3

from interpreter.operators.elementwise import MAX_DENOMINATOR, MAX_NUMERATOR, Add
from interpreter.operators.scale import MAX_DIVISOR

from .algebra import Integers, Term, Words
from .solidity import Contract, Node
from .symbols import paths, plain
from .theorem import Goal, Mutant, Theorem, obligations

INT64 = 1 << 63


def _add_twin(x: Any, y: Any, *fields: Any) -> Any:
    operator = SimpleNamespace(dst=0, dst_dtype=0, a=0, b=0, a_dtype=0, b_dtype=0)
    operator.padded_fields = lambda: (1, *fields)
    return Add.decode(operator)._one(x, y)


def _add(tree: Node) -> Iterator[Goal]:
    x, y, *fields = z3.Ints("x y p1 p2 q x_zero y_zero zero low high")
    p1, p2, q, *small, low, high = fields
    given = [p >= 0 for p in (p1, p2)] + [p <= MAX_NUMERATOR for p in (p1, p2)]
    given += [q >= 1, q <= MAX_DENOMINATOR, q % 2 == 1, low <= high]
    given += [z3.And(one >= -128, one <= 255) for one in (x, y, low, high, *small)]
    clamped: list[Term] = []

    def clamp(*arguments: Term) -> int:
        clamped.extend(arguments)
        return 0

    intrinsics = {
        "field": lambda index: fields[index - 1],
        "aType": lambda: 0,
        "bType": lambda: 0,
        "_element": lambda word, index, signed: (x, y)[word],
        "_clamp": clamp,
    }
    algebra = Integers()
    Contract(tree, algebra, intrinsics, {"ELEMENTS": 1}).call("_add", 0, 0, 1)
    value, least, most = clamped
    yield obligations(algebra, given)
    given += algebra.axioms
    found = z3.If(value < least, least, z3.If(value > most, most, value))
    for here, twin in paths(_add_twin, given, x, y, *fields):
        yield Goal("interpreter/operators/elementwise.py, Add", here, plain(twin) == found)


def _truncations(tree: Node) -> Iterator[Goal]:
    x, bias, multiplier, factor, divisor = z3.Ints("x bias multiplier factor divisor")
    narrow = 1 << 31
    given = [z3.And(one >= -INT64, one < INT64) for one in (x, factor)]
    given += [z3.And(-narrow <= one, one < narrow) for one in (bias, multiplier)]
    axioms: list[Term] = []

    def wrap(value: Term) -> Term:
        turns, rest = z3.Ints(f"turns{len(axioms)} wrapped{len(axioms)}")
        axioms.append(z3.And(value == turns * 2 * INT64 + rest, rest >= -INT64, rest < INT64))
        return rest

    for is_after in (False, True):
        numerators: list[Term] = []

        def divide(n: Term, d: Term, numerators: list[Term] = numerators) -> Term:
            numerators.append(n)
            return z3.Int("quotient")

        intrinsics = {
            "load": lambda *_: x,
            "wrap": wrap,
            "divideRounded": divide,
            "put": lambda *_: 0,
            "clamp": lambda *_: 0,
        }
        members = {"params": 0, "bias": bias, "multiplier": multiplier, "factor": factor}
        members |= {"divisor": divisor, "zero": 0, "low": 0, "high": 0, "aType": 0, "dstType": 0}
        members["isAfter"] = z3.BoolVal(is_after)
        algebra = Integers()
        contract = Contract(tree, algebra, intrinsics, unroll=1)
        arguments = {f"c.{name}": value for name, value in members.items()}
        contract.run("_scale", 0, 0, 0, 1, **arguments)
        before = 0 if is_after else bias
        wanted = wrap(wrap(wrap(x + before) * multiplier) * factor)
        about = "after" if is_after else "before"
        held = z3.And(numerators[0] == wanted)
        quotient = [z3.Int("quotient") >= -INT64, z3.Int("quotient") < INT64]
        yield obligations(algebra, [*given, *quotient])
        yield Goal(f"bias {about}: one truncation is as good as three", [*given, *axioms], held)


def _divisor(tree: Node) -> Iterator[Goal]:
    narrow, places = z3.BitVec("b", 64), z3.BitVec("shift", 8)
    given_b, shift = z3.SignExt(192, narrow), z3.ZeroExt(248, places)
    algebra = Words()
    number = algebra.number
    numbers = {2: number(2), 3: shift}
    nothing = number(0)
    intrinsics = {
        "number": lambda index: numbers.get(z3.simplify(index).as_long(), nothing),
        "field": lambda index: number(-1) if z3.simplify(index).as_long() == 5 else nothing,
        "readOne": lambda *_: given_b,
        "readConstant": lambda *_: nothing,
        **{name: (lambda *_: nothing) for name in ("aType", "bType", "dstType", "b")},
    }
    members = {f"s.{name}": nothing for name in ("row", "column", "from", "to")}
    members["c.params"] = nothing
    frame = Contract(tree, algebra, intrinsics).run("_scalingOf", 0, 0, 0, **members)
    divisor = frame.values["c.divisor"]
    given = [z3.ULE(places, 62)]
    most = number(MAX_DIVISOR)
    at_least_1 = z3.If(given_b < 1, number(1), given_b)
    # interpreter/operators/scale.py, Scale.whole: clamped first, so that i64 holds the shifted one.
    first = z3.LShR(most, shift)
    whole = z3.If(at_least_1 > first, first, at_least_1) << shift
    yield Goal("from 1 to 2^62", given, z3.And(divisor >= 1, divisor <= most))
    yield Goal(
        "max(1, b) · 2^shift, if that is at most 2^62",
        given,
        z3.And(
            z3.Implies(at_least_1 <= first, divisor == at_least_1 << shift),
            z3.Implies(at_least_1 > first, divisor == most),
        ),
    )
    yield Goal("clamping before the shift gives the same", given, divisor == whole)


THEOREMS = (
    Theorem(
        "add",
        "an element of ADD is interpreter's, floor((2·total + Q) / 2Q) + ZC clamped, and "
        "nothing wraps",
        "operands and zeros from -128 to 255, P1 and P2 up to 2^20, odd Q up to 1023",
        "prover/MapProver.sol",
        _add,
        (
            Mutant("numerator < 0 && numerator % (2 * q) != 0", "numerator % (2 * q) != 0"),
            Mutant("int256 numerator = 2 * total + q;", "int256 numerator = 2 * total + q + 1;"),
        ),
    ),
    Theorem(
        "truncation",
        "the one truncation of _scale gives the numerator that truncating after every operation"
        " gives",
        "every i64 element and factor, every i32 bias and multiplier",
        "prover/RowProver.sol",
        _truncations,
        (
            Mutant(
                "x = ElementLib.wrap(x * multiplier * c.factor);", "x = x * multiplier * c.factor;"
            ),
            Mutant("if (!c.isAfter) x += bias;", "if (c.isAfter) x += bias;"),
        ),
    ),
    Theorem(
        "divisor",
        "DIVIDE divides by min(max(1, b) · 2^shift, 2^62), also where the whole tensor clamps "
        "first",
        "every i64 b, shifts from 0 to 62",
        "prover/RowProver.sol",
        _divisor,
        (
            Mutant("if (c.divisor > MAX_DIVISOR) c.divisor = MAX_DIVISOR;", ""),
            Mutant(
                "c.divisor = (b < 1 ? int256(1) : b) << shift;",
                "c.divisor = (b < 0 ? int256(1) : b) << shift;",
            ),
        ),
    ),
)
