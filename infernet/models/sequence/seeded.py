"""The true shape of BERT-Tiny with seeded weights: for its size and its steps, not its answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arithmetic import Array, Reals
from .reals import (
    RealClassifier,
    RealEmbedding,
    RealEncoder,
    RealLayer,
    RealLinear,
    RealNorm,
)

_EPSILON = 1e-12
# Trained streams have a few columns far stronger than the others.
_STRONG = 5.0


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """The sizes of a BERT-class classifier."""

    width: int
    inner: int
    heads: int
    layers: int
    vocabulary: int
    positions: int
    classes: int


BERT_TINY = EncoderShape(128, 512, 2, 2, 30_522, 512, 2)


def seeded_encoder(shape: EncoderShape, seed: int) -> RealEncoder:
    """Return an encoder of a shape; the same seed gives the same weights."""
    random = np.random.default_rng(seed)
    width = shape.width

    def linear(cols: int, length: int, gain: float = 1.0) -> RealLinear:
        # Rare large weights, as training leaves them.
        weights = random.standard_t(6, (cols, length)) * gain / np.sqrt(length)
        return RealLinear(weights, random.normal(0, 0.1, cols))

    def norm() -> RealNorm:
        gain = np.exp(random.normal(0, 0.2, width))
        gain[:: max(1, width // 2)] *= _STRONG
        return RealNorm(gain, random.normal(0, 0.1, width), _EPSILON)

    def table(rows: int, deviation: float) -> Reals:
        return random.normal(0, deviation, (rows, width))

    def layer() -> RealLayer:
        # Sharp attention would make outputs hang on single bits of a score.
        query, key = linear(width, width, 0.3), linear(width, width, 0.3)
        value, out = linear(width, width, 0.8), linear(width, width)
        up, down = linear(shape.inner, width), linear(width, shape.inner)
        return RealLayer(query, key, value, out, norm(), up, down, norm())

    embedding = RealEmbedding(table(shape.vocabulary, 0.04), table(shape.positions, 0.02), norm())
    layers = tuple(layer() for _ in range(shape.layers))
    classifier = RealClassifier(linear(width, width), linear(shape.classes, width))
    return RealEncoder(shape.heads, "gelu", embedding, layers, classifier)


def seeded_sequences(shape: EncoderShape, seed: int, lengths: tuple[int, ...]) -> list[Array]:
    """Return word ids of the lengths given, to calibrate or to try with."""
    random = np.random.default_rng([seed, 1])
    return [random.integers(0, shape.vocabulary, length) for length in lengths]
