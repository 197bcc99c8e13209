"""Decoders of true shapes with seeded weights: no trained ones of this size ship."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arithmetic import Array
from .decoder import Decoder, DecoderLayer, DecoderShape
from .matrices import Rows

LLAMA_3_8B = DecoderShape(4096, 14336, 32, 32, 8, 128_256, 8192, theta=500_000.0)

Floats = npt.NDArray[np.float32]

# Trained streams have a few channels that are far stronger than the rest.
_STRONG = (60, 30, 20, 12)
_STRONG_GAIN = 0.15
# Rows are cut from one block of numbers, for to draw each weight of a large decoder takes minutes.
_POOL_ELEMENTS = 1 << 22


def seeded_decoder(shape: DecoderShape, seed: int) -> Decoder:
    """Return a decoder whose rows are made when they are asked for, from the seed alone."""
    pool = np.random.default_rng([seed, 0]).standard_normal(_POOL_ELEMENTS, np.float32)
    random = np.random.default_rng([seed, 1])
    strength = np.ones(shape.width, np.float32)
    strength[random.choice(shape.width, len(_STRONG), replace=False)] = _STRONG
    embedding = _matrix(random, pool, shape.vocabulary, shape.width, 0.02 * shape.width**0.5)
    head = _matrix(random, pool, shape.vocabulary, shape.width, 1.0)

    def layer(index: int) -> DecoderLayer:
        return _layer(shape, np.random.default_rng([seed, 2, index]), pool, strength)

    return Decoder(shape, embedding, layer, _norm(random, strength), head)


def seeded_tokens(shape: DecoderShape, seed: int, count: int) -> list[int]:
    """Return tokens to measure ranges on."""
    tokens: list[int] = (
        np.random.default_rng([seed, 3]).integers(0, shape.vocabulary, count).tolist()
    )
    return tokens


def _layer(
    shape: DecoderShape, random: np.random.Generator, pool: Floats, strength: Floats
) -> DecoderLayer:
    width, kv_width, hidden = shape.width, shape.kv_width, shape.hidden
    # Gates differ in how wide they open.
    spread = np.exp(random.normal(0, 0.5, hidden)).astype(np.float32)
    return DecoderLayer(
        attention_norm=_norm(random, strength),
        query=_matrix(random, pool, width, width, 1.6),
        key=_matrix(random, pool, kv_width, width, 1.6),
        value=_matrix(random, pool, kv_width, width, 1.0),
        out=_matrix(random, pool, width, width, 0.1 * strength),
        hidden_norm=_norm(random, strength),
        gate=_matrix(random, pool, hidden, width, 1.2 * spread),
        up=_matrix(random, pool, hidden, width, spread),
        down=_matrix(random, pool, width, hidden, 0.1 * strength),
    )


def _matrix(
    random: np.random.Generator, pool: Floats, outputs: int, inputs: int, gain: float | Floats
) -> Rows:
    """Return weights whose outputs have `gain` times the deviation of their inputs."""
    starts = random.integers(0, len(pool) - inputs, outputs)
    scales = np.broadcast_to(np.float32(inputs**-0.5) * gain, outputs).astype(np.float32)
    scales = scales * random.choice((-1, 1), outputs).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(pool, inputs)

    def read(places: slice | Array) -> Array:
        return np.asarray(windows[starts[places]] * scales[places, None])

    return Rows((outputs, inputs), read)


def _norm(random: np.random.Generator, strength: Floats) -> Floats:
    weights = np.exp(random.normal(0, 0.5, len(strength))) * 0.5
    weights[strength > 1] *= _STRONG_GAIN
    return weights.astype(np.float32)
