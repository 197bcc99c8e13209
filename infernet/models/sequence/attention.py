"""Attention of one position over kept keys and values, with rotated heads."""

from __future__ import annotations

from dataclasses import dataclass

from interpreter.operators import Copy, Mask, MatMul, ReduceKind, Rotate, ScaleMode, Walk
from interpreter.operators.base import MAP_ELEMENTS
from interpreter.tensors import DType

from .arithmetic import Dyadic, dyadic
from .draft import Draft, Tensor
from .elements import I16, I32, I64, NONE, reduced, scaled
from .rows import SCORE_STEP, WIDE_TOP, Real, exponents

TURN_BITS = 14

_SCORE_LIMIT, _SCORE_FILL = 1 << 28, -(1 << 29)


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
