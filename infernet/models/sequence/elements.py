"""Operators that encoders and decoders share: each begins its result's register."""

from __future__ import annotations

import numpy as np

from interpreter.operators import (
    Combine,
    CombineKind,
    Lookup,
    Reduce,
    ReduceKind,
    Scale,
    ScaleMode,
)
from interpreter.operators.scale import NO_PARAMS
from interpreter.tensors import DType

from .arithmetic import Array, Dyadic
from .draft import Draft, Tensor

I8, I16, I32, I64 = DType.I8, DType.I16, DType.I32, DType.I64
# What stands for the dtype of an operand that is not there.
NONE = DType.U8
ONE = Dyadic(1, 0)


def scaled(
    draft: Draft,
    x: Tensor,
    dtype: DType,
    factor: Dyadic = ONE,
    *,
    params: int = NO_PARAMS,
    bias: int = 0,
    is_after: bool = False,
    mode: ScaleMode = ScaleMode.PLAIN,
    by: Tensor | None = None,
    by_offset: int = 0,
    zero: int = 0,
    low: int | None = None,
    limit: int | None = None,
) -> Tensor:
    """Return `x` on another scale, from `low` (none: `-limit`) to `limit` (none: the dtype's).

    With `params` each column has its own bias and multiplier: only the factor's shift counts.
    """
    y = draft.begin(dtype, x.rows, x.cols)
    slot, kind, count = (by.slot, by.dtype, by.count) if by else (0, NONE, 0)
    least, most = (dtype.minimum, dtype.maximum) if limit is None else (-limit, limit)
    shape = (y.slot, dtype, x.rows, x.cols, x.slot, slot, x.dtype, kind, mode)
    multiplier = factor.multiplier if params == NO_PARAMS else 0
    bounds = (zero, least if low is None else low, most)
    numbers = (factor.shift, int(is_after), params, bias, multiplier, *bounds, count, by_offset)
    draft.put(Scale(*shape, *numbers))
    return y


def parameters(draft: Draft, multiplier: Array, bias: Array | int = 0) -> int:
    """Store bias and multiplier of each column and return where."""
    pairs = np.zeros((len(multiplier), 2), "<i4")
    pairs[:, 0], pairs[:, 1] = bias, multiplier
    return draft.leaves_of(pairs)


def reduced(draft: Draft, x: Tensor, kind: ReduceKind, dtype: DType = I64) -> Tensor:
    """Return one element for each row."""
    y = draft.begin(dtype, 1, x.rows)
    draft.put(Reduce(y.slot, x.slot, 0, dtype, x.dtype, NONE, x.rows, x.cols, kind))
    return y


def combined(
    draft: Draft,
    a: Tensor,
    b: Tensor,
    kind: CombineKind,
    dtype: DType,
    shift: int = 0,
    limit: int | None = None,
) -> Tensor:
    """Return `a ∘ b / 2**shift` within `±limit` (none: the dtype's range).

    `b` is as large as `a`, or has one element for each of its rows.
    """
    y = draft.begin(dtype, a.rows, a.cols)
    low, high = (dtype.minimum, dtype.maximum) if limit is None else (-limit, limit)
    head = (y.slot, dtype, a.rows, a.cols, a.slot, b.slot, a.dtype, b.dtype)
    draft.put(Combine(*head, kind, int(b.count != a.count), shift, low, high))
    return y


def looked_up(
    draft: Draft, x: Tensor, table: Array, dtype: DType, top: Tensor | None = None
) -> Tensor:
    """Return `table[x]`, or with `top`, i64 and one for each row, `table[top − x]`."""
    y = draft.begin(dtype, x.rows, x.cols)
    place = draft.table_of(table.astype(dtype.numpy))
    slot, kind, is_from_row = (top.slot, top.dtype, 1) if top else (0, NONE, 0)
    head = (y.slot, x.slot, slot, dtype, x.dtype, kind, x.rows, x.cols)
    draft.put(Lookup(*head, is_from_row, 0, 0, len(table), place))
    return y
