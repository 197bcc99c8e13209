"""The integer parts of an encoder: all that its program contains, and nothing real."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpreter.tensors import DType

from .arithmetic import Dyadic

I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]

# Halves that the root of LayerNorm's sum of squares is finer than the sum itself.
ROOT_BITS = 4
INDEX_BITS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """`clamp(round((x + bias) · multiplier / 2**shift) + zero, low, high)` for each column.

    `bias, multiplier: i32[cols]`; `dtype`: of the result.
    """

    bias: I32
    multiplier: I32
    shift: int
    zero: int
    low: int
    high: int
    dtype: DType


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """`weights: i8[cols, length]` on inputs with a zero point, then a scale by column."""

    weights: I8
    zero: int
    columns: Columns


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """LayerNorm: `round((x − mean) · gain / root) + bias` within `±limit`, result i16.

    `mean = round(Σx · mean_factor)`, `root = isqrt(Σ(x − mean)² · 2**(2 · ROOT_BITS))`.
    `gain, bias: i32[width]`.
    """

    gain: I32
    bias: I32
    mean_factor: Dyadic
    limit: int


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One encoder layer; the stream between its parts is i16.

    `entry`, `middle`: the stream as i8, smoothed by column. `heads_in`: queries, keys and values
    side by side. `score`: products of queries and keys in steps of the exponent table. `context`:
    weighted values, before they are divided by their weights' sum. `activation: u8[4096]`.
    """

    entry: Columns
    heads_in: Linear
    score: Dyadic
    context: Dyadic
    heads_out: Linear
    attention_norm: Norm
    middle: Columns
    up: Linear
    activation: npt.NDArray[np.uint8]
    down: Linear
    output_norm: Norm


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """`words: i16[vocabulary, width]`, `positions: i16[positions, width]`, on one step."""

    words: I16
    positions: I16
    norm: Norm


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """First position to logits: a dense layer, the table of tanh `i16[4096]`, a dense layer."""

    pooler: Linear
    tanh: I16
    classes: Linear


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """A BERT-class encoder. Without an embedding its input is the first layer's, in i16 steps.

    `classifier`: none means the mean of all positions as a vector of length 1.
    `input_step`, `output_step`: what one unit of the program's input and output is worth.
    """

    width: int
    heads: int
    exponents: I16
    embedding: Embedding | None
    layers: tuple[Layer, ...]
    classifier: Classifier | None
    input_step: float
    output_step: float
