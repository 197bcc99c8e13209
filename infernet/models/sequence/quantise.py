"""Real weights and sequences to calibrate with become integer parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from interpreter.tensors import DType

from ..errors import InvalidCalibration
from .arithmetic import (
    EXPONENT_STEP,
    MAX_WEIGHT,
    Array,
    Integers,
    Reals,
    best_step,
    dyadic,
    dyadic_all,
    exponent_table,
    function_table,
    nearest,
    quantise_rows,
    widest_step,
)
from .blocks import STREAM_LIMIT
from .encoder import UNIT_BITS
from .parts import (
    INDEX_BITS,
    ROOT_BITS,
    Classifier,
    Columns,
    Embedding,
    Encoder,
    Layer,
    Linear,
    Norm,
)
from .reals import RealEncoder, RealLayer, RealLinear, RealNorm, activation

I16_TOP = (1 << 15) - 1
LOGIT_STEP = 2.0**-16
CONTEXT_BITS = 15
INDEX_TOP = (1 << INDEX_BITS) - 1


@dataclass(frozen=True, slots=True)
class Choices:
    """How ranges are chosen.

    `is_searched`: i8 ranges by least squared error, else by the largest magnitude. `smoothing`:
    share [0, 1] of a column's magnitude that moves into the weights. `margin`: room of i16
    tensors above what calibration saw.
    """

    is_searched: bool = True
    smoothing: float = 0.6
    margin: float = 2.0

    def describe(self) -> str:
        """Return the choices, and the widths that are fixed, in words."""
        found = "least squared error" if self.is_searched else "the largest magnitude"
        return (
            f"i8 and u8 ranges by {found}; smoothing {self.smoothing:g}; i16 streams with "
            f"{self.margin:g} times the magnitude seen; i16 embeddings; activation by a "
            f"{INDEX_BITS}-bit index to u8; exponents of 15 bits in steps of "
            f"1/{1 / EXPONENT_STEP:g}"
        )


def quantise(
    real: RealEncoder, sequences: Sequence[Array], choices: Choices | None = None
) -> Encoder:
    """Return the integer parts, or raise InvalidCalibration if there is nothing to watch.

    `sequences`: word ids `i[n]`, or embedded words `f[n, width]`, as `real` takes them.
    """
    return _Quantiser(real, watch(real, sequences), choices or Choices()).encoder()


def watch(real: RealEncoder, sequences: Sequence[Array]) -> dict[str, Reals]:
    """Return the rows of every named tensor over all sequences."""
    if not sequences:
        raise InvalidCalibration("no sequence to calibrate with")
    seen: dict[str, list[Array]] = defaultdict(list)
    for sequence in sequences:
        real.run(sequence, lambda name, rows: seen[name].append(rows.astype(np.float32)))
    return {name: np.concatenate(rows).astype(np.float64) for name, rows in seen.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Smoothed:
    """A tensor as i8: factors by column, which it is divided by, and the step of the result."""

    factors: Reals
    step: float


class _Quantiser:
    def __init__(self, real: RealEncoder, seen: dict[str, Reals], choices: Choices) -> None:
        self.real, self.seen, self.choices = real, seen, choices
        margin = choices.margin
        self.streams = [
            widest_step(seen[f"stream {i}"], I16_TOP, margin) for i in range(len(real.layers) + 1)
        ]
        self.middles = [
            widest_step(seen[f"middle {i}"], I16_TOP, margin) for i in range(len(real.layers))
        ]

    def encoder(self) -> Encoder:
        real = self.real
        embedding, input_step = None, self.streams[0]
        if real.embedding:
            embedding, input_step = self._embedding(), 1.0
        layers = tuple(self._layer(i, layer) for i, layer in enumerate(real.layers))
        classifier, output_step = None, 2.0**-UNIT_BITS
        if real.classifier:
            classifier, output_step = self._classifier(), LOGIT_STEP
        table = exponent_table()
        numbers = (real.width, real.heads, table, embedding, layers, classifier)
        return Encoder(*numbers, input_step, output_step)

    def _embedding(self) -> Embedding:
        real = self.real.embedding
        assert real is not None
        step = max(widest_step(t, I16_TOP) for t in (real.words, real.positions))
        words, positions = (nearest(t / step).astype("<i2") for t in (real.words, real.positions))
        return Embedding(words, positions, _norm(real.norm, self.streams[0]))

    def _layer(self, index: int, real: RealLayer) -> Layer:
        stream, middle = self.streams[index], self.middles[index]
        entry = self._smooth(f"stream {index}", [real.query, real.key, real.value])
        query, key, value = self._heads(index, real)
        parts = (real.query, real.key, real.value)
        weights = np.concatenate([part.weights for part in parts]) * entry.factors
        bias = np.concatenate([part.bias for part in parts])
        outputs = np.concatenate([part.step * part.factors for part in (query, key, value)])
        context_step = self._step(self.seen[f"context {index}"] / value.factors)
        heads_out = RealLinear(real.heads_out.weights * value.factors, real.heads_out.bias)
        depth = self.real.width // self.real.heads
        inner = self._smooth(f"middle {index}", [real.up])
        low, width = self._index(f"inner {index}")
        active_step, zero = self._active(f"active {index}")
        table = function_table(
            activation(self.real.activation), _arguments(low, width), active_step, zero, np.uint8
        )
        return Layer(
            entry=_entry(stream, entry),
            heads_in=_i8_linear(RealLinear(weights, bias), entry.step, outputs),
            score=dyadic(query.step * key.step / sqrt(depth) / EXPONENT_STEP),
            context=dyadic(value.step / context_step, CONTEXT_BITS),
            heads_out=_change(heads_out, context_step, 0, stream),
            attention_norm=_norm(real.attention_norm, middle),
            middle=_entry(middle, inner),
            up=_indexed(
                RealLinear(real.up.weights * inner.factors, real.up.bias), inner.step, low, width
            ),
            activation=table,
            down=_change(real.down, active_step, zero, middle),
            output_norm=_norm(real.output_norm, self.streams[index + 1]),
        )

    def _classifier(self) -> Classifier:
        real = self.real.classifier
        assert real is not None
        # Beyond 4 in magnitude tanh is 1 to three digits.
        low, width = -4.0, 8.0 / INDEX_TOP
        table = function_table(np.tanh, _arguments(low, width), 1 / I16_TOP, 0, np.int16)
        pooler = _indexed(real.pooler, self.streams[-1], low, width)
        limits = DType.I32.minimum, DType.I32.maximum
        outputs = np.full(len(real.classes.bias), LOGIT_STEP)
        classes = _linear(real.classes, 1 / I16_TOP, 0, outputs, 0, *limits, DType.I32)
        return Classifier(pooler, table, classes)

    def _step(self, values: Reals) -> float:
        if self.choices.is_searched:
            return best_step(values, -MAX_WEIGHT, MAX_WEIGHT)
        return widest_step(values, MAX_WEIGHT)

    def _smooth(self, name: str, readers: Sequence[RealLinear]) -> _Smoothed:
        """Return column factors that share magnitude between a tensor and its weights."""
        rows, share = self.seen[name], self.choices.smoothing
        factors = np.ones(rows.shape[1])
        if share:
            weights = np.max([np.abs(reader.weights).max(axis=0) for reader in readers], axis=0)
            factors = _columns_of(rows) ** share / np.maximum(weights, 1e-6) ** (1 - share)
            factors /= factors.max()
        return _Smoothed(factors, self._step(rows / factors))

    def _heads(self, index: int, real: RealLayer) -> tuple[_Smoothed, _Smoothed, _Smoothed]:
        """Return queries and keys, their columns of like magnitude, and smoothed values."""
        queries, keys = (self.seen[f"{name} {index}"] for name in ("query", "key"))
        factors = np.ones(queries.shape[1])
        if self.choices.smoothing:
            factors = np.sqrt(_columns_of(queries) / _columns_of(keys))
        return (
            _Smoothed(factors, self._step(queries / factors)),
            _Smoothed(1 / factors, self._step(keys * factors)),
            self._smooth(f"value {index}", [real.heads_out]),
        )

    def _index(self, name: str) -> tuple[float, float]:
        """Return the least argument of the activation's table and the step between arguments."""
        # Below -5 every known activation is 0 to five digits.
        low = max(float(self.seen[name].min()) * 1.1, -5.0)
        high = max(float(self.seen[name].max()) * 1.1, low + 1e-3)
        low = min(low, 0.0)
        return low, (high - low) / INDEX_TOP

    def _active(self, name: str) -> tuple[float, int]:
        """Return step and zero point of the activation as u8."""
        rows = self.seen[name]
        lowest = max(0.0, -float(rows.min()))
        widest = max((float(rows.max()) + lowest) / 255, 1e-9)
        # The zero point leaves room for the least value; the step is then searched above it.
        zero = min(254, int(np.ceil(lowest / widest)))
        if self.choices.is_searched:
            candidate = best_step(rows, -zero, 255 - zero)
            zero = min(254, int(np.ceil(lowest / candidate)))
            return best_step(rows, -zero, 255 - zero), zero
        return max(float(rows.max()) / (255 - zero), 1e-9), zero


def _columns_of(rows: Reals) -> Reals:
    """Return the largest magnitude of each column, never 0."""
    return np.asarray(np.maximum(np.abs(rows).max(axis=0), 1e-4))


def _i8_linear(real: RealLinear, step: float, outputs: Reals) -> Linear:
    return _linear(real, step, 0, outputs, 0, -MAX_WEIGHT, MAX_WEIGHT, DType.I8)


def _change(real: RealLinear, step: float, zero: int, output: float) -> Linear:
    """Return a layer whose result is added to the stream."""
    outputs = np.full(len(real.bias), output)
    return _linear(real, step, zero, outputs, 0, -STREAM_LIMIT, STREAM_LIMIT, DType.I32)


def _linear(
    real: RealLinear,
    step: float,
    zero: int,
    outputs: Reals,
    output_zero: int,
    low: int,
    high: int,
    dtype: DType,
) -> Linear:
    """Return a linear layer from inputs of one step to outputs of a step each."""
    weights, steps = quantise_rows(real.weights)
    bias = nearest(real.bias / (steps * step))
    multipliers, shift = dyadic_all(steps * step / outputs)
    columns = Columns(_i32(bias), _i32(multipliers), shift, output_zero, low, high, dtype)
    return Linear(weights, zero, columns)


def _indexed(real: RealLinear, step: float, low: float, width: float) -> Linear:
    """Return a linear layer whose outputs are places in a table that begins at `low`."""
    outputs = np.full(len(real.bias), width)
    zero = int(nearest(-low / width))
    return _linear(real, step, 0, outputs, zero, 0, INDEX_TOP, DType.I16)


def _arguments(low: float, width: float) -> Reals:
    """Return what each entry of a table stands for."""
    return np.asarray(low + np.arange(INDEX_TOP + 1) * width, np.float64)


def _entry(stream: float, smoothed: _Smoothed) -> Columns:
    multipliers, shift = dyadic_all(stream / (smoothed.step * smoothed.factors))
    zeros = np.zeros(len(multipliers), np.int32)
    return Columns(zeros, _i32(multipliers), shift, 0, -MAX_WEIGHT, MAX_WEIGHT, DType.I8)


def _norm(real: RealNorm, output: float) -> Norm:
    width = len(real.gain)
    gain = nearest(real.gain * sqrt(width) * 2**ROOT_BITS / output)
    bias = nearest(real.bias / output)
    return Norm(_i32(gain), _i32(bias), dyadic(1 / width), I16_TOP)


def _i32(values: Integers) -> Array:
    if np.abs(values).max(initial=0) > DType.I32.maximum:
        raise InvalidCalibration(
            f"a parameter of {int(np.abs(values).max())} units does not fit 32 bits; "
            "the sequences to calibrate with hardly move this layer"
        )
    return values.astype("<i4")
