"""Decoders of the Llama family in real numbers: sizes, weights, and a forward pass to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from ..errors import InvalidCalibration
from .arithmetic import Array, Reals
from .matrices import Matrix

_MASKED = -1e30


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """The sizes of a decoder. `kv_heads` divides `heads`; `context`: positions at most.

    `theta`: base of the rotary frequencies; `epsilon`: what the norms add to a mean square.
    """

    width: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    context: int
    theta: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """Return the width of one head."""
        return self.width // self.heads

    @property
    def kv_width(self) -> int:
        """Return the width of all keys, or of all values, of a position."""
        return self.kv_heads * self.head

    @property
    def weights(self) -> int:
        """Return how many weights the matrices hold, embedding and head included."""
        width = self.width
        layer = 2 * width * width + 2 * self.kv_width * width + 3 * self.hidden * width
        return self.layers * layer + 2 * self.vocabulary * width

    def turns(self, positions: int) -> Reals:
        """Return the rotary angles `f64[positions, head / 2]`."""
        frequencies = self.theta ** (-np.arange(0, self.head, 2) / self.head)
        return np.arange(positions)[:, None] * frequencies


@dataclass(frozen=True)
class DecoderLayer:
    """The weights of one layer, `[outputs, inputs]`; neighbours in a head are rotated together.

    `query [width, width]`, `key, value [kv_width, width]`, `out [width, width]`,
    `gate, up [hidden, width]`, `down [width, hidden]`; the norms `[width]`.
    """

    attention_norm: Array
    query: Matrix
    key: Matrix
    value: Matrix
    out: Matrix
    hidden_norm: Array
    gate: Matrix
    up: Matrix
    down: Matrix


@dataclass(frozen=True)
class Decoder:
    """A decoder. `layer(i)` reads the weights of layer `i`, so that one is held at a time.

    `embedding, head: [vocabulary, width]`; `final_norm: [width]`.
    """

    shape: DecoderShape
    embedding: Matrix
    layer: Callable[[int], DecoderLayer]
    final_norm: Array
    head: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class LayerRanges:
    """The largest magnitudes that a layer's tensors reached.

    `query [heads, head / 2]`, `key [kv_heads, head / 2]`: lengths of rotated pairs, which hold at
    every position. `value [kv_width]`. The others: over all columns.
    """

    query: Reals
    key: Reals
    value: Reals
    gate: float
    up: float
    product: float

    def joined(self, other: LayerRanges) -> LayerRanges:
        """Return what either reached."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return LayerRanges(*(np.maximum(a, b) for a, b in pairs))


def normalised(x: Reals, weights: Array, epsilon: float) -> Reals:
    """Return RMSNorm of each row."""
    y: Reals = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * weights
    return y


def silu(x: Reals) -> Reals:
    """Return `x · sigmoid(x)`."""
    y: Reals = x / (1 + np.exp(-np.clip(x, -700, None)))
    return y


class Calibration:
    """A text that runs through a decoder in real numbers, one layer after another.

    `tokens`: two or more; what is longer than the decoder's context is cut into windows.
    `streams`: of each window, `f64[positions, width]`, after the layers so far.
    """

    def __init__(self, decoder: Decoder, tokens: Sequence[int]) -> None:
        shape = decoder.shape
        if len(tokens) < 2 or not all(0 <= token < shape.vocabulary for token in tokens):
            raise InvalidCalibration(
                f"a calibration text needs two or more tokens below {shape.vocabulary}"
            )
        self._shape = shape
        starts = range(0, len(tokens), shape.context)
        windows = [np.asarray(tokens[i : i + shape.context]) for i in starts]
        self.streams = [np.asarray(decoder.embedding[window], np.float64) for window in windows]

    def through(self, layer: DecoderLayer) -> LayerRanges:
        """Run the next layer and return what it reached."""
        seen = []
        for place, stream in enumerate(self.streams):
            self.streams[place], reached = _layer(self._shape, layer, stream)
            seen.append(reached)
        return reduce(LayerRanges.joined, seen)


def ranges_of(decoder: Decoder, tokens: Sequence[int]) -> tuple[LayerRanges, ...]:
    """Run a text through the decoder in real numbers and return what each layer reached."""
    calibration = Calibration(decoder, tokens)
    layers = map(decoder.layer, range(decoder.shape.layers))
    return tuple(calibration.through(layer) for layer in layers)


def _layer(shape: DecoderShape, layer: DecoderLayer, x: Reals) -> tuple[Reals, LayerRanges]:
    """Return the stream after a layer, and the magnitudes that it reached."""
    positions = len(x)
    n = normalised(x, layer.attention_norm, shape.epsilon)
    query, key, value = (
        _product(n, weights).reshape(positions, -1, shape.head)
        for weights in (layer.query, layer.key, layer.value)
    )
    group = shape.heads // shape.kv_heads
    turned = [_rotated(shape, part) for part in (query, key)]
    keys, values = turned[1].repeat(group, axis=1), value.repeat(group, axis=1)
    scores = np.einsum("qhd,khd->hqk", turned[0], keys) / np.sqrt(shape.head)
    scores += np.triu(np.full((positions, positions), _MASKED), 1)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    context = np.einsum("hqk,khd->qhd", weights, values).reshape(positions, -1)
    x = x + _product(context, layer.out)
    n = normalised(x, layer.hidden_norm, shape.epsilon)
    gate, up = _product(n, layer.gate), _product(n, layer.up)
    product = silu(gate) * up
    lengths = [np.hypot(part[..., ::2], part[..., 1::2]).max(axis=0) for part in (query, key)]
    channels = np.abs(value).max(axis=0).ravel()
    largest = [float(np.abs(part).max()) for part in (gate, up, product)]
    reached = LayerRanges(lengths[0], lengths[1], channels, largest[0], largest[1], largest[2])
    return x + _product(product, layer.down), reached


def _product(x: Reals, weights: Matrix) -> Reals:
    """Return `x · weightsᵀ`, multiplied in the weights' own precision."""
    matrix = np.asarray(weights)
    kind = np.float64 if matrix.dtype == np.float64 else np.float32
    product: Array = np.matmul(x.astype(kind), matrix.astype(kind, copy=False).T)
    return product.astype(np.float64)


def _rotated(shape: DecoderShape, x: Reals) -> Reals:
    turns = shape.turns(len(x))[:, None]
    even, odd = x[..., ::2], x[..., 1::2]
    cosine, sine = np.cos(turns), np.sin(turns)
    pairs = np.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1)
    return pairs.reshape(x.shape)
