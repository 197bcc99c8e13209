"""The operators of one position: norms, products on the position's own scale, attention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpreter.operators import (
    Combine,
    CombineKind,
    Copy,
    Lookup,
    Mask,
    MatMul,
    Reduce,
    ReduceKind,
    Root,
    Rotate,
    Scale,
    ScaleMode,
    Walk,
)
from interpreter.operators.base import MAP_ELEMENTS
from interpreter.operators.scale import NO_PARAMS
from interpreter.tensors import DType

from ..errors import InvalidSource
from .arithmetic import (
    MAX_WEIGHT,
    MULTIPLIER_BITS,
    Array,
    Dyadic,
    Reals,
    dyadic,
    dyadic_all,
    nearest,
    quantise_rows,
)
from .draft import Draft, Tensor

I8, I16, I32, I64, NONE = DType.I8, DType.I16, DType.I32, DType.I64, DType.U8
ONE = Dyadic(1, 0)

STREAM_STEP = 2.0**-14
STREAM_LIMIT = (1 << 25) - 1
# Squares of a wider stream could pass 2**63 together.
WIDEST = 8192
WIDE_TOP = I16.maximum
# Scores, and logits that are sampled, in nats: steps and entries of their tables of weights.
SCORE_STEP, SCORE_ENTRIES = 2.0**-9, 1 << 13
TURN_BITS = 14

_SCORE_LIMIT, _SCORE_FILL = 1 << 28, -(1 << 29)
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


def scaled(
    draft: Draft,
    x: Tensor,
    dtype: DType,
    factor: Dyadic = ONE,
    *,
    params: int = NO_PARAMS,
    bias: int = 0,
    mode: ScaleMode = ScaleMode.PLAIN,
    by: Tensor | None = None,
    by_offset: int = 0,
    limit: int | None = None,
) -> Tensor:
    """Return `x` on another scale, within `±limit` (none: the dtype's range).

    With `params` each column has its own multiplier, and only the factor's shift counts.
    """
    y = draft.begin(dtype, x.rows, x.cols)
    slot, kind, count = (by.slot, by.dtype, by.count) if by else (0, NONE, 0)
    low, high = (dtype.minimum, dtype.maximum) if limit is None else (-limit, limit)
    head = (
        y.slot,
        dtype,
        x.rows,
        x.cols,
        x.slot,
        slot,
        x.dtype,
        kind,
        mode,
        factor.shift,
        0,
        params,
    )
    common = (bias, factor.multiplier if params == NO_PARAMS else 0)
    draft.put(Scale(*head, *common, 0, low, high, count, by_offset))
    return y


def reduced(draft: Draft, x: Tensor, kind: ReduceKind, dtype: DType = I64) -> Tensor:
    """Return one element for each row."""
    y = draft.begin(dtype, 1, x.rows)
    draft.put(Reduce(y.slot, x.slot, 0, dtype, x.dtype, NONE, x.rows, x.cols, kind))
    return y


def combined(
    draft: Draft, a: Tensor, b: Tensor, kind: CombineKind, dtype: DType, shift: int, limit: int
) -> Tensor:
    """Return `a ∘ b / 2**shift` within `±limit`."""
    y = draft.begin(dtype, a.rows, a.cols)
    head = (y.slot, dtype, a.rows, a.cols, a.slot, b.slot, a.dtype, b.dtype)
    draft.put(Combine(*head, kind, 0, shift, -limit, limit))
    return y


def rms_norm(draft: Draft, x: Tensor, weights: Array, epsilon: float) -> Real:
    """Return the normalised stream as i16; a step holds the largest value that can occur."""
    width = x.cols
    gain = np.asarray(weights, np.float64) * np.sqrt(width)
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
    params = columns(draft, multipliers)
    factor, mode = Dyadic(0, _GAIN_BITS - root_bits), ScaleMode.DIVIDE
    y = scaled(draft, x, I16, factor, params=params, mode=mode, by=root, limit=WIDE_TOP)
    draft.free(squares, moved, root)
    return Real(y, step)


def columns(draft: Draft, multipliers: Array) -> int:
    """Store a multiplier for each column, with no bias, and return where."""
    pairs = np.zeros((len(multipliers), 2), "<i4")
    pairs[:, 1] = multipliers
    return draft.leaves_of(pairs)


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
    weights: Reals,
    steps: Reals | float,
    dtype: DType,
    limit: int,
    weight_bytes: int,
) -> Tensor:
    """Return `weights · x` in units of `steps`, one for each output or one for all.

    `weight_bytes`: 1, or 2 for a second product with what the rounding of the first left.
    """
    coarse, row_steps = quantise_rows(weights)
    reach = int(np.abs(coarse.astype(np.int64)).sum(axis=1).max()) * x.top
    sums = _sums(draft, x, coarse, reach)
    if weight_bytes == 2:
        rest = np.asarray(weights, np.float64) - coarse * row_steps[:, None]
        row_steps = row_steps / _FINE
        fine = nearest(rest / row_steps[:, None]).astype(np.int8)
        reach = (reach + weights.shape[1] * x.top) * _FINE
        # What the multiplier needs is shifted away; it is far below the rounding of the inputs.
        shift = max(0, reach.bit_length() - _SUM_BITS)
        sums = _joined(
            draft, sums, _sums(draft, x, fine, weights.shape[1] * MAX_WEIGHT * x.top), shift
        )
        row_steps, reach = row_steps * 2.0**shift, reach >> shift
    bits = min(MULTIPLIER_BITS, _PRODUCT_BITS - reach.bit_length() - WIDE_TOP.bit_length())
    if bits < _LEAST_BITS:
        raise InvalidSource(f"sums of {weights.shape[1]} products leave no bits for a scale")
    multipliers, shift = dyadic_all(row_steps * x.step / (x.top * np.asarray(steps)), bits)
    params = columns(draft, multipliers)
    mode = ScaleMode.MULTIPLY
    factor = Dyadic(0, shift)
    y = scaled(draft, sums, dtype, factor, params=params, mode=mode, by=x.largest, limit=limit)
    draft.free(sums)
    return y


def _sums(draft: Draft, x: Dynamic, integers: npt.NDArray[np.int8], reach: int) -> Tensor:
    """Return the sums of products with constant weights, of which none passes `reach`."""
    outputs, inputs = integers.shape
    sums = draft.begin(I32 if reach <= I32.maximum else I64, 1, outputs)
    walks = (Walk(inputs, 0, 0, 0, 0), Walk(0, draft.bytes_of(integers), 0, inputs, 0))
    dtypes = (sums.dtype, x.row.dtype, I8)
    draft.put(MatMul(sums.slot, x.row.slot, 0, *dtypes, 1, 1, outputs, inputs, *walks, 1))
    return sums


def _joined(draft: Draft, coarse: Tensor, fine: Tensor, shift: int) -> Tensor:
    """Return `(coarse · _FINE + fine) / 2**shift`; both are freed."""
    wide = scaled(draft, coarse, I64, Dyadic(_FINE, 0))
    y = combined(draft, wide, fine, CombineKind.ADD, I64, shift, I64.maximum)
    draft.free(coarse, fine, wide)
    return y


@dataclass(frozen=True, slots=True)
class Turns:
    """Where the cosines and sines of each position lie, in `2**-TURN_BITS`."""

    table: int
    positions: int


@dataclass(frozen=True, slots=True)
class Heads:
    """How queries share the kept keys and values: `[kv_heads, context, head]` and transposed."""

    heads: int
    kv_heads: int
    head: int
    context: int

    @property
    def group(self) -> int:
        """Return the queries that share a key."""
        return self.heads // self.kv_heads


def rotated(draft: Draft, x: Tensor, dtype: DType, head: int, turns: Turns, finer: int) -> Tensor:
    """Return heads of i16, which are freed, turned by their position; units grow by `2**finer`."""
    y = draft.begin(dtype, 1, x.cols)
    limits = (-dtype.maximum, dtype.maximum)
    tail = (TURN_BITS + finer, turns.table, turns.positions)
    draft.put(Rotate(y.slot, dtype, 1, x.cols, x.slot, x.dtype, head, *tail, *limits))
    draft.free(x)
    return y


def append_key(draft: Draft, kept: Tensor, key: Tensor, heads: Heads) -> None:
    """Copy the position's keys to their row."""
    sizes = (1, 1, heads.kv_heads, heads.head)
    length = heads.context * heads.head
    places = (0, (0, 0, heads.head, 1), 0, (0, 0, length, 1), 0, heads.head)
    draft.put(Copy(kept.slot, key.slot, kept.dtype, key.count, kept.count, sizes, *places))


def append_value(draft: Draft, kept: Tensor, value: Tensor, heads: Heads) -> None:
    """Copy the position's values to their column."""
    sizes = (1, 1, value.count, 1)
    places = (0, (0, 0, 1, 0), 0, (0, 0, heads.context, 1), 0, 1)
    draft.put(Copy(kept.slot, value.slot, kept.dtype, value.count, kept.count, sizes, *places))


def attention(
    draft: Draft, query: Tensor, keys: Tensor, values: Real, heads: Heads, score_step: float
) -> Real:
    """Return the context i16 of one position. `score_step`: of a query times a key, in nats."""
    h = heads
    products = draft.begin(I64, h.heads, h.context)
    walks = (
        Walk(query.count, 0, h.head, 0, 0),
        Walk(keys.count, 0, h.context * h.head, h.head, 0),
    )
    dtypes = (I64, query.dtype, keys.dtype)
    sizes = (h.heads, 1, h.context, h.head)
    draft.put(MatMul(products.slot, query.slot, keys.slot, *dtypes, *sizes, *walks, h.group))
    factor = dyadic(score_step / SCORE_STEP)
    scores = scaled(draft, products, I32, factor, limit=_SCORE_LIMIT)
    masked = draft.begin(I32, h.heads, h.context)
    tail = (0, NONE, 0, 0, 0, _SCORE_FILL)
    draft.put(Mask(masked.slot, I32, h.heads, h.context, scores.slot, *tail))
    draft.free(products, scores)
    weights = exponents(draft, masked, I16, WIDE_TOP)
    draft.free(masked)
    total = reduced(draft, weights, ReduceKind.SUM)
    sums = draft.begin(I64, h.heads, h.head)
    walks = (
        Walk(weights.count, 0, h.context, 0, 0),
        Walk(values.tensor.count, 0, h.head * h.context, h.context, 0),
    )
    dtypes = (I64, I16, values.tensor.dtype)
    sizes = (h.heads, 1, h.head, h.context)
    draft.put(MatMul(sums.slot, weights.slot, values.tensor.slot, *dtypes, *sizes, *walks, h.group))
    draft.free(weights)
    padded = _moved(draft, sums, -(-h.head // MAP_ELEMENTS) * MAP_ELEMENTS)
    # A mean of values is no larger than the largest: bits that i8 leaves are used.
    finer = I16.maximum // values.tensor.dtype.maximum
    factor, mode = Dyadic(finer, 0), ScaleMode.DIVIDE
    mean = scaled(draft, padded, I16, factor, mode=mode, by=total, limit=WIDE_TOP)
    draft.free(padded, total)
    return Real(_moved(draft, mean, h.head).reshaped(1, h.heads * h.head), values.step / finer)


def _moved(draft: Draft, x: Tensor, cols: int) -> Tensor:
    """Return `x`, which is freed, with other columns: new ones are 0, those too many are lost."""
    if cols == x.cols:
        return x
    y = draft.begin(x.dtype, x.rows, cols)
    sizes = (1, 1, x.rows, min(cols, x.cols))
    places = (0, (0, 0, x.cols, 1), 0, (0, 0, cols, 1))
    draft.put(Copy(y.slot, x.slot, x.dtype, x.count, y.count, sizes, *places))
    draft.free(x)
    return y


def exponents(draft: Draft, x: Tensor, dtype: DType, top: int) -> Tensor:
    """Return `top · exp(x − max)` of each row; what is 16 nats below the largest weighs nothing."""
    table = nearest(top * np.exp(-np.arange(SCORE_ENTRIES) * SCORE_STEP))
    table[-1] = 0
    largest = reduced(draft, x, ReduceKind.MAX)
    y = draft.begin(dtype, x.rows, x.cols)
    place = draft.table_of(table.astype(dtype.numpy))
    head = (y.slot, x.slot, largest.slot, dtype, x.dtype, I64, x.rows, x.cols)
    draft.put(Lookup(*head, 1, 0, 0, SCORE_ENTRIES, place))
    draft.free(largest)
    return y
