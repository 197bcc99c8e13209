"""An encoder's integer arithmetic in plain NumPy, tensor by tensor, apart from the machine."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from infernet.models.sequence.parts import Columns, Encoder, Layer, Linear, Norm

Tensor = npt.NDArray[np.int64]


class PlainEncoder:
    """Runs an encoder and keeps every tensor in the order in which a program stores it."""

    def __init__(self, encoder: Encoder, positions: int) -> None:
        self.encoder, self.positions = encoder, positions
        self.tensors: list[Tensor] = []

    def run(self, given: npt.NDArray[Any]) -> Tensor:
        """Return the output for the program's input."""
        encoder, given = self.encoder, given.astype(np.int64)
        self.length = min(max(int(given[-1]), 1), self.positions)
        if encoder.embedding:
            part = encoder.embedding
            ids = np.clip(given[:-1], 0, len(part.words) - 1)
            words = self.note(part.words.astype(np.int64)[ids])
            places = self.note(part.positions.astype(np.int64)[: self.positions])
            x = self.norm(self.note(words + places), part.norm)
        else:
            x = self.note(given[:-1].reshape(self.positions, encoder.width))
        for layer in encoder.layers:
            x = self.layer(layer, x)
        if encoder.classifier:
            index = self.linear(x[:1], encoder.classifier.pooler)
            pooled = self.note(encoder.classifier.tanh.astype(np.int64)[index])
            return self.linear(pooled, encoder.classifier.classes)
        self.note(x.T)
        ones = self.note(np.ones(self.positions, np.int64))
        valid = self.note(np.where(np.arange(self.positions) < self.length, ones, 0))
        total = self.note(valid @ x)
        squares = self.note((total * total).sum())
        root = self.note(np.array(max(1, isqrt(int(squares)))))
        return self.note(divide(total * 2**24, root))

    def note(self, tensor: Tensor) -> Tensor:
        self.tensors.append(tensor)
        return tensor

    def layer(self, layer: Layer, x: Tensor) -> Tensor:
        parts = self.linear(self.columns(x, layer.entry), layer.heads_in)
        change = self.linear(self.attention(parts, layer), layer.heads_out)
        x = self.norm(self.note(x + change), layer.attention_norm)
        index = self.linear(self.columns(x, layer.middle), layer.up)
        active = self.note(layer.activation.astype(np.int64)[index])
        change = self.linear(active, layer.down)
        return self.norm(self.note(x + change), layer.output_norm)

    def attention(self, parts: Tensor, layer: Layer) -> Tensor:
        count, heads = self.positions, self.encoder.heads
        by_head = parts.reshape(count, 3, heads, -1).transpose(1, 2, 0, 3)
        q, k, v = by_head
        products = self.note(q @ k.transpose(0, 2, 1))
        scores = divide(products * layer.score.multiplier, 2**layer.score.shift)
        scores = self.note(np.clip(scores, -(2**20), 2**20))
        scores = self.note(np.where(np.arange(count) < self.length, scores, -(2**22)))
        top = self.note(scores.max(axis=2))
        places = np.minimum(top[:, :, None] - scores, len(self.encoder.exponents) - 1)
        weights = self.note(self.encoder.exponents.astype(np.int64)[places])
        total = self.note(weights.sum(axis=2))
        self.note(v.transpose(0, 2, 1))
        sums = self.note(weights @ v)
        divisors = (total << layer.context.shift)[:, :, None]
        context = np.clip(divide(sums * layer.context.multiplier, divisors), -127, 127)
        return self.note(self.note(context).transpose(1, 0, 2).reshape(count, -1))

    def linear(self, x: Tensor, part: Linear) -> Tensor:
        return self.columns(
            self.note((x - part.zero) @ part.weights.astype(np.int64).T), part.columns
        )

    def columns(self, x: Tensor, part: Columns) -> Tensor:
        scaled = divide((x + part.bias.astype(np.int64)) * part.multiplier, 2**part.shift)
        return self.note(np.clip(scaled + part.zero, part.low, part.high))

    def norm(self, x: Tensor, part: Norm) -> Tensor:
        total = self.note(x.sum(axis=1))
        factor = part.mean_factor
        mean = self.note(divide(total * factor.multiplier, 2**factor.shift))
        centred = self.note(x - mean[:, None])
        squares = self.note((centred * centred).sum(axis=1))
        roots = [max(1, isqrt(int(value) * 256)) for value in squares]
        root = self.note(np.array(roots, np.int64))
        y = divide(centred * part.gain.astype(np.int64), root[:, None]) + part.bias
        return self.note(np.clip(y, -part.limit, part.limit))


def divide(n: Tensor, d: Tensor | int) -> Tensor:
    """Return the nearest integer to `n / d`, halves up."""
    return (n + d // 2) // d
