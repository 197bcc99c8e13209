"""The operators of one position: norms, products on the position's own scale, odds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from interpreter.operators import (
    CombineKind,
    MatMul,
    ReduceKind,
    Root,
    ScaleMode,
    Walk,
)
from interpreter.tensors import DType

from ..errors import InvalidSource
from .arithmetic import (
    MAX_WEIGHT,
    MULTIPLIER_BITS,
    Array,
    Dyadic,
    Reals,
    dyadic_all,
    in_steps,
    nearest,
    require_finite,
    row_steps,
)
from .draft import Draft, Tensor
from .elements import I8, I16, I32, I64, combined, looked_up, parameters, reduced, scaled
from .matrices import Matrix, over_blocks

STREAM_STEP = 2.0**-14
STREAM_LIMIT = (1 << 25) - 1
# Squares of a wider stream could pass 2**63 together.
WIDEST = 8192
WIDE_TOP = I16.maximum
# Scores, and logits that are sampled, in nats: steps and entries of their tables of weights.
SCORE_STEP, SCORE_ENTRIES = 2.0**-9, 1 << 13

_GAIN_BITS = 15
# No value may pass 2**62, so that a rounded quotient is exact too.
_PRODUCT_BITS = 62
# Fine weights are so much finer than coarse ones; their sums keep so many bits.
_FINE, _SUM_BITS = 254, 25
_LEAST_BITS = 12


@dataclass(frozen=True, slots=True)
class Real:
    """A tensor and what one unit of it is worth."""

    tensor: Tensor
    step: float


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A row on its own scale: `row · largest / top` are units of `step`; `|largest|` < 2**15."""

    row: Tensor
    largest: Tensor
    top: int
    step: float

    def free(self, draft: Draft) -> None:
        """Give both registers back."""
        draft.free(self.row, self.largest)


def rms_norm(draft: Draft, x: Tensor, weights: Array, epsilon: float) -> Real:
    """Return the normalised stream as i16; a step holds the largest value that can occur."""
    width = x.cols
    gain = np.asarray(weights, np.float64) * np.sqrt(width)
    require_finite(float(np.abs(gain).max()))
    # No element of a vector is larger than its length.
    step = max(float(np.abs(gain).max()), 1e-9) / WIDE_TOP
    extra = round(epsilon * width / STREAM_STEP**2)
    if width > WIDEST or extra > I32.maximum:
        raise InvalidSource(f"RMSNorm of {width} elements with epsilon {epsilon} passes 64 bits")
    squares = reduced(draft, x, ReduceKind.SQUARES)
    moved = scaled(draft, squares, I64, bias=extra)
    root_bits = max(0, (_PRODUCT_BITS - (width * STREAM_LIMIT**2 + extra).bit_length()) // 2)
    root_bits = min(root_bits, _GAIN_BITS)
    root = draft.begin(I64, 1, 1)
    draft.put(Root(root.slot, I64, 1, 1, moved.slot, 2 * root_bits))
    # The gain is exact to 2**-15 of the largest.
    multipliers = nearest(gain / step * 2.0**_GAIN_BITS)
    params = parameters(draft, multipliers)
    factor, mode = Dyadic(0, _GAIN_BITS - root_bits), ScaleMode.DIVIDE
    y = scaled(draft, x, I16, factor, params=params, mode=mode, by=root, limit=WIDE_TOP)
    draft.free(squares, moved, root)
    return Real(y, step)


def on_own_scale(draft: Draft, x: Real, dtype: DType) -> Dynamic:
    """Return a row of i16 as i8 or i16 whose largest magnitude is the dtype's."""
    top = dtype.maximum
    largest = reduced(draft, x.tensor, ReduceKind.MAXABS, I32)
    mode = ScaleMode.DIVIDE
    row = scaled(draft, x.tensor, dtype, Dyadic(top, 0), mode=mode, by=largest, limit=top)
    return Dynamic(row, largest, top, x.step)


def linear(
    draft: Draft,
    x: Dynamic,
    weights: Matrix,
    steps: Reals | float,
    dtype: DType,
    limit: int,
    weight_bytes: int,
) -> Tensor:
    """Return `weights · x` in units of `steps`, one for each output or one for all.

    `weight_bytes`: 1, or 2 for a second product with what the rounding of the first left.
    """
    outputs, inputs = weights.shape
    row_units = np.empty(outputs)
    place, weight_sum = _store_coarse(draft, weights, row_units)
    reach = weight_sum * x.top
    sums = _sums(draft, x, weights.shape, place, reach)
    if weight_bytes == 2:
        place = _store_fine(draft, weights, row_units)
        fine = _sums(draft, x, weights.shape, place, inputs * MAX_WEIGHT * x.top)
        reach = (reach + inputs * x.top) * _FINE
        # What the multiplier needs is shifted away; it is far below the rounding of the inputs.
        shift = max(0, reach.bit_length() - _SUM_BITS)
        sums = _joined(draft, sums, fine, shift)
        row_units, reach = row_units / _FINE * 2.0**shift, reach >> shift
    bits = min(MULTIPLIER_BITS, _PRODUCT_BITS - reach.bit_length() - WIDE_TOP.bit_length())
    if bits < _LEAST_BITS:
        raise InvalidSource(f"sums of {inputs} products leave no bits for a scale")
    multipliers, shift = dyadic_all(row_units * x.step / (x.top * np.asarray(steps)), bits)
    params = parameters(draft, multipliers)
    mode = ScaleMode.MULTIPLY
    factor = Dyadic(0, shift)
    y = scaled(draft, sums, dtype, factor, params=params, mode=mode, by=x.largest, limit=limit)
    draft.free(sums)
    return y


def _store_coarse(draft: Draft, weights: Matrix, row_units: Reals) -> tuple[int, int]:
    """Store weights as i8 and return where, and the largest sum of a row's magnitudes.

    `row_units: f64[outputs]` takes the step of each row.
    """

    def work(rows: slice, block: Array) -> tuple[Array, int]:
        row_units[rows] = row_steps(block)
        integers = in_steps(block, row_units[rows], np.int8)
        return integers, int(np.abs(integers).sum(axis=1, dtype=np.int64).max())

    largest = 0

    def blocks() -> Iterator[Array]:
        nonlocal largest
        for integers, weight_sum in over_blocks(weights, work):
            largest = max(largest, weight_sum)
            yield integers

    return draft.rows_of(blocks()), largest


def _store_fine(draft: Draft, weights: Matrix, row_units: Reals) -> int:
    """Store what the coarse weights' rounding left, `_FINE` times finer, and return where."""

    def work(rows: slice, block: Array) -> Array:
        units = row_units[rows, None]
        rest = np.asarray(block, np.float64) - in_steps(block, row_units[rows], np.int8) * units
        return nearest(rest / (units / _FINE)).astype(np.int8)

    return draft.rows_of(over_blocks(weights, work))


def _sums(draft: Draft, x: Dynamic, shape: tuple[int, ...], place: int, reach: int) -> Tensor:
    """Return the sums of products with constant weights, of which none passes `reach`."""
    outputs, inputs = shape
    sums = draft.begin(I32 if reach <= I32.maximum else I64, 1, outputs)
    walks = (Walk(inputs, 0, 0, 0, 0), Walk(0, place, 0, inputs, 0))
    dtypes = (sums.dtype, x.row.dtype, I8)
    draft.put(MatMul(sums.slot, x.row.slot, 0, *dtypes, 1, 1, outputs, inputs, *walks, 1))
    return sums


def _joined(draft: Draft, coarse: Tensor, fine: Tensor, shift: int) -> Tensor:
    """Return `(coarse · _FINE + fine) / 2**shift`; both are freed."""
    wide = scaled(draft, coarse, I64, Dyadic(_FINE, 0))
    y = combined(draft, wide, fine, CombineKind.ADD, I64, shift, I64.maximum)
    draft.free(coarse, fine, wide)
    return y


def exponents(draft: Draft, x: Tensor, dtype: DType, top: int) -> Tensor:
    """Return `top · exp(x − max)` of each row; what is 16 nats below the largest weighs nothing."""
    table = nearest(top * np.exp(-np.arange(SCORE_ENTRIES) * SCORE_STEP))
    table[-1] = 0
    largest = reduced(draft, x, ReduceKind.MAX)
    y = looked_up(draft, x, table, dtype, largest)
    draft.free(largest)
    return y
