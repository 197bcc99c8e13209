"""Vectors of the operators on the map grid and of LOOKUP: ties, wraps, clamps, ends of tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from interpreter.operators import Combine, CombineKind, Embed, Lookup, Root, Rotate, Scale
from interpreter.operators.scale import NO_PARAMS, ScaleMode
from interpreter.tensors import DType

from .folds import I8, I16, I32, I64, NONE, U8, values
from .sheet import Array, Case, Sheet, array

LOW, HIGH = -(2**63), 2**63 - 1
# Numbers whose halves, doubles and products wrap, tie or clamp.
SMALL = (0, 1, -1, 2, -2, 3, -3, 5, 127, 128, -128, -129, 32767, -32768)
LARGE = (2**31 - 1, 2**31, 2**32 + 1, 2**61, 2**62 - 1, 2**62, HIGH, 0x5555555555555555)
EDGES = array(I64, [*SMALL, *LARGE, *(-x for x in LARGE), LOW, 3_037_000_500])
SHIFTS = (0, 1, 2, 31, 61, 62)


def full(dtype: DType) -> tuple[int, int]:
    """Return the clamp that cuts nothing."""
    return dtype.minimum, dtype.maximum


def plain_scales(rng: np.random.Generator) -> Iterator[Case]:
    """Return scales without a second source: each shift, ties, wraps, each destination."""
    for shift in SHIFTS:
        for multiplier in (1, -1, 2**31 - 1, -(2**31)):
            for is_after in (0, 1):
                sheet = Sheet(EDGES)
                dst = sheet.begin(I64, len(EDGES))
                head = (dst, I64, 1, len(EDGES), 0, 0, I64, NONE, ScaleMode.PLAIN, shift)
                tail = (is_after, NO_PARAMS, 1 + shift, multiplier, -1)
                sheet.add(Scale(*head, *tail, *full(I64), 0, 0))
                order = "after" if is_after else "before"
                yield sheet.close(f"by {multiplier} / 2^{shift}, bias {order}", "SCALE", dst)
    halves = array(I16, np.arange(-80, 80))
    for dtype in (U8, I8, I16, I32):
        for shift in (1, 2, 3):
            for clamp in (full(dtype), (3, 17)):
                sheet = Sheet(halves)
                dst = sheet.begin(dtype, 160)
                head = (dst, dtype, 5, 32, 0, 0, I16, NONE, ScaleMode.PLAIN, shift)
                sheet.add(Scale(*head, 0, NO_PARAMS, 0, 5, 2, *clamp, 0, 0))
                yield sheet.close(f"ties by 2^{shift} into {dtype.name} {clamp}", "SCALE", dst)
    for a_dtype in DType:
        for pattern in ("ends", "any"):
            sheet = Sheet(values(rng, a_dtype, 4 * 64, pattern))
            params = sheet.place(column_pairs(rng, 64), 256)
            dst = sheet.begin(I16, 256)
            head = (dst, I16, 4, 64, 0, 0, a_dtype, NONE, ScaleMode.PLAIN, 22)
            sheet.add(Scale(*head, 1, params, 0, 0, -3, -(2**15), 2**15 - 1, 0, 0))
            yield sheet.close(f"columns of {a_dtype.name}, {pattern}", "SCALE", dst)


def column_pairs(rng: np.random.Generator, cols: int) -> Array:
    """Return bias and multiplier of each column; some at their ends."""
    pairs = np.empty((cols, 2), "<i4")
    pairs[:, 0] = rng.integers(-(2**20), 2**20, cols)
    pairs[:, 1] = rng.integers(0, 2**22, cols)
    pairs[::9] = np.array([2**31 - 1, -(2**31)])
    pairs[1::9] = np.array([-(2**31), 2**31 - 1])
    return pairs.ravel()


ROW_FACTORS = (0, 1, -1, 2, 3, 2**31 - 1, -(2**31), 32767)


def row_scales(rng: np.random.Generator) -> Iterator[Case]:
    """Return scales whose rows are multiplied or divided by another tensor's elements."""
    wide = (*ROW_FACTORS, 2**61, 2**62, 2**62 + 1, HIGH, LOW, 3_037_000_499)
    for mode in (ScaleMode.MULTIPLY, ScaleMode.DIVIDE):
        for b_dtype, factors in ((I32, ROW_FACTORS), (I64, wide)):
            for shift in (0, 1, 30, 62):
                rows, offset = len(factors), 3
                sheet = Sheet(np.tile(EDGES, rows))
                by = sheet.source(array(b_dtype, [9] * offset + list(factors)))
                params = NO_PARAMS
                bias, multiplier = 0, 3
                if shift % 2:
                    params, multiplier = sheet.place(column_pairs(rng, 32), 256), 0
                dst = sheet.begin(I64, 32 * rows)
                head = (dst, I64, rows, 32, 0, by, I64, b_dtype, mode, shift)
                tail = (0, params, bias, multiplier, 0, *full(I64), rows + offset, offset)
                sheet.add(Scale(*head, *tail))
                name = f"{mode.name} by {b_dtype.name} with 2^{shift}"
                yield sheet.close(name, "SCALE", dst)
    # As models use it: a position on its own scale, its divisor odd, even and 1.
    row = values(rng, I16, 96, "any")
    for largest in (1, 2, 3, 254, 255, 32767, 32768):
        sheet = Sheet(row)
        by = sheet.source(array(I32, [largest]))
        dst = sheet.begin(I8, 96)
        head = (dst, I8, 1, 96, 0, by, I16, I32, ScaleMode.DIVIDE, 0)
        sheet.add(Scale(*head, 0, NO_PARAMS, 0, 127, 0, -127, 127, 1, 0))
        yield sheet.close(f"a row on its own scale, {largest}", "SCALE", dst)


def combine_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return sums, differences and products of every pair of edges, and of mixed dtypes."""
    count = len(EDGES)
    for kind in CombineKind:
        for shift in SHIFTS:
            for is_each in (0, 1):
                sheet = Sheet(np.tile(EDGES, count))
                other = EDGES if is_each else np.repeat(EDGES, count)
                b = sheet.source(other)
                dst = sheet.begin(I64, count * count)
                head = (dst, I64, count, count, 0, b, I64, I64, kind, is_each, shift)
                sheet.add(Combine(*head, *full(I64)))
                name = f"{kind.name} / 2^{shift}, {'each row' if is_each else 'each element'}"
                yield sheet.close(name, "COMBINE", dst)
    for a_dtype, b_dtype, dst_dtype in (
        (U8, I8, I8), (I16, I16, I16), (I32, I16, I32), (I16, I32, U8), (I32, I32, I64),
        (I64, I32, I16), (I16, I16, I32),
    ):  # fmt: skip
        for kind in CombineKind:
            sheet = Sheet(values(rng, a_dtype, 141, "any"))
            b = sheet.source(values(rng, b_dtype, 141, "ends"))
            dst = sheet.begin(dst_dtype, 141)
            low, high = full(dst_dtype)
            head = (dst, dst_dtype, 1, 141, 0, b, a_dtype, b_dtype, kind, 0, 1)
            sheet.add(Combine(*head, low // 2, high - 1))
            names = ", ".join(dtype.name for dtype in (a_dtype, b_dtype, dst_dtype))
            yield sheet.close(f"{kind.name} of {names}", "COMBINE", dst)


def root_cases() -> Iterator[Case]:
    """Return roots around squares, of 0, of negative numbers and of all 63 bits."""
    sides = (1, 2, 3, 2**16, 2**26 + 1, 2**31 - 1, 2**31, 3_037_000_499, 94_906_265, 94_906_266)
    squares = [side * side + step for side in sides for step in (-1, 0, 1)]
    numbers = array(I64, [*squares, *EDGES.tolist()])
    for dtype in (I32, I64):
        for shift in (0, 1, 8, 30, 61, 62):
            sheet = Sheet(numbers)
            dst = sheet.begin(dtype, len(numbers))
            sheet.add(Root(dst, dtype, 1, len(numbers), 0, shift))
            yield sheet.close(f"times 2^{shift} into {dtype.name}", "ROOT", dst)


def rotate_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return heads of every kind at positions inside the table and past it."""
    for head in (2, 4, 8, 16, 32, 64, 96, 128):
        for a_dtype, dst_dtype, shift in ((I16, I8, 21), (I16, I16, 14), (I32, I16, 30)):
            count, positions = head * max(2, 64 // head), 2
            sheet = Sheet(values(rng, a_dtype, count, "ends" if head % 3 else "any"), 3)
            table = sheet.place(values(rng, I16, head * positions, "any"), 4)
            dst = sheet.begin(dst_dtype, count)
            limit = dst_dtype.maximum
            tail = (head, shift, table, positions, -limit, limit)
            sheet.add(Rotate(dst, dst_dtype, 1, count, 0, a_dtype, *tail))
            name = f"heads of {head}, {a_dtype.name} to {dst_dtype.name}"
            yield sheet.close(name, "ROTATE", dst)
    for shift in (0, 1, 62):
        sheet = Sheet(values(rng, I32, 64, "least"))
        table = sheet.place(values(rng, I16, 64, "least"), 4)
        dst = sheet.begin(I16, 64)
        sheet.add(Rotate(dst, I16, 1, 64, 0, I32, 64, shift, table, 1, -(2**15), 2**15 - 1))
        yield sheet.close(f"the largest products / 2^{shift}", "ROTATE", dst)


def lookup_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return places before, inside and past a table, and differences that wrap."""
    for dtype in DType:
        for entries in (1, 2, 300):
            sheet = Sheet(array(I16, np.arange(-200, 200)))
            table = sheet.place(values(rng, dtype, entries, "any"))
            dst = sheet.begin(dtype, 400)
            head = (dst, 0, 0, dtype, I16, NONE, 8, 50)
            sheet.add(Lookup(*head, 0, 100, 1, entries, table))
            yield sheet.close(f"{entries} entries of {dtype.name}", "LOOKUP", dst)
    for a_dtype in DType:
        for offset, shift in ((2**31 - 1, 31), (-(2**31), 0), (128, 4), (0, 62)):
            edges = [x for x in EDGES.tolist() if a_dtype.minimum <= x <= a_dtype.maximum]
            sheet = Sheet(array(a_dtype, edges))
            table = sheet.place(values(rng, I16, 40, "any"))
            dst = sheet.begin(I16, len(edges))
            head = (dst, 0, 0, I16, a_dtype, NONE, 1, len(edges))
            sheet.add(Lookup(*head, 0, offset, shift, 40, table))
            name = f"edges of {a_dtype.name} from {offset} in 2^{shift}"
            yield sheet.close(name, "LOOKUP", dst)
    rows = (0, 5, -1, HIGH, LOW, 2**31, -(2**62))
    for a_dtype in (I16, I32, I64):
        for shift in (0, 3, 62):
            edges = [x for x in EDGES.tolist() if a_dtype.minimum <= x <= a_dtype.maximum]
            sheet = Sheet(array(a_dtype, edges * len(rows)))
            top = sheet.source(array(I64, rows))
            table = sheet.place(values(rng, I32, 9, "any"))
            dst = sheet.begin(I32, len(rows) * len(edges))
            head = (dst, 0, top, I32, a_dtype, I64, len(rows), len(edges))
            sheet.add(Lookup(*head, 1, 0, shift, 9, table))
            yield sheet.close(f"below rows of {a_dtype.name} in 2^{shift}", "LOOKUP", dst)


def embed_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return ids before, inside and past a table, and rows past it."""
    ids = array(I32, [7, -1, 0, 1, 10, 11, 12, 2**31 - 1, -(2**31), 3])
    for dtype in DType:
        for rows, cols in ((9, 32), (9, 96), (1, 37)):
            sheet = Sheet(ids)
            sheet.place(np.zeros(3, "<i8"))
            table = sheet.place(values(rng, dtype, 12 * cols, "any"))
            dst = sheet.begin(dtype, rows * cols)
            sheet.add(Embed(dst, dtype, rows, cols, 0, I32, len(ids), 1, 12, table, 0))
            yield sheet.close(f"{rows} rows of {cols} {dtype.name}", "EMBED", dst)
    for entries in (1, 3, 20):
        sheet = Sheet(ids)
        table = sheet.place(values(rng, I16, entries * 64, "any"))
        dst = sheet.begin(I16, 8 * 64)
        sheet.add(Embed(dst, I16, 8, 64, 0, NONE, 0, 0, entries, table, 1))
        yield sheet.close(f"8 rows in order of {entries}", "EMBED", dst)


def map_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return the vectors of all operators of this module."""
    yield from plain_scales(rng)
    yield from row_scales(rng)
    yield from combine_cases(rng)
    yield from root_cases()
    yield from rotate_cases(rng)
    yield from lookup_cases(rng)
    yield from embed_cases(rng)
