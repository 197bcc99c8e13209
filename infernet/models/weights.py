"""Pair-safe integer weights: exact on every kernel, also on those that add pairs in 16 bits.

Two weights that are neighbours along K, in the order of either layout, must not sum to more than
128 in magnitude, and no weight is -128. Each output channel's scale is enlarged just enough.
Depthwise layers are exempt: their kernels do not add pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import UnsupportedNode
from .graph import ConvLayer, Origin, Params

MAX_WEIGHT = 127
MAX_PAIR = 128
MAX_KERNEL = 66_000

_MAX_INT32 = (1 << 31) - 1
_MAX_BIAS = 1 << 29
_SCALE_STEP = 1.002
_FINEST = 2.0**-100
_MAX_TRIES = 500

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class IntegerConv:
    """What CONV reads: `weights: i8[oc, kh, kw, c/groups]`, `bias: i32[oc]`, `scale: f32[oc]`.

    `kept`: channels whose integers are the source's own; `inflation`: mean growth of the scale
    over the finest 8-bit one.
    """

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scale: npt.NDArray[np.float32]
    kept: int
    inflation: float


def quantise_conv(
    layer: ConvLayer, x: Params, y: Params, *, keep_weights: bool = False
) -> IntegerConv:
    """Return the integers of a convolution between two scales, or raise UnsupportedNode.

    `keep_weights`: refuse the layer rather than change integers that the source brings.
    """
    real = layer.weights
    origin = layer.origin
    if not (np.isfinite(real).all() and np.isfinite(layer.bias).all()):
        raise UnsupportedNode(origin.operator, origin.node, "a weight or bias is not finite")
    kernel = real[0].size
    if kernel > MAX_KERNEL:
        raise UnsupportedNode(
            origin.operator,
            origin.node,
            f"{kernel} products per output could overflow 32 bits; {MAX_KERNEL} is the most",
        )
    views = _orders(layer)
    integers, scales, kept = _kept(layer, views, keep_weights)
    fresh = ~kept
    inflation = 1.0
    if fresh.any():
        found, found_scales, inflation = _fit(layer, views, fresh, x.scale)
        integers[fresh], scales[fresh] = found, found_scales
    scale = requantise_scale(origin, x, scales, y)
    # No scale is 0 now.
    bias = np.rint(layer.bias / (x.scale * scales))
    _check_overflow(layer, integers, bias, x)
    return IntegerConv(
        integers.astype(np.int8), bias.astype(np.int32), scale, int(kept.sum()), inflation
    )


def requantise_scale(
    origin: Origin, x: Params, weight_scales: npt.NDArray[np.float64], y: Params
) -> npt.NDArray[np.float32]:
    """Return `fl(fl(xs·ws)/ys)`, or raise UnsupportedNode if one is no normal binary32."""
    with np.errstate(over="ignore", under="ignore"):
        product = np.float32(x.scale) * weight_scales.astype(np.float32)
        scale = np.asarray(product / np.float32(y.scale), np.float32)
    if not ((scale >= np.finfo(np.float32).tiny) & np.isfinite(scale)).all():
        bad = float(scale[~((scale >= np.finfo(np.float32).tiny) & np.isfinite(scale))][0])
        raise UnsupportedNode(
            origin.operator, origin.node, f"its scale {bad} is not a positive normal number"
        )
    return scale


def is_depthwise(layer: ConvLayer) -> bool:
    """Say whether each group has one input and one output channel."""
    return layer.groups > 1 and layer.weights.shape[3] == 1 and len(layer.weights) == layer.groups


def pair_sums(rows: Array) -> Array:
    """Return the largest `|w[k] + w[k+1]|` of each row of `[n, k]`."""
    if rows.shape[1] < 2:
        return np.zeros(len(rows), rows.dtype)
    return np.asarray(np.abs(rows[:, :-1] + rows[:, 1:]).max(axis=1))


def _orders(layer: ConvLayer) -> list[tuple[int, ...]]:
    """Return, as shapes to transpose through, the K orders in which a kernel may add pairs."""
    _, kh, kw, channels = layer.weights.shape
    if is_depthwise(layer):
        return []
    if layer.flat_from is not None:
        return [(), layer.flat_from]
    return [(), (kh, kw, channels)] if kh * kw > 1 and channels > 1 else [()]


def _worst_pairs(weights: Array, orders: list[tuple[int, ...]]) -> Array:
    worst = np.zeros(len(weights), weights.dtype)
    for shape in orders:
        ordered = weights
        if shape:
            ordered = weights.reshape(len(weights), *shape).transpose(0, 3, 1, 2)
        worst = np.maximum(worst, pair_sums(ordered.reshape(len(weights), -1)))
    return worst


def _kept(
    layer: ConvLayer, orders: list[tuple[int, ...]], keep_weights: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    count = len(layer.weights)
    integers = np.zeros(layer.weights.shape, np.int32)
    scales = np.ones(count)
    if layer.stored is None:
        return integers, scales, np.zeros(count, np.bool_)
    source = layer.stored.integers
    kept = np.abs(source).reshape(count, -1).max(axis=1) <= MAX_WEIGHT
    kept &= _worst_pairs(source, orders) <= MAX_PAIR
    if keep_weights and not kept.all():
        raise UnsupportedNode(
            layer.origin.operator,
            layer.origin.node,
            f"{int((~kept).sum())} of {count} channels have weights that break the pair rule "
            "(a weight beyond 127, or neighbours that sum beyond 128); import without "
            "--keep-weights to rescale them",
        )
    integers[kept] = source[kept]
    scales[kept] = layer.stored.scales[kept]
    return integers, scales, kept


def _fit(
    layer: ConvLayer, orders: list[tuple[int, ...]], chosen: npt.NDArray[np.bool_], x_scale: float
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], float]:
    """Return integers and scales of the chosen channels, and the mean inflation."""
    real = layer.weights[chosen]
    finest = np.abs(real).reshape(len(real), -1).max(axis=1).astype(np.float64) / MAX_WEIGHT
    scales = np.maximum(finest, _worst_pairs(real, orders).astype(np.float64) / MAX_PAIR)
    # A channel of (almost) zero weights still needs a scale on which its bias is an integer.
    scales = np.maximum(scales, np.abs(layer.bias[chosen]) / (x_scale * _MAX_BIAS))
    # Weights finer than any network's are dust: a floor keeps the layer's scale a normal number.
    scales = np.where(scales == 0, 1.0, np.maximum(scales, _FINEST))
    scales = scales.astype(np.float32).astype(np.float64)
    integers = _round(real, scales)
    open_ = np.arange(len(real))
    for _ in range(_MAX_TRIES):
        open_ = open_[_worst_pairs(integers[open_], orders) > MAX_PAIR]
        if not open_.size:
            break
        scales[open_] = (scales[open_] * _SCALE_STEP).astype(np.float32)
        integers[open_] = _round(real[open_], scales[open_])
    else:
        raise UnsupportedNode(
            layer.origin.operator, layer.origin.node, "its weights cannot be made pair-safe"
        )
    is_real = finest >= _FINEST
    inflation = float(np.mean(scales[is_real] / finest[is_real])) if is_real.any() else 1.0
    return integers, scales, inflation


def _round(real: Array, scales: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    scaled = real / scales.astype(np.float32).reshape(-1, 1, 1, 1)
    return np.clip(np.rint(scaled), -MAX_WEIGHT, MAX_WEIGHT).astype(np.int32)


def _check_overflow(layer: ConvLayer, integers: Array, bias: Array, x: Params) -> None:
    reach = max(x.zero, 255 - x.zero)
    sums = np.abs(integers).reshape(len(integers), -1).sum(axis=1, dtype=np.int64)
    largest = float((reach * sums + np.abs(bias)).max())
    if largest > _MAX_INT32:
        raise UnsupportedNode(
            layer.origin.operator,
            layer.origin.node,
            f"an accumulator can reach {largest:.3g} with its bias, beyond 32 bits",
        )
