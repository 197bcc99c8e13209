"""The operators of linear layers, LayerNorm and attention."""

from __future__ import annotations

import numpy as np

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
    Scale,
    ScaleMode,
    Walk,
)
from interpreter.operators.scale import NO_PARAMS
from interpreter.tensors import DType

from .arithmetic import Array, Dyadic
from .draft import Draft, Tensor
from .parts import ROOT_BITS, Columns, Linear, Norm

# Scores, in steps of the exponent table; the fill is far below the lowest.
SCORE_LIMIT = 1 << 20
SCORE_FILL = -(1 << 22)
CONTEXT_LIMIT = 127
# A layer's contribution to the stream.
STREAM_LIMIT = 1 << 17


def scale(
    draft: Draft,
    x: Tensor,
    factor: Dyadic,
    dtype: DType,
    low: int,
    high: int,
    divisor: Tensor | None = None,
) -> Tensor:
    """Multiply by one factor; divide each row by its element of `divisor`, if given."""
    y = draft.begin(dtype, x.rows, x.cols)
    mode, slot, kind, count = ScaleMode.PLAIN, 0, DType.U8, 0
    if divisor:
        mode, slot, kind, count = ScaleMode.DIVIDE, divisor.slot, divisor.dtype, divisor.count
    head = (y.slot, dtype, x.rows, x.cols, x.slot, slot, x.dtype, kind, mode, factor.shift, 0)
    draft.put(Scale(*head, NO_PARAMS, 0, factor.multiplier, 0, low, high, count, 0))
    return y


def scale_columns(draft: Draft, x: Tensor, columns: Columns) -> Tensor:
    """Put each column onto its own scale."""
    y = draft.begin(columns.dtype, x.rows, x.cols)
    params = parameters(draft, columns.bias, columns.multiplier)
    head = (y.slot, y.dtype, x.rows, x.cols, x.slot, 0, x.dtype, DType.U8, ScaleMode.PLAIN)
    bounds = (columns.zero, columns.low, columns.high)
    draft.put(Scale(*head, columns.shift, 0, params, 0, 0, *bounds, 0, 0))
    return y


def parameters(draft: Draft, bias: Array, multiplier: Array) -> int:
    """Store a pair for each column and return where."""
    return draft.leaves_of(np.stack([bias, multiplier], axis=1).astype("<i4"))


def linear(draft: Draft, x: Tensor, part: Linear, rows: int | None = None) -> Tensor:
    """Multiply the first `rows` rows (none: all) by constant weights and scale the sums."""
    count = x.rows if rows is None else rows
    cols, length = part.weights.shape
    sums = draft.begin(sum_dtype(part, x.dtype), count, cols)
    weights = draft.bytes_of(part.weights)
    walks = (Walk(x.count, 0, 0, length, part.zero), Walk(0, weights, 0, length, 0))
    dtypes = (sums.dtype, x.dtype, DType.I8)
    draft.put(MatMul(sums.slot, x.slot, 0, *dtypes, 1, count, cols, length, *walks, 1))
    y = scale_columns(draft, sums, part.columns)
    draft.free(sums)
    return y


def reach(part: Linear, dtype: DType) -> int:
    """Return the largest magnitude that a sum of products with its bias can have."""
    widest = max(dtype.maximum - part.zero, part.zero - dtype.minimum)
    sums = np.abs(part.weights.astype(np.int64)).sum(axis=1) * widest
    return int((sums + np.abs(part.columns.bias.astype(np.int64))).max())


def sum_dtype(part: Linear, dtype: DType) -> DType:
    """Return the dtype in which no sum of products is cut."""
    return DType.I32 if reach(part, dtype) <= DType.I32.maximum else DType.I64


def add(draft: Draft, a: Tensor, b: Tensor) -> Tensor:
    """Return the i32 sum of two tensors of one step."""
    y = draft.begin(DType.I32, a.rows, a.cols)
    draft.put(_combine(y, a, b, CombineKind.ADD, 0))
    return y


def reduce(draft: Draft, y: Tensor, x: Tensor, kind: ReduceKind) -> None:
    """Fill `y`, one element for each row of `x`."""
    draft.put(Reduce(y.slot, x.slot, 0, y.dtype, x.dtype, DType.U8, x.rows, x.cols, kind))


def layer_norm(draft: Draft, x: Tensor, norm: Norm) -> Tensor:
    """Return the normalised rows of `x: i32`, which is freed."""
    sums = draft.begin(DType.I64, 1, x.rows)
    reduce(draft, sums, x, ReduceKind.SUM)
    limits = DType.I32.minimum, DType.I32.maximum
    mean = scale(draft, sums, norm.mean_factor, DType.I32, *limits)
    centred = draft.begin(DType.I32, x.rows, x.cols)
    draft.put(_combine(centred, x, mean, CombineKind.SUB, 1))
    draft.free(sums, mean, x)
    squares = draft.begin(DType.I64, 1, x.rows)
    reduce(draft, squares, centred, ReduceKind.SQUARES)
    root = draft.begin(DType.I64, 1, x.rows)
    draft.put(Root(root.slot, root.dtype, 1, root.cols, squares.slot, 2 * ROOT_BITS))
    y = draft.begin(DType.I16, x.rows, x.cols)
    params = parameters(draft, norm.bias, norm.gain)
    head = (y.slot, y.dtype, y.rows, y.cols, centred.slot, root.slot, centred.dtype, root.dtype)
    bounds = (0, norm.low, norm.high)
    draft.put(Scale(*head, ScaleMode.DIVIDE, 0, 1, params, 0, 0, *bounds, root.count, 0))
    draft.free(centred, squares, root)
    return y


def lookup(
    draft: Draft, x: Tensor, table: Array, dtype: DType, top: Tensor | None = None
) -> Tensor:
    """Return `table[x]`, or with `top` (i64, one for each row) `table[top − x]`."""
    y = draft.begin(dtype, x.rows, x.cols)
    place = draft.table_of(table)
    slot, kind, is_from_row = (top.slot, top.dtype, 1) if top else (0, DType.U8, 0)
    head = (y.slot, x.slot, slot, dtype, x.dtype, kind, x.rows, x.cols)
    draft.put(Lookup(*head, is_from_row, 0, 0, len(table), place))
    return y


def softmax_weights(
    draft: Draft, scores: Tensor, length_at: int, exponents: Array
) -> tuple[Tensor, Tensor]:
    """Return the weights i16 of masked scores i32, which are freed, and the sum of each row.

    `length_at`: the input's element that says how many columns are valid.
    """
    masked = draft.begin(DType.I32, scores.rows, scores.cols)
    given = draft.input
    tail = (given.slot, given.dtype, 1, given.count, length_at, SCORE_FILL)
    draft.put(Mask(masked.slot, masked.dtype, scores.rows, scores.cols, scores.slot, *tail))
    draft.free(scores)
    top = draft.begin(DType.I64, 1, scores.rows)
    reduce(draft, top, masked, ReduceKind.MAX)
    weights = lookup(draft, masked, exponents, DType.I16, top)
    draft.free(masked, top)
    total = draft.begin(DType.I64, 1, scores.rows)
    reduce(draft, total, weights, ReduceKind.SUM)
    return weights, total


def attention(
    draft: Draft,
    x: Tensor,
    heads: int,
    score: Dyadic,
    context: Dyadic,
    length_at: int,
    exponents: Array,
) -> Tensor:
    """Return the context i8 `[rows, width]` of queries, keys, values i8 `[rows, 3 · width]`."""
    rows, width = x.rows, x.cols // 3
    depth, count = width // heads, x.count
    products = draft.begin(DType.I32, heads * rows, rows)
    walks = (Walk(count, 0, depth, x.cols, 0), Walk(count, width, depth, x.cols, 0))
    dtypes = (DType.I32, DType.I8, DType.I8)
    sizes = (heads, rows, rows, depth)
    draft.put(MatMul(products.slot, x.slot, x.slot, *dtypes, *sizes, *walks, 1))
    scores = scale(draft, products, score, DType.I32, -SCORE_LIMIT, SCORE_LIMIT)
    draft.free(products)
    weights, total = softmax_weights(draft, scores, length_at, exponents)
    values = draft.begin(DType.I8, width, rows)
    # Values by channel: a product runs along neighbours, here the positions.
    sizes, strides = (1, heads, depth, rows), (0, depth, 1, x.cols)
    copied = (values.slot, x.slot, DType.I8, count, values.count, sizes)
    draft.put(Copy(*copied, 2 * width, strides, 0, (0, depth * rows, rows, 1)))
    draft.free(x)
    dtype = DType.I32 if 127 * int(exponents.max()) * rows <= DType.I32.maximum else DType.I64
    sums = draft.begin(dtype, heads * rows, depth)
    walks = (
        Walk(weights.count, 0, rows * rows, rows, 0),
        Walk(values.count, 0, depth * rows, rows, 0),
    )
    sizes, dtypes = (heads, rows, depth, rows), (dtype, DType.I16, DType.I8)
    draft.put(MatMul(sums.slot, weights.slot, values.slot, *dtypes, *sizes, *walks, 1))
    draft.free(weights, values)
    by_head = scale(draft, sums, context, DType.I8, -CONTEXT_LIMIT, CONTEXT_LIMIT, total)
    draft.free(sums, total)
    y = draft.begin(DType.I8, rows, width)
    sizes, strides = (1, heads, rows, depth), (0, rows * depth, depth, 1)
    copied = (y.slot, by_head.slot, DType.I8, y.count, y.count, sizes)
    draft.put(Copy(*copied, 0, strides, 0, (0, depth, width, 1)))
    draft.free(by_head)
    return y


def _combine(y: Tensor, a: Tensor, b: Tensor, kind: CombineKind, is_each: int) -> Combine:
    head = (y.slot, y.dtype, y.rows, y.cols, a.slot, b.slot, a.dtype, b.dtype)
    return Combine(*head, kind, is_each, 0, y.dtype.minimum, y.dtype.maximum)
