"""Conv, Gemm and MatMul with constant weights, and batch normalisation."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from interpreter.operators import Window

from ..graph import ConvLayer, StoredWeights
from ..source import StoredConstant
from ..views import Value, physical_order, reshaped
from .builder import Builder
from .window import Sides, window_of

Handler = Callable[[Builder], None]
Array = npt.NDArray[Any]


def conv(builder: Builder) -> None:
    """Convert Conv."""
    weights = builder.constant(1)
    stored = stored_weights(builder.source.stored.get(builder.node.inputs[1]), weights, 0)
    bias = builder.constant(2) if builder.node.has_input(2) else None
    builder.set_output(emit_conv(builder, builder.value(), weights, bias, stored))


def gemm(builder: Builder) -> None:
    """Convert Gemm with constant weights."""
    if builder.attribute("transA", 0):
        builder.refuse("a transposed activation (transA) is not supported")
    alpha, beta = builder.attribute("alpha", 1.0), builder.attribute("beta", 1.0)
    is_transposed = bool(builder.attribute("transB", 0))
    weights = builder.constant(1)
    stored = builder.source.stored.get(builder.node.inputs[1])
    integers = stored_weights(stored, weights, 0 if is_transposed else 1)
    if not is_transposed:
        weights = weights.T
    if alpha != 1.0:
        weights, integers = weights * alpha, None
    bias = builder.constant(2) * beta if builder.node.has_input(2) else None
    builder.set_output(emit_linear(builder, builder.value(), weights, bias, integers))


def matmul(builder: Builder) -> None:
    """Convert MatMul of an activation with constant weights `[k, n]`."""
    if builder.node.inputs[1] not in builder.constants:
        builder.refuse("a product of two activations is not supported")
    weights = builder.constant(1)
    if weights.ndim != 2:
        builder.refuse(f"weights of shape {weights.shape} are not a matrix")
    stored = builder.source.stored.get(builder.node.inputs[1])
    integers = stored_weights(stored, weights, 1)
    value = builder.value()
    if len(value.shape) == 1:
        value = reshaped(value, (1, *value.shape))
    builder.set_output(emit_linear(builder, value, weights.T, None, integers))


def batch_normalization(builder: Builder) -> None:
    """Convert BatchNormalization in inference form."""
    scale, offset, mean, variance = (builder.constant(i).astype(np.float64) for i in range(1, 5))
    epsilon = builder.attribute("epsilon", 1e-5)
    value = builder.value()
    factor = scale / np.sqrt(variance + epsilon)
    shape = (1, -1, *[1] * (len(value.shape) - 2))
    factors = builder.per_channel(value, factor.reshape(shape))
    offsets = builder.per_channel(value, (offset - mean * factor).reshape(shape))
    builder.set_output(builder.affine(value, factors, offsets))


def emit_conv(
    builder: Builder,
    value: Value,
    weights: Array,
    bias: Array | None,
    stored: StoredWeights | None,
) -> Value:
    """Emit a convolution. `weights: [oc, c/groups, kh, kw]`, `stored` likewise per channel."""
    if weights.ndim != 4 or len(value.shape) != 4:
        builder.refuse(f"weights {weights.shape} on {value.shape}: only images are supported")
    value, before = unpadded(builder, builder.natural(value))
    _, channels, height, width = value.shape
    out_channels, group_channels, *kernel = weights.shape
    groups = int(builder.attribute("group", 1))
    if group_channels * groups != channels or out_channels % groups:
        builder.refuse(f"weights {weights.shape} in {groups} groups do not fit {channels} channels")
    window, _ = window_of(builder, (height, width, channels), (kernel[0], kernel[1]), before)
    shape = (window.out_height, window.out_width, out_channels)
    y = builder.add_tensor(shape, builder.node.outputs[0])
    builder.emit(
        ConvLayer(
            builder.origin,
            value.tensor,
            y,
            window,
            groups,
            _last(weights).astype(np.float32),
            _bias(builder, bias, out_channels),
            stored and StoredWeights(_last(stored.integers), stored.scales),
        )
    )
    return Value(y, (1, out_channels, window.out_height, window.out_width))


def emit_linear(
    builder: Builder,
    value: Value,
    weights: Array,
    bias: Array | None,
    stored: StoredWeights | None,
) -> Value:
    """Emit a fully connected layer over the last axis. `weights: [n, k]`, `stored` likewise."""
    count, size = weights.shape
    if value.shape[-1] != size:
        builder.refuse(f"weights for {size} inputs do not fit an activation {value.shape}")
    rows = prod(value.shape[:-1])
    value_rows = reshaped(value, (rows, size))
    order = physical_order(value_rows)
    tensor = builder.tensors[value.tensor]
    flat_from = None
    if rows == 1 and len(order) == tensor.count and len(np.unique(order)) == len(order):
        # A flattened image: reorder the weights' columns instead of the activation.
        x = value.tensor
        if not np.array_equal(order, np.arange(size)):
            flat_from = tensor.shape
            inverse = np.argsort(order)
            weights = weights[:, inverse]
            stored = stored and StoredWeights(stored.integers[:, inverse], stored.scales)
    else:
        x = builder.natural(value_rows).tensor
    y = builder.add_tensor((1, rows, count), builder.node.outputs[0])
    kernel = (count, 1, 1, size)
    builder.emit(
        ConvLayer(
            builder.origin,
            x,
            y,
            Window(1, rows, size, 1, rows),
            1,
            np.ascontiguousarray(weights, np.float32).reshape(kernel),
            _bias(builder, bias, count),
            stored and StoredWeights(stored.integers.reshape(kernel), stored.scales),
            flat_from=flat_from,
        )
    )
    return reshaped(Value(y, (rows, count)), (*value.shape[:-1], count))


def unpadded(builder: Builder, value: Value) -> tuple[Value, Sides]:
    """Return the input of a zero Pad node behind a value, and the padding it adds."""
    found = builder.padded.get(value.tensor)
    if found is None or found[2] != 0.0:
        return value, Sides()
    return found[0], Sides(*found[1])


def stored_weights(
    constant: StoredConstant | None, weights: Array, channel_axis: int
) -> StoredWeights | None:
    """Return a source's integers with the output channels first, if its scales allow that."""
    if constant is None or not weights.ndim or constant.integers.shape != weights.shape:
        return None
    zero, scale = constant.zero.astype(np.int32).ravel(), constant.scale.astype(np.float64).ravel()
    axis = constant.axis % weights.ndim
    if scale.size > 1 and axis != channel_axis:
        return None
    integers = np.moveaxis(constant.integers.astype(np.int32), channel_axis, 0)
    count = integers.shape[0]
    integers = integers - zero.reshape(-1, *[1] * (weights.ndim - 1))
    return StoredWeights(integers, np.broadcast_to(scale, (count,)).copy())


def _bias(builder: Builder, bias: Array | None, count: int) -> npt.NDArray[np.float64]:
    if bias is None:
        return np.zeros(count)
    if bias.size not in (1, count):
        builder.refuse(f"bias {bias.shape} does not fit {count} outputs")
    return np.broadcast_to(bias.astype(np.float64).ravel(), (count,)).copy()


def _last(weights: Array) -> Array:
    return np.ascontiguousarray(weights.transpose(0, 2, 3, 1))


CONVOLUTIONS: dict[str, Handler] = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_normalization,
}
