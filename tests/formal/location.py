"""What a step number means: `OneStepProof._contextOf`, `StepsLib`, `GridLib` and their twins."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from types import SimpleNamespace
from typing import Any

import z3

from interpreter.operators import INSTRUCTIONS
from interpreter.operators.base import MAX_DIMENSION, MAX_ELEMENTS
from interpreter.operators.grid import Grid
from interpreter.program import Opcode, Program
from interpreter.tensors import DType

from .algebra import Integers, Term
from .solidity import Contract, Node
from .symbols import paths, plain
from .theorem import Goal, Mutant, Theorem, obligations

OPERATORS = 3


def _locate(step: Any, per_iteration: Any, iterations: Any, *firsts: Any) -> Any:
    header = SimpleNamespace(steps_per_iteration=per_iteration)
    program = SimpleNamespace(header=header, _first_steps=list(firsts))
    return Program.locate(program, step, iterations)


def _location(tree: Node) -> Iterator[Goal]:
    step, per_iteration, iterations = z3.Ints("step per_iteration iterations")
    firsts = z3.Ints(" ".join(f"first{i}" for i in range(OPERATORS)))
    ends = [*firsts[1:], per_iteration]
    given = [firsts[0] == 0, *(one < end for one, end in zip(firsts, ends, strict=True))]
    iteration, local = z3.Ints("iteration local")
    given += [per_iteration < 1 << 63, iteration >= 0, iteration < iterations, iterations < 1 << 32]
    given += [step == iteration * per_iteration + local, local >= 0, local < per_iteration]
    given += [step < 1 << 63]
    divisions = {(step, per_iteration): (iteration, local)}
    arguments = (step, per_iteration, iterations, *firsts)
    for here, twin in paths(_locate, given, *arguments, divisions=divisions):
        for operator, (first, end) in enumerate(zip(firsts, ends, strict=True)):
            intrinsics = {
                "stepsPerIteration": lambda *_: per_iteration,
                "firstStep": lambda *_, first=first: first,
                "stepsOf": lambda *_, steps=end - first: steps,
                **{
                    name: lambda *_: 0
                    for name in (
                        "outputSlot",
                        "slotDepth",
                        "constantsRoot",
                        "constantsBytes",
                        "depthOf",
                    )
                },
            }
            algebra = Integers(divisions)
            contract = Contract(tree, algebra, intrinsics)
            parts = {f"p.{name}": 0 for name in ("operatorIndex", "memoryRoot", "accumulator")}
            frame = contract.run("_contextOf", 0, 0, iterations, step, 0, **parts)
            yield obligations(algebra, here)
            known = [*here, *algebra.axioms]
            if operator != twin.operator:
                yield Goal(
                    f"operator {operator} is refused where {twin.operator} is meant",
                    known,
                    frame.reverted,
                )
                continue
            yield Goal(f"operator {operator} is taken", known, z3.Not(frame.reverted))
            same = z3.And(
                frame.values["context.index"] == plain(twin.index),
                frame.values["context.iteration"] == plain(twin.iteration),
            )
            yield Goal(
                "index and iteration are interpreter/program.py, Program.locate's", known, same
            )
            last = frame.values["context.isLast"] == (plain(twin.iteration) == iterations - 1)
            yield Goal("the last iteration is known as such", known, last)


# By opcode: the fields that count steps; dtypes of source, second source, destination.
BYTE = (DType.U8,)
D = MAX_DIMENSION
COUNTING = {
    Opcode.CONV: (range(14 + 1), BYTE, BYTE, BYTE),
    Opcode.MAXPOOL: (range(14), BYTE, BYTE, BYTE),
    Opcode.MATMUL: (range(4), (DType.I8, DType.I16), (DType.I8, DType.I16), (DType.I32,)),
    Opcode.REDUCE: (range(2), (DType.I8, DType.I16, DType.I64), BYTE, (DType.I64,)),
    Opcode.COPY: (range(2, 6), BYTE, BYTE, (DType.U8, DType.I16, DType.I64)),
    Opcode.ADD: (range(1), BYTE, BYTE, BYTE),
    Opcode.SCALE: (range(2), BYTE, BYTE, BYTE),
    Opcode.ROOT: (range(1), BYTE, BYTE, BYTE),
    Opcode.LOOKUP: (range(2), BYTE, BYTE, BYTE),
}


def _steps(tree: Node) -> Iterator[Goal]:
    for opcode, (used, a_types, b_types, dst_types) in COUNTING.items():
        for a in a_types:
            for b in b_types:
                for dst in dst_types:
                    yield from _steps_of(tree, opcode, used, a, b, dst)


def _count_steps(opcode: Opcode, a: DType, b: DType, dst: DType, *fields: Any) -> Any:
    operator = SimpleNamespace(
        opcode=opcode,
        dst=0,
        a=1,
        b=2,
        a_dtype=a,
        b_dtype=b,
        dst_dtype=dst,
        padded_fields=lambda: fields,
    )
    return INSTRUCTIONS[opcode].decode(operator).steps


def _steps_of(
    tree: Node, opcode: Opcode, used: range, a: DType, b: DType, dst: DType
) -> Iterator[Goal]:
    fields = list(z3.Ints(" ".join(f"f{i}" for i in range(28))))
    given = [z3.And(fields[i] >= 1, fields[i] <= D) for i in used]
    algebra = Integers()
    types = {"aType": a, "bType": b, "dstType": dst}
    intrinsics = {name: (lambda *_, t=t: t.value) for name, t in types.items()}
    intrinsics |= {
        "opcode": lambda *_: opcode.value,
        "number": lambda i: fields[i],
        "field": lambda i: fields[i],
        "sizeOf": lambda code: DType(code).size,
    }
    codes = {f"DescriptorLib.{one.name}": one.value for one in Opcode}
    steps = Contract(tree, algebra, intrinsics, codes).call("stepsOf", 0)
    about = f"{opcode.name} {a.name} {b.name} {dst.name}".lower()
    largest = _interval(steps, {str(fields[i]): (1, D) for i in used}, algebra)
    yield Goal(
        f"{about}: nothing wraps", given, z3.BoolVal(0 <= min(largest) <= max(largest) < 1 << 255)
    )
    known = [*given, *algebra.axioms]
    arguments = (opcode, a, b, dst, *fields)
    for here, twin in paths(_count_steps, known, *arguments, divisions=algebra.divisions):
        yield Goal(f"{about}: the twin's steps", here, plain(twin) == steps)


def _interval(term: Term, bounds: dict[str, tuple[int, int]], algebra: Integers) -> tuple[int, int]:
    """Return bounds of a term of sums, products and quotients of numbers that are not negative."""
    if isinstance(term, int) or z3.is_int_value(term):
        value = term if isinstance(term, int) else term.as_long()
        return value, value
    if str(term) in bounds:
        return bounds[str(term)]
    for (n, d), (quotient, _) in algebra.divisions.items():
        if z3.eq(term, quotient):
            (low, high), (least, most) = (
                _interval(n, bounds, algebra),
                _interval(d, bounds, algebra),
            )
            return low // most, high // least
    parts = [_interval(part, bounds, algebra) for part in term.children() if not z3.is_bool(part)]
    if z3.is_add(term):
        return sum(low for low, _ in parts), sum(high for _, high in parts)
    if z3.is_sub(term):
        return parts[0][0] - sum(p[1] for p in parts[1:]), parts[0][1] - sum(
            p[0] for p in parts[1:]
        )
    if z3.is_mul(term) and all(low >= 0 for low, _ in parts):
        return prod(low for low, _ in parts), prod(high for _, high in parts)
    if z3.is_app_of(term, z3.Z3_OP_ITE):
        return min(low for low, _ in parts), max(high for _, high in parts)
    raise NotImplementedError(f"bounds of {term}")


def _span(tree: Node) -> Iterator[Goal]:
    rows, columns, blocks = z3.Ints("rows columns blocks")
    yield from _span_of(tree, z3.IntVal(1), columns)
    yield from _span_of(tree, rows, 32 * blocks)


def _span_of(tree: Node, rows: Term, columns: Term) -> Iterator[Goal]:
    index = z3.Int("index")
    count = rows * columns
    given = [rows >= 1, rows <= D, columns >= 1, columns <= D, count <= MAX_ELEMENTS]
    given += [index >= 0, index * 32 < count]
    algebra = Integers()
    frame = Contract(tree, algebra).run("_span", count, columns, index)
    yield obligations(algebra, given)
    given += algebra.axioms
    s = {name: frame.values[f"s.{name}"] for name in ("from", "to", "row", "column")}
    yield Goal("1 to 32 elements", given, z3.And(s["from"] < s["to"], s["to"] <= s["from"] + 32))
    yield Goal("of the tensor", given, z3.And(s["from"] >= 0, s["to"] <= count))
    yield Goal("in one row", given, s["column"] + s["to"] - s["from"] <= columns)
    yield Goal("where the row says", given, s["row"] * columns + s["column"] == s["from"])

    def twin(rows: Any, columns: Any, index: Any) -> Any:
        return Grid(0, DType.U8, rows, columns).span(index)

    for here, found in paths(twin, given, rows, columns, index):
        same = [
            plain(found.first) == s["from"],
            plain(found.last) == s["to"],
            plain(found.row) == s["row"],
            plain(found.column) == s["column"],
        ]
        yield Goal("interpreter/operators/grid.py, Grid.span", here, z3.And(*same))


THEOREMS = (
    Theorem(
        "location",
        "_contextOf takes a step for the operator, iteration and index that Program.locate "
        "gives, and refuses it for any other operator",
        "programs of three operators of any lengths, below 2^63 steps an iteration and in all, "
        "below 2^32 iterations",
        "OneStepProof.sol",
        _location,
        (
            Mutant("local - first >= StepsLib", "local - first > StepsLib"),
            Mutant(
                "context.iteration = step / perIteration;",
                "context.iteration = step % perIteration;",
            ),
        ),
    ),
    Theorem(
        "steps",
        "stepsOf(d) is what the operator's `steps` property says, and no intermediate result wraps",
        "every operator of more than one step but those that share a formula; every field that "
        "counts from 1 to 2^24 - 1; dtypes of every size that changes the formula",
        "libraries/StepsLib.sol",
        _steps,
        (
            Mutant("run = LEAF / (a > b ? a : b);", "run = LEAF / a;"),
            Mutant("+ LEAF - 2) / LEAF + 1", "+ LEAF - 1) / LEAF + 1"),
        ),
    ),
    Theorem(
        "span",
        "the span of a step on the map grid is Grid.span's, has 1 to 32 elements and stays in "
        "its row",
        "rows and columns from 1 to 2^24 - 1, at most 2^29 elements, one row or columns a "
        "multiple of 32",
        "libraries/GridLib.sol",
        _span,
        (
            Mutant("s.row = s.from / columns;", "s.row = s.from / count;"),
            Mutant("s.from + ELEMENTS < count ? s.from + ELEMENTS : count", "s.from + ELEMENTS"),
        ),
    ),
)
