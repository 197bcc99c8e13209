"""Integer parts of an encoder to its program, for sequences up to a fixed length."""

from __future__ import annotations

import numpy as np

from interpreter.merkle import tree_of_bytes
from interpreter.operators import Copy, Embed, Mask, MatMul, ReduceKind, Root, ScaleMode, Walk
from interpreter.operators.base import MAP_ELEMENTS
from interpreter.program import HashConstants, Program
from interpreter.tensors import DType

from ..errors import InvalidOption
from .arithmetic import Dyadic
from .blocks import add, attention, layer_norm, linear, scale_columns
from .bounds import prove_bounds
from .draft import Draft, Tensor
from .elements import looked_up, reduced, scaled
from .parts import I16, Classifier, Embedding, Encoder, Layer

# One unit of an embedding's output is 2**-24 of its length.
UNIT_BITS = 24


def encoder_program(
    encoder: Encoder, positions: int, hash_bytes: HashConstants = tree_of_bytes
) -> tuple[Program, tuple[str, ...]]:
    """Return a valid program and the layer behind each operator, or raise a ModelError.

    Its input is `i32[positions + 1]` word ids, or `i16[positions · width + 1]` embedded words;
    the last element is the number of valid positions. `positions`: a multiple of 32.
    """
    if positions < 1 or positions % MAP_ELEMENTS:
        raise InvalidOption(f"{positions} positions: choose a multiple of {MAP_ELEMENTS}")
    if encoder.embedding and positions > len(encoder.embedding.positions):
        most = len(encoder.embedding.positions)
        raise InvalidOption(f"{positions} positions: the model knows {most}")
    prove_bounds(encoder, positions)
    per_position = 1 if encoder.embedding else encoder.width
    length_at = positions * per_position
    dtype = DType.I32 if encoder.embedding else DType.I16
    draft = Draft(dtype, (1, 1, 1, length_at + 1))
    x = _embed(draft, encoder, positions)
    for index, layer in enumerate(encoder.layers):
        draft.layer = f"layer {index}"
        x = _layer(draft, encoder, layer, x, length_at)
    if encoder.classifier:
        draft.layer = "classifier"
        y = _classify(draft, encoder.classifier, x)
    else:
        draft.layer = "mean"
        y = _mean(draft, x, length_at)
    program = draft.finish(y, (1, 1, 1, y.count), hash_bytes=hash_bytes)
    return program, tuple(draft.names)


def _embed(draft: Draft, encoder: Encoder, positions: int) -> Tensor:
    draft.layer = "embedding"
    if encoder.embedding:
        return _look_up(draft, encoder.embedding, positions)
    x = draft.begin(DType.I16, positions, encoder.width)
    given = draft.input
    sizes, strides = (1, 1, 1, x.count), (0, 0, 0, 1)
    copied = (x.slot, given.slot, x.dtype, given.count, x.count, sizes)
    draft.put(Copy(*copied, 0, strides, 0, strides))
    return x


def _look_up(draft: Draft, part: Embedding, positions: int) -> Tensor:
    width, given = part.words.shape[1], draft.input
    words = draft.begin(DType.I16, positions, width)
    head = (words.slot, words.dtype, positions, width, given.slot, given.dtype)
    place = draft.bytes_of(part.words)
    draft.put(Embed(*head, given.count, 0, len(part.words), place, 0))
    places = draft.begin(DType.I16, positions, width)
    _put_rows(draft, places, part.positions)
    total = add(draft, words, places)
    draft.free(words, places)
    return layer_norm(draft, total, part.norm)


def _put_rows(draft: Draft, y: Tensor, table: I16) -> None:
    """Fill a tensor with the rows of a table, row by row."""
    head = (y.slot, y.dtype, y.rows, y.cols, 0, DType.U8, 0, 0)
    draft.put(Embed(*head, len(table), draft.bytes_of(table), 1))


def _layer(draft: Draft, encoder: Encoder, layer: Layer, x: Tensor, length_at: int) -> Tensor:
    entry = scale_columns(draft, x, layer.entry)
    heads_in = linear(draft, entry, layer.heads_in)
    draft.free(entry)
    numbers = (encoder.heads, layer.score, layer.context, length_at, encoder.exponents)
    context = attention(draft, heads_in, *numbers)
    change = linear(draft, context, layer.heads_out)
    total = add(draft, x, change)
    draft.free(context, change, x)
    x = layer_norm(draft, total, layer.attention_norm)
    middle = scale_columns(draft, x, layer.middle)
    index = linear(draft, middle, layer.up)
    active = looked_up(draft, index, layer.activation, DType.U8)
    draft.free(middle, index)
    change = linear(draft, active, layer.down)
    total = add(draft, x, change)
    draft.free(active, change, x)
    return layer_norm(draft, total, layer.output_norm)


def _classify(draft: Draft, part: Classifier, x: Tensor) -> Tensor:
    index = linear(draft, x, part.pooler, rows=1)
    draft.free(x)
    pooled = looked_up(draft, index, part.tanh, DType.I16)
    draft.free(index)
    logits = linear(draft, pooled, part.classes)
    draft.free(pooled)
    return logits


def _mean(draft: Draft, x: Tensor, length_at: int) -> Tensor:
    """Return the sum of the valid rows, divided by its length: i32 in units of 2**-24."""
    by_column = draft.begin(DType.I16, x.cols, x.rows)
    sizes, strides = (1, 1, x.cols, x.rows), (0, 0, 1, x.cols)
    copied = (by_column.slot, x.slot, x.dtype, x.count, x.count, sizes)
    draft.put(Copy(*copied, 0, strides, 0, (0, 0, x.rows, 1)))
    draft.free(x)
    ones = draft.begin(DType.I16, 1, x.rows)
    _put_rows(draft, ones, np.ones((1, x.rows), "<i2"))
    valid, given = draft.begin(DType.I16, 1, x.rows), draft.input
    tail = (given.slot, given.dtype, 1, given.count, length_at, 0)
    draft.put(Mask(valid.slot, valid.dtype, 1, x.rows, ones.slot, *tail))
    sums = draft.begin(DType.I32, 1, x.cols)
    walks = (Walk(x.rows, 0, 0, x.rows, 0), Walk(x.count, 0, 0, x.rows, 0))
    head = (sums.slot, valid.slot, by_column.slot, sums.dtype, DType.I16, DType.I16)
    draft.put(MatMul(*head, 1, 1, x.cols, x.rows, *walks, 1))
    draft.free(by_column, ones, valid)
    squares = reduced(draft, sums, ReduceKind.SQUARES)
    root = draft.begin(DType.I64, 1, 1)
    draft.put(Root(root.slot, root.dtype, 1, 1, squares.slot, 0))
    unit, mode = Dyadic(1 << UNIT_BITS, 0), ScaleMode.DIVIDE
    y = scaled(draft, sums, DType.I32, unit, mode=mode, by=root)
    draft.free(sums, squares, root)
    return y
