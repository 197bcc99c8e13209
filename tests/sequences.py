"""Random programs about one operator of sequence models, run for one or several iterations.

Sources are rows of the constants, so that any dtype and any value may stand in them; ends of ranges
and small numbers are as likely as others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from interpreter.operators import (
    Combine,
    Copy,
    Draw,
    Embed,
    Halt,
    Instruction,
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
from interpreter.program import Opcode, Program
from interpreter.tensors import DType, TensorType

from .builder import ProgramBuilder

T = TypeVar("T")

ANY = tuple(DType)
NARROW = (DType.U8, DType.I8, DType.I16)
WIDE = (DType.I32, DType.I64)
INPUT = TensorType(DType.I32, 4)
SHIFTS = (0, 0, 1, 7, 16, 31, 32, 61, 62)


def random_sequence_program(
    rng: np.random.Generator, opcode: Opcode, max_iterations: int | None = None
) -> Program:
    """Return a valid program about `opcode`, of 1 to 4 iterations unless told."""
    iterations = int(rng.integers(1, 5)) if max_iterations is None else max_iterations
    return _Maker(rng, iterations).make(opcode)


class _Maker:
    """Draws an operator, its sources and its destination."""

    def __init__(self, rng: np.random.Generator, iterations: int) -> None:
        self.rng, self.iterations = rng, iterations
        self.builder = ProgramBuilder(INPUT, slot_depth=3, input_slot=int(rng.integers(8)))
        self.sources: list[int] = []
        self.recipes: dict[Opcode, Callable[[], Instruction]] = {
            Opcode.MATMUL: self.matmul,
            Opcode.REDUCE: self.reduce,
            Opcode.SCALE: self.scale,
            Opcode.COMBINE: self.combine,
            Opcode.ROOT: self.root,
            Opcode.MASK: self.mask,
            Opcode.ROTATE: self.rotate,
            Opcode.LOOKUP: self.look_up,
            Opcode.EMBED: self.embed,
            Opcode.TOKEN: self.token,
            Opcode.DRAW: self.draw,
            Opcode.COPY: self.copy,
            Opcode.HALT: self.halt,
            Opcode.KEEP: self.token,
        }

    def make(self, opcode: Opcode) -> Program:
        """Return the program: sources, the operator, and what closes an iteration."""
        self.builder.place(bytes(int(self.rng.integers(0, 300))))
        instruction = self.recipes[opcode]()
        self.builder.add(instruction)
        output = self.output
        for slot in self.sources:
            self.builder.free(slot)
        return self.builder.finish(output, self.iterations)

    # Draws

    def pick(self, values: Sequence[T]) -> T:
        """Return one of the values."""
        return values[int(self.rng.integers(len(values)))]

    def up_to(self, high: int) -> int:
        """Return an integer in [1, high]."""
        return int(self.rng.integers(1, high + 1))

    def flag(self) -> int:
        """Return 0 or 1."""
        return int(self.rng.integers(2))

    def number(self, dtype: DType) -> int:
        """Return a value: small, an end of the range, or any."""
        low, high = dtype.minimum, dtype.maximum
        ends = (low, high, 0, 1, max(low, -1))
        small = max(low, int(self.rng.integers(-3, 40)))
        return self.pick((self.pick(ends), small, int(self.rng.integers(low, high, endpoint=True))))

    def values(self, dtype: DType, count: int) -> bytes:
        """Return the bytes of `count` elements that lie alike."""
        low, high = dtype.minimum, dtype.maximum
        found = self.rng.integers(low, high, count, dtype.numpy.type, endpoint=True)
        kind = int(self.rng.integers(3))
        if kind == 1:
            ends = np.array([low, high, high, 0, 1], dtype.numpy)
            found = self.rng.choice(ends, count)
        elif kind == 2:
            found = self.rng.integers(max(low, -3), 40, count).astype(dtype.numpy)
        return found.astype(dtype.numpy).tobytes()

    def clamp(self, dtype: DType) -> tuple[int, int]:
        """Return `(low, high)`: the full range mostly."""
        if self.rng.random() < 0.7:
            return dtype.minimum, dtype.maximum
        low, high = sorted((self.number(dtype), self.number(dtype)))
        return low, high

    def source(self, dtype: DType, count: int, data: bytes | None = None) -> int:
        """Return a slot that holds `count` elements of the constants."""
        slot = self.builder.begin(TensorType(dtype, count), self.pick(self.builder.free_slots))
        table = self.builder.place(self.values(dtype, count) if data is None else data, 8)
        self.builder.add(Embed(slot, dtype, 1, count, 0, DType.U8, 0, 0, 1, table, 1))
        self.sources.append(slot)
        return slot

    def target(self, dtype: DType, count: int) -> int:
        """Return the slot of the output, which is kept."""
        slot = self.pick(self.builder.free_slots)
        self.output = self.builder.keep(TensorType(dtype, count), slot)
        return slot

    def matrix(self) -> tuple[int, int]:
        """Return rows and columns of any length."""
        return self.up_to(4), self.up_to(150)

    def grid(self) -> tuple[int, int]:
        """Return rows and columns whose steps never leave a row."""
        return (1, self.up_to(150)) if self.flag() else (self.up_to(3), 32 * self.up_to(3))

    # Operators

    def matmul(self) -> Instruction:
        """Draw a product with constants or with another tensor, batches and strides included."""
        a_dtype, dst_dtype = self.pick(NARROW), self.pick(WIDE)
        is_constant = self.flag()
        b_dtype = self.pick(NARROW[:2] if is_constant else NARROW)
        batches, rows, cols, group = (self.up_to(3) for _ in range(4))
        length = self.up_to(self.pick((5, 140, 600)))
        strides = [self.pick((0, 1, length, length + 3)) for _ in range(4)]
        a = Walk(0, self.pick((0, 5, 250)), strides[0], strides[1], self.number(a_dtype))
        a_count = a.last(batches, rows, length) + self.up_to(5)
        b = Walk(0, self.pick((0, 5, 250)), strides[2], strides[3], self.number(b_dtype))
        b_count = b.last((batches - 1) // group + 1, cols, length) + self.up_to(5)
        a_slot = self.source(a_dtype, a_count)
        b_slot, b_start = 0, b.offset
        if is_constant:
            b_start += self.builder.place(self.values(b_dtype, b_count))
        else:
            b_slot = self.source(b_dtype, b_count)
        walks = (
            Walk(a_count, a.offset, strides[0], strides[1], a.zero),
            Walk(0 if is_constant else b_count, b_start, strides[2], strides[3], b.zero),
        )
        dst = self.target(dst_dtype, batches * rows * cols)
        slots = (dst, a_slot, b_slot, dst_dtype, a_dtype, b_dtype)
        return MatMul(*slots, batches, rows, cols, length, *walks, group)

    def reduce(self) -> Instruction:
        """Draw a sum, a largest value or a pick."""
        kind = self.pick(tuple(ReduceKind))
        is_pick = kind == ReduceKind.PICK
        rows, cols = (1, self.up_to(300)) if is_pick else self.matrix()
        a_dtype, dst_dtype = self.pick(ANY), self.pick(WIDE)
        a = self.source(a_dtype, rows * cols)
        b = self.source(DType.I64, 1) if is_pick else 0
        b_dtype = DType.I64 if is_pick else DType.U8
        return Reduce(
            self.target(dst_dtype, rows), a, b, dst_dtype, a_dtype, b_dtype, rows, cols, kind
        )

    def scale(self) -> Instruction:
        """Draw a change of scale, with parameters of columns and rows or without."""
        rows, cols = self.grid()
        a_dtype, dst_dtype, mode = self.pick(ANY), self.pick(ANY), self.pick((0, 1, 2))
        a = self.source(a_dtype, rows * cols)
        params, bias, multiplier = -1, self.number(DType.I32), self.number(DType.I32)
        if self.flag():
            params = self.builder.place(self.values(DType.I32, 2 * cols), 256)
            bias = multiplier = 0
        b, b_dtype, b_count, b_offset = 0, DType.U8, 0, 0
        if mode:
            b_dtype, b_offset = self.pick(WIDE), int(self.rng.integers(0, 70))
            b_count = b_offset + rows + int(self.rng.integers(0, 3))
            b = self.source(b_dtype, b_count)
        dst = self.target(dst_dtype, rows * cols)
        head = (dst, dst_dtype, rows, cols, a, b, a_dtype, b_dtype, mode, self.pick(SHIFTS))
        numbers = (self.flag(), params, bias, multiplier, self.number(DType.I32))
        return Scale(*head, *numbers, *self.clamp(dst_dtype), b_count, b_offset)

    def combine(self) -> Instruction:
        """Draw a sum, difference or product."""
        rows, cols = self.grid()
        dtypes, is_each = (self.pick(ANY), self.pick(ANY), self.pick(ANY)), self.flag()
        a = self.source(dtypes[1], rows * cols)
        b = self.source(dtypes[2], rows if is_each else rows * cols)
        dst = self.target(dtypes[0], rows * cols)
        head = (dst, dtypes[0], rows, cols, a, b, dtypes[1], dtypes[2], self.pick((0, 1, 2)))
        return Combine(*head, is_each, self.pick(SHIFTS), *self.clamp(dtypes[0]))

    def root(self) -> Instruction:
        """Draw a square root."""
        count, dtype = self.up_to(100), self.pick(WIDE)
        a = self.source(DType.I64, count)
        return Root(self.target(dtype, count), dtype, 1, count, a, self.pick(SHIFTS))

    def mask(self) -> Instruction:
        """Draw a mask by iteration or by a given length."""
        rows, cols = self.grid()
        dtype, is_given = self.pick((DType.I16, *WIDE)), self.flag()
        a = self.source(dtype, rows * cols)
        b, b_dtype, b_count, b_offset = 0, DType.U8, 0, 0
        if is_given:
            b_dtype, b_offset = self.pick((DType.I16, DType.I32)), int(self.rng.integers(0, 200))
            b_count = b_offset + self.up_to(5)
            b = self.source(b_dtype, b_count)
        dst = self.target(dtype, rows * cols)
        numbers = (is_given, b_count, b_offset, self.number(dtype))
        return Mask(dst, dtype, rows, cols, a, b, b_dtype, *numbers)

    def rotate(self) -> Instruction:
        """Draw a rotation; heads are parts or multiples of a step."""
        head = self.pick((2, 4, 8, 16, 32, 64, 96))
        count = head * self.up_to(max(1, 200 // head))
        a_dtype, dst_dtype = self.pick((DType.I16, DType.I32)), self.pick((DType.I8, DType.I16))
        a, positions = self.source(a_dtype, count), self.up_to(3)
        table = self.builder.place(self.values(DType.I16, head * positions), 4)
        dst = self.target(dst_dtype, count)
        numbers = (head, self.pick(SHIFTS), table, positions)
        return Rotate(dst, dst_dtype, 1, count, a, a_dtype, *numbers, *self.clamp(dst_dtype))

    def look_up(self) -> Instruction:
        """Draw a lookup of elements, or of how far they are below their row's element."""
        rows, cols = self.matrix()
        a_dtype, dst_dtype, is_from_row = self.pick(ANY), self.pick(ANY), self.flag()
        a = self.source(a_dtype, rows * cols)
        b = self.source(DType.I64, rows) if is_from_row else 0
        b_dtype = DType.I64 if is_from_row else DType.U8
        entries, offset = self.up_to(300), 0 if is_from_row else self.number(DType.I32)
        table = self.builder.place(self.values(dst_dtype, entries), 8)
        head = (self.target(dst_dtype, rows * cols), a, b, dst_dtype, a_dtype, b_dtype, rows, cols)
        return Lookup(*head, is_from_row, offset, self.pick(SHIFTS), entries, table)

    def embed(self) -> Instruction:
        """Draw an embedding by ids or by rows."""
        rows, cols = self.grid()
        dtype, entries, is_by_row = self.pick(ANY), self.up_to(50), self.flag()
        a, a_dtype, a_count, a_offset = 0, DType.U8, 0, 0
        if not is_by_row:
            a_dtype, a_offset = DType.I32, int(self.rng.integers(0, 100))
            a_count = a_offset + rows + int(self.rng.integers(0, 3))
            a = self.source(a_dtype, a_count)
        table = self.builder.place(self.values(dtype, entries * cols), 8)
        dst = self.target(dtype, rows * cols)
        numbers = (a, a_dtype, a_count, a_offset, entries, table, is_by_row)
        return Embed(dst, dtype, rows, cols, *numbers)

    def token(self) -> Instruction:
        """Draw the choice of a position's token."""
        a_count, b_count = self.up_to(150), self.up_to(5)
        length, prompt = (int(self.rng.integers(a_count)) for _ in range(2))
        slots = self.source(DType.I32, a_count), self.source(DType.I32, b_count)
        return Token(self.target(DType.I32, 1), *slots, a_count, length, prompt, b_count)

    def draw(self) -> Instruction:
        """Draw a draw; half of them are greedy."""
        a_count = 8 + self.up_to(100)
        seed, greedy = int(self.rng.integers(a_count - 7)), int(self.rng.integers(a_count))
        words = np.frombuffer(self.values(DType.I32, a_count), "<i4").copy()
        words[greedy] *= self.flag()
        a = self.source(DType.I32, a_count, words.tobytes())
        b = self.source(DType.I64, 1)
        return Draw(self.target(DType.I64, 1), a, b, a_count, seed, greedy)

    def copy(self) -> Instruction:
        """Draw a copy that moves on with the iteration, as into a cache."""
        dtype, last = self.pick(ANY), self.up_to(150)
        is_run, later = self.flag(), self.iterations - 1
        a_step, dst_step = self.pick((0, 1, last)), self.pick((0, 1, last, 300))
        stride = 1 if is_run else self.pick((0, 2))
        a_count = (last - 1) * stride + later * a_step + self.up_to(9) + 3
        dst_count = last + later * dst_step + self.up_to(9) + 3
        a = self.source(dtype, a_count)
        dst = self.target(dtype, dst_count)
        places = (0, (0, 0, 0, stride), 3, (0, 0, 0, 1))
        sizes = (1, 1, 1, last)
        return Copy(dst, a, dtype, a_count, dst_count, sizes, *places, a_step, dst_step)

    def halt(self) -> Instruction:
        """Draw an end token that may or may not be there."""
        tokens = tuple(self.number(DType.I32) for _ in range(self.up_to(16)))
        token = self.pick(tokens) if self.rng.random() < 0.7 else self.number(DType.I32)
        a = self.source(DType.I32, 1, token.to_bytes(4, "little", signed=True))
        b_count = self.up_to(100)
        lengths = np.frombuffer(self.values(DType.I32, b_count), "<i4").copy()
        length = int(self.rng.integers(b_count))
        lengths[length] = self.pick((-(2**31), 0, 1, 2, 3, 4, 2**31 - 1))
        b = self.source(DType.I32, b_count, lengths.tobytes())
        slot = self.target(DType.I16, 40)
        table = self.builder.place(self.values(DType.I16, 40), 8)
        self.builder.add(Embed(slot, DType.I16, 1, 40, 0, DType.U8, 0, 0, 1, table, 1))
        return Halt(a, b, b_count, length, tokens)


OPCODES = tuple(_Maker(np.random.default_rng(0), 1).recipes)
