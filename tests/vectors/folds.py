"""Vectors of MATMUL and REDUCE: sums that wrap or clamp, pairs that overflow, every tail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from interpreter.operators import MatMul, Reduce, ReduceKind, Walk
from interpreter.tensors import DType

from .sheet import Array, Case, Sheet, array

U8, I8, I16, I32, I64 = DType
NONE = DType.U8
NARROW = (U8, I8, I16)


def values(rng: np.random.Generator, dtype: DType, count: int, pattern: str) -> Array:
    """Return elements: any, only the least, only the most, or both ends mixed."""
    low, high = dtype.minimum, dtype.maximum
    if pattern == "least":
        return np.full(count, low, dtype.numpy)
    if pattern == "most":
        return np.full(count, high, dtype.numpy)
    if pattern == "ends":
        return rng.choice(np.array([low, high], dtype.numpy), count)
    return rng.integers(low, high, count, dtype.numpy.type, endpoint=True)


@dataclass(frozen=True, slots=True)
class Product:
    """A MATMUL of a vector; the strides of both operands are those of packed rows unless told."""

    dtypes: tuple[DType, DType, DType]
    batches: int
    rows: int
    cols: int
    length: int
    zeros: tuple[int, int] = (0, 0)
    group: int = 1
    is_constant: bool = False
    offset: int = 0
    gap: int = 0
    shared: bool = False

    def case(self, name: str, rng: np.random.Generator, patterns: tuple[str, str]) -> Case:
        """Return the vector."""
        a_dtype, b_dtype, dst_dtype = self.dtypes
        stride = self.length + self.gap
        # Without strides every row, and every batch, is the same.
        a_strides = (0, 0) if self.shared else (self.rows * stride, stride)
        b_batches = (self.batches - 1) // self.group + 1
        b_strides = self.cols * stride, stride
        a = Walk(0, self.offset, *a_strides, self.zeros[0])
        b = Walk(0, self.offset, *b_strides, self.zeros[1])
        a_count = a.last(self.batches, self.rows, self.length) + 1
        b_count = b.last(b_batches, self.cols, self.length) + 1
        sheet = Sheet(values(rng, a_dtype, a_count, patterns[0]))
        weights = values(rng, b_dtype, b_count, patterns[1])
        slot, start, count = 0, self.offset, 0
        if self.is_constant:
            start += sheet.place(weights)
        else:
            slot, count = sheet.source(weights), b_count
        dst = sheet.begin(dst_dtype, self.batches * self.rows * self.cols)
        walks = (
            Walk(a_count, self.offset, *a_strides, self.zeros[0]),
            Walk(count, start, *b_strides, self.zeros[1]),
        )
        sizes = (self.batches, self.rows, self.cols, self.length)
        head = (dst, 0, slot, dst_dtype, a_dtype, b_dtype)
        sheet.add(MatMul(*head, *sizes, *walks, self.group))
        return sheet.close(name, "MATMUL", dst)


def product_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return products of each pair of dtypes, at zero points and values at their ends."""
    for a_dtype in NARROW:
        for b_dtype in NARROW:
            dtypes = (a_dtype, b_dtype, I64 if I16 in (a_dtype, b_dtype) else I32)
            name = f"{a_dtype.name} by {b_dtype.name}"
            for patterns in (("any", "any"), ("most", "least"), ("least", "ends")):
                shape = Product(dtypes, 2, 2, 3, 261)
                yield shape.case(f"{name}, {patterns[0]} and {patterns[1]}", rng, patterns)
            for zeros in ("minimum", "maximum"):
                ends = getattr(a_dtype, zeros), getattr(b_dtype, zeros)
                shape = Product(dtypes, 1, 2, 3, 130, ends)
                yield shape.case(f"{name}, zero points at their {zeros}", rng, ("ends", "ends"))
    yield from constant_cases(rng)
    yield from shape_cases(rng)
    yield from clamp_cases(rng)


def constant_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return products with constants: each length around a vector's width, one row and several."""
    for length in (1, 31, 32, 33, 63, 64, 65, 127, 129, 255, 257, 600):
        for rows, cols in ((1, 9), (3, 4)):
            dtypes = (I8, I8, I32)
            shape = Product(dtypes, 1, rows, cols, length, is_constant=True)
            yield shape.case(f"{rows} rows by weights, length {length}", rng, ("any", "any"))
    for a_dtype in NARROW:
        for b_dtype in (U8, I8):
            for patterns in (("most", "most"), ("least", "least"), ("ends", "any")):
                dtypes = (a_dtype, b_dtype, I64)
                shape = Product(dtypes, 1, 3, 33, 96, (7, 3), is_constant=True)
                name = f"{a_dtype.name} by {b_dtype.name} weights"
                yield shape.case(f"{name}, {patterns[0]} and {patterns[1]}", rng, patterns)
    shape = Product((U8, I8, I32), 1, 2, 5, 4099, (128, 0), is_constant=True)
    yield shape.case("a long row by weights", rng, ("ends", "ends"))


def shape_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return strides, gaps, offsets and shared batches."""
    for is_constant in (False, True):
        where = "weights" if is_constant else "a tensor"
        dtypes = (I16, I8, I64)
        for batches, group in ((6, 3), (5, 2), (4, 9)):
            shape = Product(dtypes, batches, 1, 7, 40, group=group, is_constant=is_constant)
            yield shape.case(f"{batches} batches, {group} share {where}", rng, ("any", "any"))
        shape = Product(dtypes, 2, 2, 6, 50, offset=253, gap=11, is_constant=is_constant)
        yield shape.case(f"gaps and an offset, {where}", rng, ("any", "any"))
        shape = Product(dtypes, 2, 3, 4, 64, shared=True, is_constant=is_constant)
        yield shape.case(f"one row for all batches, {where}", rng, ("ends", "any"))
    # Rows that overlap: a product slides over its operand.
    sheet = Sheet(values(rng, I8, 100, "any"))
    dst = sheet.begin(I32, 20 * 3)
    walks = Walk(100, 1, 0, 3, -128), Walk(0, sheet.place(values(rng, I8, 120, "any")), 0, 5, 0)
    sheet.add(MatMul(dst, 0, 0, I32, I8, I8, 1, 20, 3, 33, *walks, 1))
    yield sheet.close("rows that overlap", "MATMUL", dst)


def clamp_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return sums beyond i32, clamped to it or kept whole."""
    for dst_dtype in (I32, I64):
        for patterns in (("least", "least"), ("least", "most"), ("ends", "ends")):
            shape = Product((I16, I16, dst_dtype), 1, 2, 3, 517)
            name = f"sums beyond i32 into {dst_dtype.name}, {patterns[0]} and {patterns[1]}"
            yield shape.case(name, rng, patterns)
        shape = Product((I16, I16, dst_dtype), 1, 2, 3, 300, (-(2**15), 2**15 - 1))
        yield shape.case(f"the largest products into {dst_dtype.name}", rng, ("most", "least"))


def reduce_case(
    name: str, kind: ReduceKind, x: Array, rows: int, dst_dtype: DType, a_dtype: DType
) -> Case:
    """Return one element for each row of `x`."""
    sheet = Sheet(x)
    dst = sheet.begin(dst_dtype, rows)
    cols = len(x) // rows
    sheet.add(Reduce(dst, 0, 0, dst_dtype, a_dtype, NONE, rows, cols, kind))
    return sheet.close(f"{kind.name} {name}", "REDUCE", dst)


def reduce_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return each kind over each dtype, at the ends of 64 bits, and picks at every border."""
    kinds = (ReduceKind.SUM, ReduceKind.SQUARES, ReduceKind.MAX, ReduceKind.MAXABS)
    for kind in kinds:
        for dtype in DType:
            for pattern, cols in (("any", 67), ("ends", 300), ("least", 129)):
                x = values(rng, dtype, 3 * cols, pattern)
                for dst_dtype in (I32, I64):
                    name = f"of {dtype.name}, {pattern}, into {dst_dtype.name}"
                    yield reduce_case(name, kind, x, 3, dst_dtype, dtype)
    # Sums of squares that pass 2**63 and come back.
    for top in (2**31 - 1, 2**31, 3_037_000_499, 3_037_000_500):
        x = array(I64, [top] * 40)
        yield reduce_case(f"of 40 times {top}", ReduceKind.SQUARES, x, 8, I64, I64)
    x = array(I64, [-(2**63), 0, -(2**63), -1, 5, -(2**63) + 1])
    yield reduce_case("at the lowest", ReduceKind.MAXABS, x, 3, I64, I64)
    yield reduce_case("at the lowest", ReduceKind.MAX, x, 3, I64, I64)
    yield from pick_cases(rng)


def pick_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return picks: the first, the last, past the end, over zeros and negative weights."""
    weights = rng.integers(0, 1000, 201)
    weights[:3] = weights[-2:] = 0
    sums = np.cumsum(weights)
    total = int(sums[-1])
    draws = {
        "nothing": 0,
        "the first's last": int(sums[3]) - 1,
        "the second's first": int(sums[3]),
        "a run's last": int(sums[127]) - 1,
        "a run's first": int(sums[127]),
        "the last": total - 1,
        "the total": total,
        "far too much": 2**63 - 1,
        "a negative draw": -(2**63),
    }
    for name, draw in draws.items():
        for dtype in (I16, I32, I64):
            yield pick_case(f"{name}, {dtype.name}", array(dtype, weights), draw, I32)
    zeros = np.zeros(90, np.int64)
    yield pick_case("from zeros", array(I32, zeros), 0, I64)
    yield pick_case("from negative weights", array(I32, zeros - 5), 0, I64)
    mixed = np.tile([-7, 3, -(2**31), 2**31 - 1], 30)
    for draw in (0, 2, 3, 2**31 + 1, 2**31 + 2, 30 * (2**31 + 2) - 1):
        yield pick_case(f"{draw} past negative weights", array(I32, mixed), draw, I64)
    most = array(I64, [2**63 - 1] * 5)
    for draw in (0, 2**63 - 2, 2**63 - 1):
        yield pick_case(f"{draw} from the largest weights", most, draw, I32)


def pick_case(name: str, weights: Array, draw: int, dst_dtype: DType) -> Case:
    """Return the column that a draw falls on."""
    sheet = Sheet(weights)
    drawn = sheet.source(array(I64, [draw]))
    dst = sheet.begin(dst_dtype, 1)
    a_dtype = next(dtype for dtype in DType if dtype.numpy == weights.dtype)
    head = (dst, 0, drawn, dst_dtype, a_dtype, I64)
    sheet.add(Reduce(*head, 1, len(weights), ReduceKind.PICK))
    return sheet.close(f"PICK {name}", "REDUCE", dst)
