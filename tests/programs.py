"""Random small programs over every operator, for tests of the machine, the backend and the game.

`random_program(rng)` gives a valid program; `style` says what its constants are like:

    plain    realistic scales, free weights
    fast     as plain, and everything that the fast backend's range analysis asks for
    hostile  extreme biases and scales of any bit pattern: NaN, infinite, negative, subnormal
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Literal

import numpy as np

from interpreter.operators import (
    Add,
    Clip,
    Conv,
    Copy,
    MaxPool,
    Table,
    Window,
)
from interpreter.program import Opcode, Program
from interpreter.tensors import DType, TensorType

from .builder import ProgramBuilder

OPCODES = (
    Opcode.CONV,
    Opcode.MAXPOOL,
    Opcode.ADD,
    Opcode.CLIP,
    Opcode.TABLE,
    Opcode.COPY,
)
"""The operators that these programs are made of, besides control."""
Style = Literal["plain", "fast", "hostile"]
BYTES = (DType.U8, DType.I8)
MAX_STEPS = 6000
HOSTILE_SCALES = (0, 1, 0x7F800000, 0x7FC00000, 0x80000000, 0xBF800000, 0x00800000, 0x7F7FFFFF)


def random_input(program: Program, rng: np.random.Generator) -> np.ndarray:
    """Return the bytes `u8[n]` of a random input; some are extreme."""
    count = program.header.input_type.byte_count
    data = rng.integers(0, 256, count, dtype=np.uint8)
    if rng.random() < 0.25:
        data = rng.choice(np.array([0, 127, 128, 255], np.uint8), count)
    return data


def random_program(
    rng: np.random.Generator,
    style: Style = "plain",
    operators: int = 6,
    max_count: int = 600,
    max_steps: int = MAX_STEPS,
) -> Program:
    """Return a valid program of about `operators` operators besides control.

    `max_count` bounds a tensor's elements, `max_steps` (roughly) the steps.
    """
    maker = _Maker(rng, style, max_count)
    builder = maker.builder
    kinds = list(maker.recipes)
    for _ in range(operators):
        before = (list(builder.instructions), len(builder.constants), dict(builder.table))
        done = maker.recipes[kinds[int(rng.integers(len(kinds)))]]()
        if not done or builder.steps > max_steps:
            builder.instructions, length, builder.table = before
            del builder.constants[length:]
        maker.tidy()
    return maker.finish()


def random_instruction_program(
    rng: np.random.Generator, opcode: Opcode, style: Style = "plain", max_count: int = 600
) -> Program:
    """Return a valid program whose one operator besides control has `opcode`."""
    while True:
        maker = _Maker(rng, style, max_count, slot_depth=2)
        if maker.recipes[opcode]() and maker.builder.steps <= 4 * MAX_STEPS:
            return maker.finish()


class _Maker:
    """Draws operators whose operands exist and whose sizes stay small."""

    def __init__(
        self, rng: np.random.Generator, style: Style, max_count: int, slot_depth: int | None = None
    ) -> None:
        self.rng, self.style, self.max_count = rng, style, max_count
        depth = int(rng.integers(1, 5)) if slot_depth is None else slot_depth
        is_wide = style != "fast" and rng.random() < 0.1
        dtype = DType(int(rng.integers(2, 5))) if is_wide else self.byte_dtype()
        kind = TensorType(dtype, int(rng.integers(1, max_count + 1)))
        if rng.random() < 0.7:
            kind = TensorType(dtype, self.divisible(kind.count))
        self.builder = ProgramBuilder(kind, depth, int(rng.integers(1 << depth)))
        self.written: list[int] = []
        self.recipes: dict[Opcode, Callable[[], bool]] = {
            Opcode.CONV: self.conv,
            Opcode.MAXPOOL: self.max_pool,
            Opcode.ADD: self.sum,
            Opcode.CLIP: self.clip,
            Opcode.TABLE: self.look_up,
            Opcode.COPY: self.copy,
        }

    def finish(self) -> Program:
        """Close the program; an operator is added if nothing was written yet."""
        if not self.written:
            self.begin(self.builder.input_kind)
        slot = self.pick([s for s in self.written if s in self.builder.table])
        return self.builder.finish(slot)

    def tidy(self) -> None:
        """Free slots at random, and always where none is empty."""
        builder = self.builder
        live = [s for s in builder.table if s != builder.input_slot]
        while live and (not builder.free_slots or (len(live) > 1 and self.rng.random() < 0.3)):
            if len(live) == 1 and builder.slot_depth == 1:
                break
            slot = self.pick(live)
            builder.free(slot)
            live.remove(slot)
        self.written = [s for s in self.written if s in builder.table]

    # Draws

    def pick(self, values: Sequence[int]) -> int:
        """Return one of the values."""
        return values[int(self.rng.integers(len(values)))]

    def up_to(self, high: int) -> int:
        """Return an integer in [1, high]."""
        return int(self.rng.integers(1, high + 1))

    def byte_dtype(self) -> DType:
        """Return u8 mostly, else i8."""
        return DType.U8 if self.rng.random() < 0.65 else DType.I8

    def divisible(self, count: int) -> int:
        """Return a number near `count` with small divisors."""
        small = self.pick((4, 6, 8, 12, 16, 18, 24))
        return min(max(count // small, 1) * small, self.max_count)

    def zero_point(self, dtype: DType) -> int:
        """Return a zero point; the ends of the range are likely."""
        middle = int(self.rng.integers(dtype.minimum, dtype.maximum + 1))
        return self.pick((dtype.minimum, dtype.maximum, middle, middle))

    def clamp(self, dtype: DType) -> tuple[int, int]:
        """Return `(low, high)`: the full range mostly."""
        if self.rng.random() < 0.7:
            return dtype.minimum, dtype.maximum
        low, high = sorted(int(v) for v in self.rng.integers(dtype.minimum, dtype.maximum + 1, 2))
        return low, high

    def source(self, *, only_bytes: bool = True, count: int | None = None) -> int | None:
        """Return a live slot that fits, or None."""
        fits = [
            slot
            for slot, kind in self.builder.table.items()
            if (not only_bytes or kind.dtype in BYTES) and count in (None, kind.count)
        ]
        if not fits:
            return None
        written = [slot for slot in fits if slot in self.written]
        return self.pick(written if written and self.rng.random() < 0.75 else fits)

    def begin(self, kind: TensorType, *sources: int) -> int:
        """Return a destination: a new one, or at times one that was written before."""
        reusable = [
            slot
            for slot in self.written
            if self.builder.table.get(slot) == kind and slot not in sources
        ]
        if reusable and self.rng.random() < 0.3:
            return self.pick(reusable)
        if not self.builder.free_slots:
            victim = self.pick(
                [s for s in self.builder.table if s not in (*sources, self.builder.input_slot)]
            )
            self.builder.free(victim)
        slot = self.builder.begin(kind, self.pick(self.builder.free_slots))
        self.written = [*(s for s in self.written if s != slot), slot]
        return slot

    def can_begin(self, *sources: int) -> bool:
        """Say whether a destination besides the sources can exist."""
        return len({*sources, self.builder.input_slot}) < 1 << self.builder.slot_depth

    def shape(self, count: int) -> tuple[int, int, int]:
        """Split an element count into `(height, width, channels)`."""
        channels = self.pick([d for d in range(1, count + 1) if count % d == 0])
        rest = count // channels
        height = self.pick([d for d in range(1, rest + 1) if rest % d == 0])
        return height, rest // height, channels

    def window(self, count: int, max_taps: int = 16) -> Window | None:
        """Return a window over `count` elements, its last taps possibly outside."""
        height, width, channels = self.shape(count)
        kernel = self.up_to(4), self.up_to(4)
        if kernel[0] * kernel[1] > max_taps:
            return None
        stride = self.up_to(3), self.up_to(3)
        dilation = (self.up_to(2), self.up_to(2)) if self.rng.random() < 0.5 else (1, 1)
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        pad = int(self.rng.integers(0, kernel[0])), int(self.rng.integers(0, kernel[1]))
        ends = [int(self.rng.integers(0, k)) for k in kernel]
        sizes = [
            (size + before + after - span) // step + 1
            for size, before, after, span, step in zip(
                (height, width), pad, ends, spans, stride, strict=True
            )
        ]
        if min(sizes) < 1:
            if self.style == "fast":
                return None
            sizes = [self.up_to(2), self.up_to(2)]
        out = sizes[0], sizes[1]
        return Window(height, width, channels, *out, *kernel, *stride, *pad, *dilation)

    # Operators

    def conv(self) -> bool:
        """Append a convolution: dense, grouped, depthwise, or fully connected."""
        slot = self.source()
        if slot is None or not self.can_begin(slot):
            return False
        count = self.builder.table[slot].count
        if self.rng.random() < 0.2:
            window: Window | None = Window(1, 1, count, 1, 1)
        else:
            window = self.window(count)
        if window is None:
            return False
        channels = window.channels
        groups = self.pick([d for d in range(1, channels + 1) if channels % d == 0])
        groups = self.pick((1, groups, channels))
        positions = window.out_height * window.out_width
        limit = self.max_count // (positions * groups)
        if limit < 1:
            return False
        out_channels = groups * self.up_to(min(limit, 6))
        size = window.kernel_height * window.kernel_width * (channels // groups)
        if positions * out_channels * (size + 200) > 400_000:
            return False
        dtype = self.byte_dtype()
        dst = self.begin(TensorType(dtype, positions * out_channels), slot)
        a_dtype = self.builder.table[slot].dtype
        weights = self.weights((out_channels, size), window, channels // groups)
        bias, scale_bits = self.params(weights, a_dtype)
        self.builder.place(bytes(int(self.rng.integers(0, 40))))
        self.builder.add(
            Conv(
                dst,
                slot,
                dtype,
                a_dtype,
                window,
                out_channels,
                groups,
                self.zero_point(a_dtype),
                self.zero_point(dtype),
                *self.clamp(dtype),
                self.builder.place(weights.tobytes()),
                self.builder.place_params(bias, scale_bits),
            )
        )
        return True

    def weights(self, shape: tuple[int, int], window: Window, depth: int) -> np.ndarray:
        """Return weights `i8[out_channels, kernel]`; pair-safe ones in the style `fast`."""
        w = self.rng.integers(-128, 128, shape)
        if self.rng.random() < 0.3:
            w = self.rng.choice(np.array([-128, -127, 127, 1, 0]), shape)
        if self.style != "fast":
            return w.astype(np.int8)
        # Magnitudes of at most 64 are pair-safe in any order; one lone large weight is too.
        w = np.clip(w, -64, 64)
        if shape[1] == 1:
            w = self.rng.integers(-127, 128, shape)
        elif self.rng.random() < 0.5:
            w[:, 0], w[:, 1:] = self.rng.choice((-127, 127)), w[:, 1:] // 64
        return w.astype(np.int8)

    def params(self, weights: np.ndarray, dtype: DType) -> tuple[np.ndarray, np.ndarray]:
        """Return `(bias, scale bits)` of each output channel."""
        rng, count = self.rng, len(weights)
        spread = np.sqrt((weights.astype(np.float64) ** 2).sum(axis=1)) * 100 + 100
        scale = (rng.uniform(30, 300, count) / spread).astype(np.float32)
        bias = rng.normal(0, spread / 2).astype(np.int64)
        if rng.random() < 0.3:
            # Powers of two make exact ties.
            scale = (2.0 ** -rng.integers(1, 12, count)).astype(np.float32)
        bits = scale.view(np.uint32).copy()
        if self.style == "hostile":
            bias = rng.integers(-(2**31), 2**31, count) >> rng.integers(0, 32, count)
            is_odd = rng.random(count) < 0.5
            bits[is_odd] = rng.integers(0, 2**32, int(is_odd.sum()), dtype=np.uint32)
            is_odd = rng.random(count) < 0.3
            bits[is_odd] = rng.choice(np.array(HOSTILE_SCALES, np.uint32), int(is_odd.sum()))
        return bias, bits

    def max_pool(self) -> bool:
        """Append a max pool."""
        slot = self.source()
        if slot is None or not self.can_begin(slot):
            return False
        kind = self.builder.table[slot]
        window = self.window(kind.count)
        if window is None:
            return False
        count = window.out_height * window.out_width * window.channels
        if count > self.max_count:
            return False
        dst = self.begin(TensorType(kind.dtype, count), slot)
        self.builder.add(MaxPool(dst, slot, kind.dtype, window))
        return True

    def sum(self) -> bool:
        """Append an ADD of two tensors, or of one with itself."""
        a = self.source()
        if a is None:
            return False
        kind = self.builder.table[a]
        b = self.source(count=kind.count)
        b = a if b is None else b
        if not self.can_begin(a, b):
            return False
        b_kind = self.builder.table[b]
        q = self.pick((1, 3, 255, 1021, 1023, 2 * self.up_to(511) - 1))
        p1, p2 = (int(self.rng.integers(q // 4 + 1, q + q // 2 + 2)) for _ in range(2))
        if self.style == "hostile":
            p1, p2 = (self.pick((0, 1, 1 << 20, p1)) for _ in range(2))
        dtype = kind.dtype if self.style == "fast" else self.byte_dtype()
        if self.style == "fast" and b_kind.dtype != kind.dtype:
            return False
        dst = self.begin(TensorType(dtype, kind.count), a, b)
        zeros = (self.zero_point(kind.dtype), self.zero_point(b_kind.dtype), self.zero_point(dtype))
        dtypes = (kind.dtype, b_kind.dtype)
        self.builder.add(
            Add(dst, dtype, kind.count, a, b, *dtypes, p1, p2, q, *zeros, *self.clamp(dtype))
        )
        return True

    def clip(self) -> bool:
        """Append a CLIP."""
        slot = self.source()
        if slot is None or not self.can_begin(slot):
            return False
        kind = self.builder.table[slot]
        dst = self.begin(kind, slot)
        self.builder.add(Clip(dst, kind.dtype, kind.count, slot, *self.clamp(kind.dtype)))
        return True

    def look_up(self) -> bool:
        """Append a TABLE."""
        slot = self.source()
        if slot is None or not self.can_begin(slot):
            return False
        kind = self.builder.table[slot]
        dtype = self.byte_dtype()
        dst = self.begin(TensorType(dtype, kind.count), slot)
        table = self.builder.place(self.rng.integers(0, 256, 256, np.uint8).tobytes(), 256)
        self.builder.add(Table(dst, dtype, kind.count, slot, kind.dtype, table))
        return True

    def copy(self) -> bool:
        """Append COPYs: a concatenation, a transpose, or a random affine map."""
        slot = self.source(only_bytes=False)
        if slot is None or not self.can_begin(slot):
            return False
        recipe = (self.concatenate, self.transpose, self.affine)[int(self.rng.integers(3))]
        return recipe(slot)

    def concatenate(self, slot: int) -> bool:
        """Join two views of a tensor along the last axis, as COPYs into one destination."""
        kind = self.builder.table[slot]
        height, width, channels = self.shape(kind.count)
        other = self.source(only_bytes=False, count=kind.count)
        other = slot if other is None or self.builder.table[other] != kind else other
        if not self.can_begin(slot, other) or 2 * kind.count > 2 * self.max_count:
            return False
        total = TensorType(kind.dtype, 2 * kind.count)
        dst = self.begin(total, slot, other)
        sizes = (1, height, width, channels)
        strides = (0, width * channels, channels, 1)
        targets = (0, 2 * width * channels, 2 * channels, 1)
        for position, part in enumerate((slot, other)):
            offsets = (0, strides, position * channels, targets)
            self.builder.add(Copy(dst, part, kind.dtype, kind.count, total.count, sizes, *offsets))
        return True

    def transpose(self, slot: int) -> bool:
        """Permute the axes of a tensor."""
        kind = self.builder.table[slot]
        shape = self.shape(kind.count)
        order = [int(axis) for axis in self.rng.permutation(3)]
        strides = (shape[1] * shape[2], shape[2], 1)
        sizes = [shape[axis] for axis in order]
        dst = self.begin(kind, slot)
        self.builder.add(
            Copy(
                dst,
                slot,
                kind.dtype,
                kind.count,
                kind.count,
                (1, sizes[0], sizes[1], sizes[2]),
                0,
                (0, strides[order[0]], strides[order[1]], strides[order[2]]),
                0,
                (0, sizes[1] * sizes[2], sizes[2], 1),
            )
        )
        return True

    def affine(self, slot: int) -> bool:
        """Append a COPY under a random affine map, overlaps and gaps included."""
        kind = self.builder.table[slot]
        # Few rows of any length: the last axis may span several leaves.
        last = self.up_to(min(kind.count, 300))
        sizes = (self.up_to(2), self.up_to(3), self.up_to(3), last)
        a_strides = [int(v) for v in self.rng.integers(0, 30, 3)]
        a_last = 1 if self.rng.random() < 0.6 else int(self.rng.integers(0, 3))
        spans = [(n - 1) * s for n, s in zip(sizes, (*a_strides, a_last), strict=True)]
        if sum(spans) >= kind.count:
            return False
        a_offset = int(self.rng.integers(0, kind.count - sum(spans)))
        dst_strides = [int(v) for v in self.rng.integers(0, 80, 3)]
        end = sum((n - 1) * s for n, s in zip(sizes, (*dst_strides, 1), strict=True)) + 1
        dst_offset = int(self.rng.integers(0, 300))
        dst_count = end + dst_offset + int(self.rng.integers(0, 50))
        if prod(sizes) > 2 * self.max_count or dst_count > 3 * self.max_count:
            return False
        dst = self.begin(TensorType(kind.dtype, dst_count), slot)
        self.builder.add(
            Copy(
                dst,
                slot,
                kind.dtype,
                kind.count,
                dst_count,
                sizes,
                a_offset,
                (a_strides[0], a_strides[1], a_strides[2], a_last),
                dst_offset,
                (dst_strides[0], dst_strides[1], dst_strides[2], 1),
            )
        )
        return True
