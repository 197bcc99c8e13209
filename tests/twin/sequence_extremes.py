"""Operators of sequence models at the limits of registration, for extremes.extreme_step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from interpreter.operators import (
    Combine,
    Copy,
    Draw,
    Embed,
    Halt,
    Instruction,
    Keep,
    Lookup,
    Mask,
    MatMul,
    Reduce,
    ReduceKind,
    Root,
    Rotate,
    Scale,
    Token,
    Walk,
)
from interpreter.operators.base import MAX_ELEMENTS
from interpreter.tensors import DType, TensorType

from .extremes import (
    CONSTANTS_BYTES,
    MAX_COUNT,
    MAX_DIMENSION,
    SLOTS,
    clamp,
    copy,
    offset,
    upto,
    value,
)

DST, A, B = SLOTS["dst"], SLOTS["a"], SLOTS["b"]
NARROW = (DType.U8, DType.I8, DType.I16)
WIDE = (DType.I32, DType.I64)
ROWS, COLS = 64, MAX_ELEMENTS // 64


def any_of(rng: np.random.Generator, dtypes: tuple[DType, ...] = tuple(DType)) -> DType:
    """Return one of the dtypes."""
    return dtypes[int(rng.integers(len(dtypes)))]


def flag(rng: np.random.Generator) -> int:
    return int(rng.integers(2))


def matrix(rng: np.random.Generator, unit: int = 1) -> tuple[int, int]:
    """Return rows and columns, these a multiple of `unit` unless there is one row."""
    if rng.random() < 0.2:
        return 1, upto(rng, MAX_DIMENSION)
    rows = upto(rng, 1 << int(rng.integers(1, 24)))
    room = min(MAX_DIMENSION, MAX_ELEMENTS // rows)
    return rows, upto(rng, max(1, room // unit)) * unit


def shift(rng: np.random.Generator) -> int:
    return int(rng.integers(0, 63))


def counted(rng: np.random.Generator, needed: int) -> tuple[int, int]:
    """Return the count of a tensor and where `needed` of its elements begin."""
    count = max(needed, upto(rng, MAX_ELEMENTS))
    return count, offset(rng, count - needed)


def table_at(rng: np.random.Generator, size: int, unit: int = 8) -> int:
    """Return where a table of `size` bytes begins in the constants."""
    return unit * offset(rng, (CONSTANTS_BYTES - size) // unit)


def matmul(rng: np.random.Generator) -> Instruction:
    is_constant = flag(rng)
    a_dtype, b_dtype = any_of(rng, NARROW), any_of(rng, NARROW[:2] if is_constant else NARROW)
    batches, rows, cols, group = (upto(rng, 1 << int(rng.integers(0, 11))) for _ in range(4))
    length = upto(rng, 1 << int(rng.integers(0, 24)))
    strides = [offset(rng, 1 << 16) for _ in range(4)]
    a = Walk(MAX_ELEMENTS, offset(rng, 1 << 20), *strides[:2], value(rng, a_dtype))
    b_count = 0 if is_constant else MAX_ELEMENTS
    b = Walk(b_count, offset(rng, 1 << 20), *strides[2:], value(rng, b_dtype))
    slots = DST, A, 0 if is_constant else B
    head = (*slots, any_of(rng, WIDE), a_dtype, b_dtype)
    return MatMul(*head, batches, rows, cols, length, a, b, group)


def reduce(rng: np.random.Generator) -> Instruction:
    kind = ReduceKind(int(rng.integers(5)))
    is_pick = kind == ReduceKind.PICK
    rows, cols = (1, upto(rng, MAX_DIMENSION)) if is_pick else matrix(rng)
    b, b_dtype = (B, DType.I64) if is_pick else (0, DType.U8)
    return Reduce(DST, A, b, any_of(rng, WIDE), any_of(rng), b_dtype, rows, cols, kind)


def scale(rng: np.random.Generator) -> Instruction:
    rows, cols = matrix(rng, 32)
    dst_dtype, mode = any_of(rng), int(rng.integers(3))
    b, b_dtype, b_count, b_offset = 0, DType.U8, 0, 0
    if mode:
        b, b_dtype, (b_count, b_offset) = B, any_of(rng, WIDE), counted(rng, rows)
    params, bias, multiplier = -1, value(rng, DType.I32), value(rng, DType.I32)
    if flag(rng):
        params, bias, multiplier = table_at(rng, 8 * cols, 256), 0, 0
    head = (DST, dst_dtype, rows, cols, A, b, any_of(rng), b_dtype, mode, shift(rng), flag(rng))
    numbers = (params, bias, multiplier, value(rng, DType.I32))
    return Scale(*head, *numbers, *clamp(rng, dst_dtype), b_count, b_offset)


def combine(rng: np.random.Generator) -> Instruction:
    dtype = any_of(rng)
    head = (DST, dtype, *matrix(rng, 32), A, B, any_of(rng), any_of(rng))
    return Combine(*head, int(rng.integers(3)), flag(rng), shift(rng), *clamp(rng, dtype))


def root(rng: np.random.Generator) -> Instruction:
    return Root(DST, any_of(rng, WIDE), 1, upto(rng, MAX_ELEMENTS), A, shift(rng))


def mask(rng: np.random.Generator) -> Instruction:
    dtype, is_given = any_of(rng, (DType.I16, *WIDE)), flag(rng)
    b, b_dtype, b_count, b_offset = 0, DType.U8, 0, 0
    if is_given:
        b, b_dtype, (b_count, b_offset) = B, any_of(rng, (DType.I16, DType.I32)), counted(rng, 1)
    numbers = (is_given, b_count, b_offset, value(rng, dtype))
    return Mask(DST, dtype, *matrix(rng, 32), A, b, b_dtype, *numbers)


def rotate(rng: np.random.Generator) -> Instruction:
    head = (2, 4, 8, 16, 32, 64, 96, 128, 1 << 20)[int(rng.integers(9))]
    count = head * upto(rng, MAX_ELEMENTS // head)
    dst_dtype, a_dtype = any_of(rng, (DType.I8, DType.I16)), any_of(rng, (DType.I16, DType.I32))
    positions = upto(rng, 1 << 16)
    numbers = (head, shift(rng), table_at(rng, 2 * head * positions, 4), positions)
    return Rotate(DST, dst_dtype, 1, count, A, a_dtype, *numbers, *clamp(rng, dst_dtype))


def look_up(rng: np.random.Generator) -> Instruction:
    dst_dtype, is_from_row, entries = any_of(rng), flag(rng), upto(rng, MAX_DIMENSION)
    b, b_dtype, start = (B, DType.I64, 0) if is_from_row else (0, DType.U8, value(rng, DType.I32))
    head = (DST, A, b, dst_dtype, any_of(rng), b_dtype, *matrix(rng))
    table = table_at(rng, entries * dst_dtype.size)
    return Lookup(*head, is_from_row, start, shift(rng), entries, table)


def embed(rng: np.random.Generator) -> Instruction:
    dtype, (rows, cols), is_by_row = any_of(rng), matrix(rng, 32), flag(rng)
    entries = upto(rng, MAX_DIMENSION)
    a, a_dtype, a_count, a_offset = 0, DType.U8, 0, 0
    if not is_by_row:
        a, a_dtype, (a_count, a_offset) = A, DType.I32, counted(rng, rows)
    table = table_at(rng, entries * cols * dtype.size)
    return Embed(DST, dtype, rows, cols, a, a_dtype, a_count, a_offset, entries, table, is_by_row)


def token(rng: np.random.Generator) -> Instruction:
    count, length = counted(rng, 1)
    return Token(DST, A, B, count, length, offset(rng, count - 1), upto(rng, MAX_ELEMENTS))


def draw(rng: np.random.Generator) -> Instruction:
    count, seed = counted(rng, 8)
    return Draw(DST, A, B, count, seed, offset(rng, count - 1))


def halt(rng: np.random.Generator) -> Instruction:
    tokens = (0, *(value(rng, DType.I32) for _ in range(int(rng.integers(16)))))
    return Halt(A, B, *counted(rng, 1), tokens)


def keep(rng: np.random.Generator) -> Instruction:
    return Keep(DST, TensorType(any_of(rng), upto(rng, MAX_COUNT)))


def append(rng: np.random.Generator) -> Instruction:
    """Return a COPY that moves on with the iteration, in steps of any length."""
    still = copy(rng)
    assert isinstance(still, Copy)
    a_room, dst_room = MAX_COUNT - still.a_count, MAX_COUNT - still.dst_count
    a_step, dst_step = offset(rng, a_room), offset(rng, dst_room)
    return replace(
        still,
        a_count=still.a_count + offset(rng, a_room - a_step) + a_step,
        dst_count=still.dst_count + offset(rng, dst_room - dst_step) + dst_step,
        a_step=a_step,
        dst_step=dst_step,
    )


RECIPES = (
    *(matmul, matmul, reduce, scale, combine, root, mask, rotate, look_up, embed),
    *(token, draw, halt, keep, append),
)


def widest() -> list[tuple[Instruction, int]]:
    """Return steps whose witnesses are the longest of their operators."""
    i64, i32, i16 = DType.I64, DType.I32, DType.I16
    full = (i64.minimum, i64.maximum)
    last = MAX_ELEMENTS // 32 - 1
    table = CONSTANTS_BYTES - ROWS * COLS * 8 - 8
    # Runs begin between leaves: a and b are two leaves each.
    a = Walk(MAX_ELEMENTS, 1, 0, 1 << 20, 255)
    b = Walk(0, 1, 0, 1 << 20, -128)
    batched = Walk(MAX_ELEMENTS, 1, 1 << 20, 1 << 20, -(2**15))
    return [
        (Scale(DST, i64, ROWS, COLS, A, B, i64, i64, 2, 9, 1, 256, 0, 0, 7, *full,
               MAX_ELEMENTS, MAX_ELEMENTS - ROWS), last),
        (Scale(DST, i64, ROWS, COLS, A, B, i64, i64, 1, 62, 0, 256, 0, 0, 7, *full,
               MAX_ELEMENTS, MAX_ELEMENTS - ROWS), last),
        (Combine(DST, i64, ROWS, COLS, A, B, i64, i64, 2, 0, 62, *full), last),
        (Embed(DST, i64, ROWS, COLS, A, i32, MAX_ELEMENTS, 0, ROWS, table, 0), last),
        (MatMul(DST, A, 0, i64, DType.U8, DType.I8, 1, 9, 9, 1 << 12, a, b, 1), 17 * 40 + 3),
        (MatMul(DST, A, B, i64, i16, i16, 8, 9, 9, 1 << 12, batched, batched, 1), 33 * 40 + 3),
        (Reduce(DST, A, 0, i64, i64, DType.U8, 63, MAX_DIMENSION // 2 - 1, 1), 262_144 * 7 + 5),
        (Rotate(DST, i16, 1, MAX_ELEMENTS, A, i32, 64, 30, 60, 9, -(2**15), 2**15 - 1), last),
        (Lookup(DST, A, B, i64, i64, i64, ROWS, COLS, 1, 0, 62, 9, table), MAX_ELEMENTS - 1),
        (Draw(DST, A, B, MAX_ELEMENTS, 60, MAX_ELEMENTS - 1), 0),
    ]  # fmt: skip
