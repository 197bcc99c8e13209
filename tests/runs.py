"""Random programs of several iterations: tensors that are kept, appended to, read and halted.

Places, strides and steps are small, so that rows that touch, overlap or miss each other by one
element are as likely as those of a model's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from interpreter.errors import InvalidProgram
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
    Scale,
    Token,
    Walk,
)
from interpreter.program import Program
from interpreter.tensors import DType, TensorType

from .builder import ProgramBuilder

T = TypeVar("T")

NONE, I32, I64 = DType.U8, DType.I32, DType.I64
NARROW = (DType.U8, DType.I8, DType.I16)
INPUTS = 24
# The input's elements that bound a prompt; the others are any.
LENGTHS = (0, 1)
FLAT = (0, 0, 0, 1)
TRIES = 1000


def random_run_program(rng: np.random.Generator) -> Program:
    """Return a valid program whose iterations hand kept tensors on to the next."""
    for _ in range(TRIES):
        try:
            return _Maker(rng).make()
        except InvalidProgram:
            continue
    raise AssertionError(f"no valid program in {TRIES} tries")


def random_request(rng: np.random.Generator) -> np.ndarray:
    """Return an input: prompts of 0 to 8 positions, then tokens, few of them different."""
    words = rng.integers(-3, 5, INPUTS).astype("<i4")
    words[list(LENGTHS)] = rng.integers(-1, 9, len(LENGTHS))
    return words.view(np.uint8)


class _Maker:
    """Draws what is kept, what an iteration does, and in which order."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.positions = int(rng.integers(1, 8))
        # Most programs have caches that positions may share; the others, any.
        self.is_tame = bool(rng.random() < 0.7)
        self.builder = ProgramBuilder(TensorType(I32, INPUTS), slot_depth=5)
        self.made: list[int] = []
        self.appends: dict[int, Copy] = {}

    def make(self) -> Program:
        """Return the program."""
        tokens = self.builder.keep(TensorType(I32, self.positions + self.below(2)))
        parts = [self.cache for _ in range(self.below(3))]
        parts += [self.pick((self.read, self.read, self.other)) for _ in range(self.below(6))]
        if not self.is_tame:
            parts = [parts[at] for at in self.rng.permutation(len(parts))]
        self.start(tokens)
        for part in parts:
            part()
        self.end(tokens)
        for slot in self.made:
            self.builder.free(slot)
        return self.builder.finish(tokens, self.positions)

    def pick(self, values: Sequence[T]) -> T:
        """Return one of the values."""
        return values[int(self.rng.integers(len(values)))]

    def below(self, high: int) -> int:
        """Return an integer in [0, high]."""
        return int(self.rng.integers(high + 1))

    def begin(self, dtype: DType, count: int) -> int:
        """Return the slot of a tensor that lives in one iteration."""
        self.made.append(self.builder.begin(TensorType(dtype, count)))
        return self.made[-1]

    def kind(self, slot: int) -> TensorType:
        """Return what a slot holds."""
        return self.builder.table[slot]

    def is_valid(self, instruction: Instruction) -> bool:
        """Say whether an instruction's fields may be registered."""
        try:
            instruction.check(1 << 20, self.positions)
        except InvalidProgram:
            return False
        return True

    def start(self, tokens: int) -> None:
        """Take the position's token, and rows of a table that depend on it."""
        count, length = self.kind(tokens).count, self.pick(LENGTHS)
        token = self.begin(I32, 1)
        self.builder.add(Token(token, 0, tokens, INPUTS, length, 2 + self.below(3), count))
        for dtype in NARROW:
            entries, cols = 1 + self.below(5), 12
            values = self.rng.integers(-9, 10, entries * cols).astype(dtype.numpy)
            table = self.builder.place(values.tobytes(), 8)
            row = self.begin(dtype, cols)
            self.builder.add(Embed(row, dtype, 1, cols, token, I32, 1, 0, entries, table, 0))

    def cache(self) -> None:
        """Keep a tensor and append a part of a row at each position."""
        while not self.is_valid(copy := self.append()):
            pass
        kind = TensorType(copy.dtype, copy.dst_count)
        self.appends[self.builder.keep(kind, copy.dst)] = copy
        self.builder.add(copy)
        if not self.is_tame and self.below(9) == 0:
            self.builder.add(copy)

    def append(self) -> Copy:
        """Return a COPY to a free slot whose places move on with the position."""
        source = self.pick([slot for slot in self.made if self.kind(slot).dtype in NARROW])
        dtype, given = self.kind(source).dtype, self.kind(source).count
        sizes = (1, 1 + (self.below(5) == 0), 1 + self.below(2), 1 + self.below(3))
        strides = (0, self.below(3), self.below(24), 1)
        step, offset = self.below(4), self.below(2)
        if self.is_tame:
            # A cache as models have it: rows or columns side by side.
            step = sizes[3] + (self.below(2) == 0)
            if self.below(1):
                sizes, step = (1, 1, 1 + self.below(3), 1), 1
            sizes = (1, *sizes[1:])
            strides = (0, 0, step * self.positions + self.below(1), 1)
        spans = sum((size - 1) * each for size, each in zip(sizes, strides, strict=True))
        count = offset + spans + (self.positions - 1) * step + 1 + self.below(2)
        places = (0, (0, 0, self.below(4), self.pick((1, 1, 2))), offset, strides)
        slot = self.builder.free_slots[0]
        return Copy(slot, source, dtype, given, count, sizes, *places, 0, step)

    def read(self) -> None:
        """Multiply a row by a kept tensor, most often along what its appends wrote."""
        if not self.appends:
            return
        while not self.is_valid(product := self.product()):
            pass
        self.begin(product.dst_dtype, product.out_count)
        self.builder.add(product)

    def product(self) -> MatMul:
        """Return a product into a free slot."""
        slot = self.pick(sorted(self.appends))
        copy, kind = self.appends[slot], self.kind(slot)
        a = self.pick([each for each in self.made if self.kind(each).dtype in NARROW])
        stride, step = copy.dst_strides[2], copy.dst_step
        batches, cols = 1 + self.below(2), 1 + self.below(self.positions)
        length, walk = copy.sizes[3] - self.below(1), (stride, step)
        if copy.sizes[3] == 1:
            length, walk = self.positions - self.below(1), (cols * stride, stride)
        offset, zero = copy.dst_offset, 0
        match self.below(40 if self.is_tame else 12):
            case 0:
                offset = self.below(3)
            case 1:
                zero = self.below(2)
            case 2:
                walk = (self.below(9), self.below(9))
            case 3:
                length = 1 + self.below(6)
        rows = 1 + (self.below(4) == 0)
        a_walk = Walk(
            self.kind(a).count, self.below(2), self.below(3), self.below(3), self.below(2)
        )
        b_walk = Walk(kind.count, offset, *walk, zero)
        target, group = self.builder.free_slots[0], self.pick((1, 1, 2))
        head = (target, a, slot, self.pick((I32, I64)), self.kind(a).dtype, kind.dtype)
        return MatMul(*head, batches, rows, cols, max(length, 1), a_walk, b_walk, group)

    def other(self) -> None:
        """Do something else with what there is."""
        source = self.pick(self.made)
        dtype, count = self.kind(source).dtype, self.kind(source).count
        match self.below(5):
            case 0 if dtype not in (DType.U8, DType.I8):
                dst = self.begin(dtype, count)
                self.builder.add(Mask(dst, dtype, 1, count, source, 0, NONE, 0, 0, 0, -7))
            case 1:
                dst = self.begin(I64, 1)
                kind = ReduceKind(self.below(3))
                self.builder.add(Reduce(dst, source, 0, I64, dtype, NONE, 1, count, kind))
            case 2:
                narrow = self.pick(NARROW)
                dst = self.begin(narrow, count)
                head = (dst, narrow, 1, count, source, 0, dtype, NONE, 0, self.below(2))
                clamp = (narrow.minimum, narrow.maximum)
                self.builder.add(Scale(*head, 0, -1, self.below(3), 3, 0, *clamp, 0, 0))
            case 3:
                other = self.pick([*self.made, *(() if self.is_tame else self.appends)])
                if self.kind(other).count == count:
                    dst = self.begin(I64, count)
                    head = (dst, I64, 1, count, source, other, dtype, self.kind(other).dtype)
                    self.builder.add(Combine(*head, self.below(2), 0, 1, -(2**63), 2**63 - 1))
            case 4:
                table = self.builder.place(bytes(range(10)), 8)
                dst = self.begin(DType.U8, count)
                head = (dst, source, 0, DType.U8, dtype, NONE, 1, count)
                self.builder.add(Lookup(*head, 0, 5, 0, 10, table))
            case _:
                # A part of a tensor: what is not written stays 0.
                dst = self.begin(dtype, count + 2)
                sizes = (1, 1, 1, 1 + self.below(count - 1))
                places = (0, FLAT, self.below(2), FLAT)
                self.builder.add(Copy(dst, source, dtype, count, count + 2, sizes, *places))

    def end(self, tokens: int) -> None:
        """Make a token of what there is, store it, and halt in some runs."""
        count = self.kind(tokens).count
        total, token = self.begin(I64, 1), self.begin(I32, 1)
        source = self.made[-3]
        kind, given = self.pick((ReduceKind.SUM, ReduceKind.MAX)), self.kind(source)
        self.builder.add(Reduce(total, source, 0, I64, given.dtype, NONE, 1, given.count, kind))
        if self.below(3) == 0:
            drawn = self.begin(I64, 1)
            self.builder.add(Draw(drawn, 0, total, INPUTS, 8, 3))
            total = drawn
        head = (token, I32, 1, 1, total, 0, I64, NONE, 0, 0)
        self.builder.add(Scale(*head, 0, -1, 0, 1, 0, -4, 5, 0, 0))
        append = Copy(tokens, token, I32, 1, count, (1, 1, 1, 1), 0, FLAT, 0, FLAT, 0, 1)
        halts = [
            Halt(token, 0, INPUTS, self.pick(LENGTHS), tuple(self.rng.integers(-4, 6, 2).tolist()))
            for _ in range(self.pick((0, 1, 1, 2)))
        ]
        order = [append, *halts] if self.below(3) else [*halts, append]
        for instruction in order:
            self.builder.add(instruction)
