"""Decoders of true shapes with seeded weights: no trained ones of this size ship."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .decoder import Decoder, DecoderLayer, DecoderShape

LLAMA_3_8B = DecoderShape(4096, 14336, 32, 32, 8, 128_256, 8192, theta=500_000.0)

Floats = npt.NDArray[np.float32]

# Trained streams have a few channels that are far stronger than the rest.
_STRONG = (60, 30, 20, 12)
_STRONG_GAIN = 0.15


def seeded_decoder(shape: DecoderShape, seed: int) -> Decoder:
    """Return a decoder whose layers are made when they are asked for, each from its own seed."""
    random = np.random.default_rng(seed)
    strength = np.ones(shape.width, np.float32)
    strong = random.choice(shape.width, len(_STRONG), replace=False)
    strength[strong] = _STRONG
    embedding = _matrix(random, shape.vocabulary, shape.width, 0.02 * shape.width**0.5)
    head = _matrix(random, shape.vocabulary, shape.width, 1.0)

    def layer(index: int) -> DecoderLayer:
        return _layer(shape, np.random.default_rng([seed, index]), strength)

    return Decoder(shape, embedding, layer, _norm(random, strength), head)


def _layer(shape: DecoderShape, random: np.random.Generator, strength: Floats) -> DecoderLayer:
    width, kv_width, hidden = shape.width, shape.kv_width, shape.hidden
    # Gates differ in how wide they open.
    spread = np.exp(random.normal(0, 0.5, (hidden, 1))).astype(np.float32)
    return DecoderLayer(
        attention_norm=_norm(random, strength),
        query=_matrix(random, width, width, 1.6),
        key=_matrix(random, kv_width, width, 1.6),
        value=_matrix(random, kv_width, width, 1.0),
        out=_matrix(random, width, width, 0.1) * strength[:, None],
        hidden_norm=_norm(random, strength),
        gate=_matrix(random, hidden, width, 1.2) * spread,
        up=_matrix(random, hidden, width, 1.0) * spread,
        down=_matrix(random, width, hidden, 0.1) * strength[:, None],
    )


def _matrix(random: np.random.Generator, outputs: int, inputs: int, gain: float) -> Floats:
    """Return weights whose outputs have `gain` times the deviation of their inputs."""
    matrix = random.standard_normal((outputs, inputs), np.float32)
    matrix *= np.float32(gain * inputs**-0.5)
    return matrix


def _norm(random: np.random.Generator, strength: Floats) -> Floats:
    weights = np.exp(random.normal(0, 0.5, len(strength))) * 0.5
    weights[strength > 1] *= _STRONG_GAIN
    return weights.astype(np.float32)
