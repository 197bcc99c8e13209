"""The operators of linear layers, LayerNorm and attention."""

from __future__ import annotations

import numpy as np

from interpreter.operators import (
    CombineKind,
    Copy,
    Mask,
    MatMul,
    ReduceKind,
    Root,
    ScaleMode,
    Walk,
)
from interpreter.tensors import DType

from .arithmetic import MAX_WEIGHT, Array, Dyadic
from .draft import Draft, Tensor
from .elements import I8, I16, I32, I64, combined, looked_up, parameters, reduced, scaled
from .parts import ROOT_BITS, Columns, Linear, Norm

# Scores, in steps of the exponent table; the fill is far below the lowest.
SCORE_LIMIT = 1 << 20
SCORE_FILL = -(1 << 22)
# A layer's contribution to the stream.
STREAM_LIMIT = 1 << 17


def scale_columns(draft: Draft, x: Tensor, part: Columns) -> Tensor:
    """Put each column onto its own scale."""
    params = parameters(draft, part.multiplier, part.bias)
    factor, zero = Dyadic(0, part.shift), part.zero
    low, high = part.low, part.high
    return scaled(draft, x, part.dtype, factor, params=params, zero=zero, low=low, limit=high)


def linear(draft: Draft, x: Tensor, part: Linear, rows: int | None = None) -> Tensor:
    """Multiply the first `rows` rows (none: all) by constant weights and scale the sums."""
    count = x.rows if rows is None else rows
    cols, length = part.weights.shape
    sums = draft.begin(sum_dtype(part, x.dtype), count, cols)
    weights = draft.bytes_of(part.weights)
    walks = (Walk(x.count, 0, 0, length, part.zero), Walk(0, weights, 0, length, 0))
    dtypes = (sums.dtype, x.dtype, I8)
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
    return I32 if reach(part, dtype) <= I32.maximum else I64


def add(draft: Draft, a: Tensor, b: Tensor) -> Tensor:
    """Return the i32 sum of two tensors of one step."""
    return combined(draft, a, b, CombineKind.ADD, I32)


def layer_norm(draft: Draft, x: Tensor, norm: Norm) -> Tensor:
    """Return the normalised rows of `x: i32`, which is freed."""
    sums = reduced(draft, x, ReduceKind.SUM)
    mean = scaled(draft, sums, I32, norm.mean_factor)
    centred = combined(draft, x, mean, CombineKind.SUB, I32)
    draft.free(sums, mean, x)
    squares = reduced(draft, centred, ReduceKind.SQUARES)
    root = draft.begin(I64, 1, x.rows)
    draft.put(Root(root.slot, root.dtype, 1, root.cols, squares.slot, 2 * ROOT_BITS))
    params = parameters(draft, norm.gain, norm.bias)
    mode, limit = ScaleMode.DIVIDE, norm.limit
    y = scaled(draft, centred, I16, params=params, is_after=True, mode=mode, by=root, limit=limit)
    draft.free(centred, squares, root)
    return y


def softmax_weights(
    draft: Draft, scores: Tensor, length_at: int, exponents: Array
) -> tuple[Tensor, Tensor]:
    """Return the weights i16 of masked scores i32, which are freed, and the sum of each row.

    `length_at`: the input's element that says how many columns are valid.
    """
    masked = draft.begin(I32, scores.rows, scores.cols)
    given = draft.input
    tail = (given.slot, given.dtype, 1, given.count, length_at, SCORE_FILL)
    draft.put(Mask(masked.slot, masked.dtype, scores.rows, scores.cols, scores.slot, *tail))
    draft.free(scores)
    top = reduced(draft, masked, ReduceKind.MAX)
    weights = looked_up(draft, masked, exponents, I16, top)
    draft.free(masked, top)
    return weights, reduced(draft, weights, ReduceKind.SUM)


def attention(
    draft: Draft,
    x: Tensor,
    heads: int,
    score: Dyadic,
    context: Dyadic,
    length_at: int,
    exponents: Array,
) -> Tensor:
    """Return the context i8 `[rows, width]` of queries, keys, values i8 `[rows, 3 · width]`.

    `x` is freed.
    """
    products = _products(draft, x, heads)
    scores = scaled(draft, products, I32, score, limit=SCORE_LIMIT)
    draft.free(products)
    weights, total = softmax_weights(draft, scores, length_at, exponents)
    values = _by_channel(draft, x, heads)
    draft.free(x)
    sums = _weighted(draft, weights, values, heads, int(exponents.max()))
    draft.free(weights, values)
    mode = ScaleMode.DIVIDE
    by_head = scaled(draft, sums, I8, context, mode=mode, by=total, limit=MAX_WEIGHT)
    draft.free(sums, total)
    y = _side_by_side(draft, by_head, heads)
    draft.free(by_head)
    return y


def _products(draft: Draft, x: Tensor, heads: int) -> Tensor:
    """Return queries times keys, `i32[heads · rows, rows]`."""
    rows, width = x.rows, x.cols // 3
    depth = width // heads
    y = draft.begin(I32, heads * rows, rows)
    walks = (Walk(x.count, 0, depth, x.cols, 0), Walk(x.count, width, depth, x.cols, 0))
    sizes = (heads, rows, rows, depth)
    draft.put(MatMul(y.slot, x.slot, x.slot, I32, I8, I8, *sizes, *walks, 1))
    return y


def _by_channel(draft: Draft, x: Tensor, heads: int) -> Tensor:
    """Return values as `[width, rows]`: a product runs along neighbours, here the positions."""
    rows, width = x.rows, x.cols // 3
    depth = width // heads
    y = draft.begin(I8, width, rows)
    sizes, strides = (1, heads, depth, rows), (0, depth, 1, x.cols)
    copied = (y.slot, x.slot, I8, x.count, y.count, sizes)
    draft.put(Copy(*copied, 2 * width, strides, 0, (0, depth * rows, rows, 1)))
    return y


def _weighted(draft: Draft, weights: Tensor, values: Tensor, heads: int, top: int) -> Tensor:
    """Return sums of values, `[heads · rows, depth]`, by weights of at most `top`."""
    rows, depth = values.cols, values.rows // heads
    dtype = I32 if MAX_WEIGHT * top * rows <= I32.maximum else I64
    y = draft.begin(dtype, heads * rows, depth)
    walks = (
        Walk(weights.count, 0, rows * rows, rows, 0),
        Walk(values.count, 0, depth * rows, rows, 0),
    )
    sizes = (heads, rows, depth, rows)
    draft.put(MatMul(y.slot, weights.slot, values.slot, dtype, I16, I8, *sizes, *walks, 1))
    return y


def _side_by_side(draft: Draft, x: Tensor, heads: int) -> Tensor:
    """Return `[heads · rows, depth]` as `[rows, heads · depth]`."""
    rows, depth = x.rows // heads, x.cols
    y = draft.begin(I8, rows, heads * depth)
    sizes, strides = (1, heads, rows, depth), (0, rows * depth, depth, 1)
    copied = (y.slot, x.slot, I8, x.count, y.count, sizes)
    draft.put(Copy(*copied, 0, strides, 0, (0, depth, y.cols, 1)))
    return y
