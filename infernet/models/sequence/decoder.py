"""Decoders of the Llama family in real numbers: sizes, weights, and a forward pass to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from ..errors import InvalidCalibration
from .arithmetic import Array, Reals

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
    query: Array
    key: Array
    value: Array
    out: Array
    hidden_norm: Array
    gate: Array
    up: Array
    down: Array


@dataclass(frozen=True)
class Decoder:
    """A decoder. `layer(i)` reads the weights of layer `i`, so that one is held at a time.

    `embedding, head: [vocabulary, width]`; `final_norm: [width]`.
    """

    shape: DecoderShape
    embedding: Array
    layer: Callable[[int], DecoderLayer]
    final_norm: Array
    head: Array


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


def ranges_of(decoder: Decoder, tokens: Sequence[int]) -> tuple[LayerRanges, ...]:
    """Run a text through the decoder in real numbers and return what each layer reached.

    `tokens`: at least two and at most the context's; more text is cut into windows of that length.
    """
    shape = decoder.shape
    if len(tokens) < 2 or not all(0 <= token < shape.vocabulary for token in tokens):
        raise InvalidCalibration(
            f"a calibration text needs two or more tokens below {shape.vocabulary}"
        )
    starts = range(0, len(tokens), shape.context)
    windows = [np.asarray(tokens[i : i + shape.context]) for i in starts]
    streams = [np.asarray(decoder.embedding[window], np.float64) for window in windows]
    found = []
    for index in range(shape.layers):
        layer = decoder.layer(index)
        seen = []
        for place, stream in enumerate(streams):
            streams[place], reached = _layer(shape, layer, stream)
            seen.append(reached)
        found.append(reduce(LayerRanges.joined, seen))
    return tuple(found)


def _layer(shape: DecoderShape, layer: DecoderLayer, x: Reals) -> tuple[Reals, LayerRanges]:
    """Return the stream after a layer, and the magnitudes that it reached."""
    positions = len(x)
    n = normalised(x, layer.attention_norm, shape.epsilon)
    query, key, value = (
        (n @ weights.T).reshape(positions, -1, shape.head)
        for weights in (layer.query, layer.key, layer.value)
    )
    group = shape.heads // shape.kv_heads
    turned = [_rotated(shape, part) for part in (query, key)]
    keys, values = turned[1].repeat(group, axis=1), value.repeat(group, axis=1)
    scores = np.einsum("qhd,khd->hqk", turned[0], keys) / np.sqrt(shape.head)
    scores += np.triu(np.full((positions, positions), _MASKED), 1)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    x = x + np.einsum("hqk,khd->qhd", weights, values).reshape(positions, -1) @ layer.out.T
    n = normalised(x, layer.hidden_norm, shape.epsilon)
    gate, up = n @ layer.gate.T, n @ layer.up.T
    product = silu(gate) * up
    lengths = [np.hypot(part[..., ::2], part[..., 1::2]).max(axis=0) for part in (query, key)]
    channels = np.abs(value).max(axis=0).ravel()
    largest = [float(np.abs(part).max()) for part in (gate, up, product)]
    reached = LayerRanges(lengths[0], lengths[1], channels, largest[0], largest[1], largest[2])
    return x + product @ layer.down.T, reached


def _rotated(shape: DecoderShape, x: Reals) -> Reals:
    turns = shape.turns(len(x))[:, None]
    even, odd = x[..., ::2], x[..., 1::2]
    cosine, sine = np.cos(turns), np.sin(turns)
    pairs = np.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1)
    return pairs.reshape(x.shape)
