"""QuantizeLinear, DequantizeLinear and the QLinear operators: scales that the source fixes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..graph import Params, StoredWeights
from ..source import StoredConstant
from .builder import Builder
from .convolution import Array, Handler, emit_conv, emit_linear, stored_weights
from .elementwise import FUNCTIONS, emit_add, emit_function
from .layout import emit_concat
from .pooling import average_pool, emit_global

_TINY = float(np.finfo(np.float32).tiny)


def annotate(builder: Builder) -> None:
    """Convert QuantizeLinear or DequantizeLinear: the value keeps its meaning."""
    builder.set_output(builder.annotate(builder.value(), read_params(builder, 1, 2)))


def qlinear_conv(builder: Builder) -> None:
    """Convert QLinearConv."""
    x = read_params(builder, 1, 2)
    value = builder.annotate(builder.value(), x)
    weights, stored = _weights(builder, 3, 0)
    bias = _bias(builder, 8, x.scale, stored)
    result = emit_conv(builder, value, weights, bias, stored)
    builder.set_output(builder.annotate(result, read_params(builder, 6, 7)))


def qlinear_matmul(builder: Builder) -> None:
    """Convert QLinearMatMul with constant weights."""
    value = builder.annotate(builder.value(), read_params(builder, 1, 2))
    weights, stored = _weights(builder, 3, 1)
    result = emit_linear(builder, value, weights.T, None, stored)
    builder.set_output(builder.annotate(result, read_params(builder, 6, 7)))


def qgemm(builder: Builder) -> None:
    """Convert QGemm with constant weights; without an output scale its result is a real."""
    x = read_params(builder, 1, 2)
    if builder.attribute("transA", 0) or builder.attribute("alpha", 1.0) != 1.0:
        builder.refuse("transA and alpha are not supported")
    value = builder.annotate(builder.value(), x)
    is_transposed = bool(builder.attribute("transB", 0))
    weights, stored = _weights(builder, 3, 0 if is_transposed else 1)
    bias = _bias(builder, 6, x.scale, stored)
    result = emit_linear(builder, value, weights if is_transposed else weights.T, bias, stored)
    if builder.node.has_input(7):
        result = builder.annotate(result, read_params(builder, 7, 8))
    builder.set_output(result)


def qlinear_add(builder: Builder) -> None:
    """Convert QLinearAdd of two activations."""
    a = builder.annotate(builder.value(0), read_params(builder, 1, 2))
    b = builder.annotate(builder.value(3), read_params(builder, 4, 5))
    result = emit_add(builder, a, b)
    builder.set_output(builder.annotate(result, read_params(builder, 6, 7)))


def qlinear_global_average_pool(builder: Builder) -> None:
    """Convert QLinearGlobalAveragePool."""
    if builder.attribute("channels_last", 0):
        builder.refuse("channels_last is not supported")
    value = builder.annotate(builder.value(), read_params(builder, 1, 2))
    result = emit_global(builder, value, is_average=True)
    builder.set_output(builder.annotate(result, read_params(builder, 3, 4)))


def qlinear_average_pool(builder: Builder) -> None:
    """Convert QLinearAveragePool."""
    if builder.attribute("channels_last", 0):
        builder.refuse("channels_last is not supported")
    name = builder.node.inputs[0]
    builder.values[name] = builder.annotate(builder.value(), read_params(builder, 1, 2))
    average_pool(builder)
    result = builder.values[builder.node.outputs[0]]
    builder.set_output(builder.annotate(result, read_params(builder, 3, 4)))


def qlinear_concat(builder: Builder) -> None:
    """Convert QLinearConcat."""
    values = []
    for i in range(2, len(builder.node.inputs), 3):
        values.append(builder.annotate(builder.value(i), read_params(builder, i + 1, i + 2)))
    result = emit_concat(builder, values, int(builder.attribute("axis", 1)))
    builder.set_output(builder.annotate(result, read_params(builder, 0, 1)))


def qlinear_function(name: str) -> Handler:
    """Return the handler of a quantised function of one number."""

    def handle(builder: Builder) -> None:
        value = builder.annotate(builder.value(), read_params(builder, 1, 2))
        result = emit_function(builder, value, FUNCTIONS[name](builder))
        builder.set_output(builder.annotate(result, read_params(builder, 3, 4)))

    return handle


def read_params(builder: Builder, scale_index: int, zero_index: int) -> Params:
    """Return the params in two inputs; signed bytes are moved up by 128."""
    scale = builder.constant(scale_index)
    has_zero = builder.node.has_input(zero_index)
    zero: Array = builder.constant(zero_index) if has_zero else np.zeros(1, np.uint8)
    if scale.size != 1 or zero.size != 1:
        builder.refuse("an activation with more than one scale is not supported")
    number = float(scale.ravel()[0])
    if not _TINY <= number < float("inf"):
        builder.refuse(f"scale {number} is not a positive normal number")
    if zero.dtype not in (np.uint8, np.int8):
        builder.refuse(f"activations of type {zero.dtype} are not supported; use 8 bits")
    shift = 128 if zero.dtype == np.int8 else 0
    return Params(number, int(zero.ravel()[0]) + shift)


def _weights(builder: Builder, index: int, channel_axis: int) -> tuple[Array, StoredWeights]:
    """Return real weights and the integers behind them, output channels first in the latter."""
    integers, scale = builder.constant(index), builder.constant(index + 1).astype(np.float64)
    zero = builder.constant(index + 2)
    constant = StoredConstant(integers, scale, zero, channel_axis)
    stored = stored_weights(constant, integers, channel_axis)
    if stored is None or scale.size not in (1, integers.shape[channel_axis]):
        builder.refuse(f"weight scales of shape {scale.shape} do not fit {integers.shape}")
    scales = stored.scales.reshape(-1, *[1] * (integers.ndim - 1))
    return np.moveaxis(stored.integers * scales, 0, channel_axis), stored


def _bias(
    builder: Builder, index: int, scale: float, stored: StoredWeights
) -> npt.NDArray[np.float64] | None:
    if not builder.node.has_input(index):
        return None
    return np.asarray(builder.constant(index) * (scale * stored.scales))


QUANTISED: dict[str, Handler] = {
    "QuantizeLinear": annotate,
    "DequantizeLinear": annotate,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QGemm": qgemm,
    "QLinearAdd": qlinear_add,
    "QLinearGlobalAveragePool": qlinear_global_average_pool,
    "QLinearAveragePool": qlinear_average_pool,
    "QLinearConcat": qlinear_concat,
    "QLinearSigmoid": qlinear_function("Sigmoid"),
    "QLinearLeakyRelu": qlinear_function("LeakyRelu"),
}
