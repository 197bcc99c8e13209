"""Proof that no sum, product or quotient of an encoder's program can be cut or wrap."""

from __future__ import annotations

import numpy as np

from interpreter.operators.base import MAX_SHIFT
from interpreter.tensors import DType

from ..errors import InvalidSource
from .arithmetic import MAX_WEIGHT, Array, Dyadic
from .blocks import SCORE_FILL, SCORE_LIMIT, STREAM_LIMIT, reach
from .parts import ROOT_BITS, Columns, Encoder, Layer, Linear, Norm

# A rounded quotient adds half of its divisor, so that one bit stays free.
LIMIT = 1 << MAX_SHIFT

_I16 = DType.I16.maximum + 1


def prove_bounds(encoder: Encoder, positions: int) -> None:
    """Raise InvalidSource, naming the place, unless every value is inside its bounds."""
    if encoder.embedding:
        _prove_norm("the embedding", encoder.embedding.norm, 2 * _I16)
    for index, layer in enumerate(encoder.layers):
        _prove_layer(f"layer {index}", encoder, layer, positions)
    if encoder.classifier:
        _prove_linear("the pooler", encoder.classifier.pooler, DType.I16)
        _prove_linear("the classes", encoder.classifier.classes, DType.I16)
    else:
        total = positions * _I16
        _require(total <= DType.I32.maximum, "the mean's sum")
        _require(total**2 * encoder.width < LIMIT, "the mean's length")


def _prove_layer(name: str, encoder: Encoder, layer: Layer, positions: int) -> None:
    for part, columns in (("entry", layer.entry), ("middle", layer.middle)):
        _prove_columns(f"{name}, {part}", columns, _I16)
    dtypes = (DType.I8, DType.I8, DType.I8, DType.U8)
    linears = (layer.heads_in, layer.heads_out, layer.up, layer.down)
    for part, linear, dtype in zip(("in", "out", "up", "down"), linears, dtypes, strict=True):
        _prove_linear(f"{name}, {part}", linear, dtype)
    depth = encoder.width // encoder.heads
    products = depth * MAX_WEIGHT**2
    _require(products <= DType.I32.maximum, f"{name}: products of queries and keys")
    _prove_factor(f"{name}: scores", layer.score, products)
    is_masked = len(encoder.exponents) <= -SCORE_LIMIT - SCORE_FILL and encoder.exponents[-1] == 0
    _require(is_masked, f"{name}: the weight of masked positions")
    total = positions * int(encoder.exponents.max())
    _prove_factor(f"{name}: the context", layer.context, total * MAX_WEIGHT)
    _require(total << layer.context.shift < LIMIT, f"{name}: the sum of weights")
    for norm in (layer.attention_norm, layer.output_norm):
        _prove_norm(name, norm, _I16 + STREAM_LIMIT)


def _prove_linear(name: str, part: Linear, dtype: DType) -> None:
    _prove_columns(name, part.columns, reach(part, dtype))


def _prove_columns(name: str, columns: Columns, largest: int) -> None:
    """Prove a scale of values that, bias included, are at most `largest`."""
    _require(largest * _largest(columns.multiplier) < LIMIT, f"{name}: a scaled sum")


def _prove_factor(name: str, factor: Dyadic, largest: int) -> None:
    _require(largest * factor.multiplier < LIMIT, name)


def _prove_norm(name: str, norm: Norm, largest: int) -> None:
    """Prove a LayerNorm of values that are at most `largest` in magnitude."""
    width = len(norm.gain)
    _prove_factor(f"{name}: a mean", norm.mean_factor, width * largest)
    centred = 2 * largest + 1
    _require(centred <= DType.I32.maximum, f"{name}: a centred value")
    _require(width * centred**2 << (2 * ROOT_BITS) < LIMIT, f"{name}: a sum of squares")
    _require(centred * _largest(norm.gain) < LIMIT, f"{name}: a normalised value")


def _largest(values: Array) -> int:
    return int(np.abs(values.astype(np.int64)).max())


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise InvalidSource(f"{what} could leave the machine's integers")
