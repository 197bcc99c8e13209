"""A BERT-class encoder in real numbers: what is imported, and what calibration watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, sqrt

import numpy as np

from ..errors import InvalidOption, InvalidSource
from .arithmetic import Array, Reals

Watch = Callable[[str, Reals], None]
Function = Callable[[Reals], Reals]

_ERF = np.vectorize(erf, otypes=[np.float64])


@dataclass(frozen=True, slots=True, eq=False)
class RealLinear:
    """`weights: f[cols, length]`, `bias: f[cols]`."""

    weights: Reals
    bias: Reals

    def of(self, x: Reals) -> Reals:
        """Return the layer's result on rows."""
        return np.asarray(x @ self.weights.T + self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class RealNorm:
    """LayerNorm with `gain, bias: f[width]`."""

    gain: Reals
    bias: Reals
    epsilon: float

    def of(self, x: Reals) -> Reals:
        """Return the normalised rows."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return np.asarray(centred / np.sqrt(variance + self.epsilon) * self.gain + self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class RealLayer:
    """One encoder layer."""

    query: RealLinear
    key: RealLinear
    value: RealLinear
    heads_out: RealLinear
    attention_norm: RealNorm
    up: RealLinear
    down: RealLinear
    output_norm: RealNorm


@dataclass(frozen=True, slots=True, eq=False)
class RealEmbedding:
    """`words: f[vocabulary, width]`; `positions: f[positions, width]`, the first type added."""

    words: Reals
    positions: Reals
    norm: RealNorm


@dataclass(frozen=True, slots=True, eq=False)
class RealClassifier:
    """Dense layer and tanh on the first position, then the classes."""

    pooler: RealLinear
    classes: RealLinear


@dataclass(frozen=True, slots=True, eq=False)
class RealEncoder:
    """An encoder; without an embedding it takes embedded words, without a classifier it means."""

    heads: int
    activation: str
    embedding: RealEmbedding | None
    layers: tuple[RealLayer, ...]
    classifier: RealClassifier | None

    @property
    def width(self) -> int:
        """Return the width of the stream."""
        return len(self.layers[0].output_norm.gain)

    def run(self, words: Array, watch: Watch | None = None) -> Reals:
        """Return the logits, or the mean as a vector of length 1, of one sequence.

        `words`: ids `i[n]`, or embedded words `f[n, width]`. `watch` sees every named tensor.
        """
        see = watch or (lambda name, tensor: None)
        x = np.asarray(words, np.float64)
        if self.embedding:
            part = self.embedding
            see("embedded", part.words[words])
            x = part.norm.of(part.words[words] + part.positions[: len(words)])
        see("stream 0", x)
        for index, layer in enumerate(self.layers):
            x = self._layer(index, layer, x, see)
        if self.classifier is None:
            total = x.sum(axis=0)
            return np.asarray(total / np.linalg.norm(total))
        pooled = self.classifier.pooler.of(x[:1])
        see("pooled", pooled)
        return np.asarray(self.classifier.classes.of(np.tanh(pooled))[0])

    def _layer(self, index: int, layer: RealLayer, x: Reals, see: Watch) -> Reals:
        count, width = x.shape
        parts = [layer.query.of(x), layer.key.of(x), layer.value.of(x)]
        for name, part in zip(("query", "key", "value"), parts, strict=True):
            see(f"{name} {index}", part)
        depth = width // self.heads
        q, k, v = (part.reshape(count, self.heads, depth).transpose(1, 0, 2) for part in parts)
        scores = q @ k.transpose(0, 2, 1) / sqrt(depth)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        context = (weights @ v).transpose(1, 0, 2).reshape(count, width)
        see(f"context {index}", context)
        x = layer.attention_norm.of(x + layer.heads_out.of(context))
        see(f"middle {index}", x)
        inner = layer.up.of(x)
        see(f"inner {index}", inner)
        active = activation(self.activation)(inner)
        see(f"active {index}", active)
        x = layer.output_norm.of(x + layer.down.of(active))
        see(f"stream {index + 1}", x)
        return x


def activation(name: str) -> Function:
    """Return an activation by its name in a configuration, or raise InvalidOption."""
    if name not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise InvalidOption(f"no activation '{name}'; known are {known}")
    return _ACTIVATIONS[name]


def _gelu(x: Reals) -> Reals:
    return np.asarray(x * 0.5 * (1 + _ERF(x / sqrt(2))))


def _gelu_by_tanh(x: Reals) -> Reals:
    return np.asarray(0.5 * x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3))))


def _relu(x: Reals) -> Reals:
    return np.maximum(x, 0.0)


_ACTIVATIONS: dict[str, Function] = {
    "gelu": _gelu,
    "gelu_new": _gelu_by_tanh,
    "gelu_pytorch_tanh": _gelu_by_tanh,
    "relu": _relu,
}


def fitting(real: RealEncoder) -> RealEncoder:
    """Return an encoder whose parts have sizes that fit each other, or raise InvalidSource."""
    width = _length(real.layers[0].output_norm.gain, "the first layer's output norm")
    if real.heads < 1 or width % real.heads:
        raise InvalidSource(f"{real.heads} heads do not share {width} channels")
    for index, layer in enumerate(real.layers):
        name, inner = f"layer {index}", _length(layer.up.bias, f"layer {index}'s inner bias")
        for part in (layer.query, layer.key, layer.value, layer.heads_out):
            _require_linear(part, width, width, name)
        _require_linear(layer.up, inner, width, name)
        _require_linear(layer.down, width, inner, name)
        for norm in (layer.attention_norm, layer.output_norm):
            _require_norm(norm, width, name)
    if real.embedding:
        _require_norm(real.embedding.norm, width, "the embedding")
        for table in (real.embedding.words, real.embedding.positions):
            if table.ndim != 2 or table.shape[1] != width or not len(table):
                raise InvalidSource(f"a table of the embedding is {table.shape}, not of {width}")
    if real.classifier:
        classes = _length(real.classifier.classes.bias, "the bias of the classes")
        _require_linear(real.classifier.pooler, width, width, "the pooler")
        _require_linear(real.classifier.classes, classes, width, "the classes")
    return real


def _length(vector: Reals, name: str) -> int:
    if vector.ndim != 1 or not len(vector):
        raise InvalidSource(f"{name} is {vector.shape}, not a vector")
    return len(vector)


def _require_linear(part: RealLinear, cols: int, length: int, name: str) -> None:
    shapes = part.weights.shape, part.bias.shape
    if shapes != ((cols, length), (cols,)):
        raise InvalidSource(f"{name}: weights and bias are {shapes}, not of {length} to {cols}")


def _require_norm(part: RealNorm, width: int, name: str) -> None:
    shapes = part.gain.shape, part.bias.shape
    if shapes != ((width,), (width,)):
        raise InvalidSource(f"{name}: a norm is {shapes}, not of {width}")
