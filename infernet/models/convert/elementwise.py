"""Functions of one number, sums, and products with constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import FREE, AddLayer, Clamp, Function, TableLayer
from ..views import Value
from .builder import Builder
from .convolution import Handler

Reals = npt.NDArray[np.float64]

_erf = np.vectorize(math.erf, otypes=[np.float64])
_SELU_ALPHA, _SELU_GAMMA = 1.6732632423543772, 1.0507009873554805


def relu(builder: Builder) -> None:
    """Convert Relu."""
    builder.set_output(builder.clamp(builder.value(), Clamp(low=0.0)))


def clip(builder: Builder) -> None:
    """Convert Clip with constant bounds."""
    low, high = (_bound(builder, i, name) for i, name in ((1, "min"), (2, "max")))
    clamp = Clamp(-math.inf if low is None else low, math.inf if high is None else high)
    if clamp.low > clamp.high:
        # The operator's definition: the upper bound wins.
        clamp = Clamp(clamp.high, clamp.high)
    builder.set_output(builder.clamp(builder.value(), clamp))


def table(function_of: Callable[[Builder], Function]) -> Handler:
    """Return the handler of a function of one number."""

    def handle(builder: Builder) -> None:
        builder.set_output(emit_function(builder, builder.value(), function_of(builder)))

    return handle


def emit_function(builder: Builder, value: Value, function: Function) -> Value:
    """Emit a function of one number, joined with the one before it where nobody looks between."""
    layer = builder.absorber(value.tensor)
    if isinstance(layer, TableLayer):
        inner, clamp = layer.function, layer.clamp

        def joined(x: Reals) -> Reals:
            y = x if inner is None else inner(x)
            return function(np.clip(y, clamp.low, clamp.high))

        builder.absorb(replace(layer, function=joined, clamp=FREE))
        return value
    y = builder.add_tensor(builder.tensors[value.tensor].shape, builder.node.outputs[0])
    builder.emit(TableLayer(builder.origin, value.tensor, y, function))
    return replace(value, tensor=y)


def add(builder: Builder) -> None:
    """Convert Add or Sum of two: of activations, or of one and a constant."""
    if len(builder.node.inputs) == 1:
        builder.set_output(builder.value())
        return
    if len(builder.node.inputs) > 2:
        builder.refuse("a sum of more than two terms has no scale in between; chain Add nodes")
    value, constant = _operands(builder)
    if constant is None:
        builder.set_output(emit_add(builder, value, builder.value(1)))
        return
    offset = builder.per_channel(value, constant)
    builder.set_output(builder.affine(value, np.ones_like(offset), offset))


def subtract(builder: Builder) -> None:
    """Convert Sub of an activation and a constant, either way round."""
    value, constant = _operands(builder)
    if constant is None:
        builder.refuse("a difference of two activations is not supported; negate one before Add")
    sign = 1.0 if builder.node.inputs[0] in builder.values else -1.0
    offset = builder.per_channel(value, constant)
    builder.set_output(builder.affine(value, np.full_like(offset, sign), -sign * offset))


def multiply(builder: Builder) -> None:
    """Convert Mul with a constant, or with a function of the other factor (x · sigmoid(x))."""
    value, constant = _operands(builder)
    if constant is not None:
        factor = builder.per_channel(value, constant)
        builder.set_output(builder.affine(value, factor, np.zeros_like(factor)))
        return
    for gate, other in ((builder.value(0), builder.value(1)), (builder.value(1), builder.value(0))):
        layer = builder.producer(gate.tensor)
        if isinstance(layer, TableLayer) and layer.x == other.tensor and layer.function:
            function, clamp = layer.function, layer.clamp
            builder.set_output(_gated(builder, other, function, clamp))
            return
    builder.refuse("a product of two activations is not supported")


def divide(builder: Builder) -> None:
    """Convert Div by a constant."""
    value, constant = _operands(builder)
    if constant is None or builder.node.inputs[0] not in builder.values:
        builder.refuse("only a division by a constant is supported")
    divisor = builder.per_channel(value, constant)
    if (divisor == 0).any():
        builder.refuse("the constant divisor holds a zero")
    builder.set_output(builder.affine(value, 1 / divisor, np.zeros_like(divisor)))


def extreme(is_maximum: bool) -> Handler:
    """Return the handler of Max or Min with a constant number."""

    def handle(builder: Builder) -> None:
        value, constant = _operands(builder)
        if constant is None or constant.size != 1 or len(builder.node.inputs) != 2:
            builder.refuse("only one activation and one constant number are supported")
        bound = float(constant.ravel()[0])
        clamp = Clamp(low=bound) if is_maximum else Clamp(high=bound)
        builder.set_output(builder.clamp(value, clamp))

    return handle


def prelu(builder: Builder) -> None:
    """Convert PRelu with one slope."""
    slopes = np.unique(builder.constant(1))
    if slopes.size != 1:
        builder.refuse("PRelu with a slope per channel is not supported")
    slope = float(slopes[0])
    builder.set_output(
        emit_function(builder, builder.value(), lambda x: np.where(x < 0, slope * x, x))
    )


def emit_add(builder: Builder, a: Value, b: Value) -> Value:
    """Emit a sum of two activations of one shape."""
    if a.shape != b.shape:
        builder.refuse(f"shapes {a.shape} and {b.shape} differ; broadcasting is not supported")
    shapes = [builder.tensors[value.tensor] for value in (a, b)]
    is_whole = all(tensor.count == a.indices().size for tensor in shapes)
    if not is_whole or not np.array_equal(a.indices(), b.indices()):
        a, b = builder.natural(a), builder.natural(b)
    y = builder.add_tensor(builder.tensors[a.tensor].shape, builder.node.outputs[0])
    builder.emit(AddLayer(builder.origin, a.tensor, b.tensor, y))
    return replace(a, tensor=y)


def _gated(builder: Builder, value: Value, function: Function, clamp: Clamp) -> Value:
    y = builder.add_tensor(builder.tensors[value.tensor].shape, builder.node.outputs[0])

    def gated(x: Reals) -> Reals:
        return x * np.clip(function(x), clamp.low, clamp.high)

    builder.emit(TableLayer(builder.origin, value.tensor, y, gated))
    return replace(value, tensor=y)


def _operands(builder: Builder) -> tuple[Value, npt.NDArray[Any] | None]:
    """Return the activation and the constant of a node with two inputs."""
    for index in (0, 1):
        if builder.node.inputs[index] in builder.constants:
            return builder.value(1 - index), builder.constants[builder.node.inputs[index]]
    return builder.value(0), None


def _bound(builder: Builder, index: int, name: str) -> float | None:
    if builder.node.has_input(index):
        return float(builder.constant(index).ravel()[0])
    found = builder.attribute(name, None)
    return None if found is None else float(found)


def _sigmoid(x: Reals) -> Reals:
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1))


def _leaky(builder: Builder) -> Function:
    slope = builder.attribute("alpha", 0.01)
    return lambda x: np.where(x < 0, slope * x, x)


def _elu(builder: Builder) -> Function:
    alpha = builder.attribute("alpha", 1.0)
    return lambda x: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _selu(builder: Builder) -> Function:
    alpha, gamma = builder.attribute("alpha", _SELU_ALPHA), builder.attribute("gamma", _SELU_GAMMA)
    return lambda x: gamma * np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _hard_sigmoid(builder: Builder) -> Function:
    alpha, beta = builder.attribute("alpha", 0.2), builder.attribute("beta", 0.5)
    return lambda x: np.clip(alpha * x + beta, 0, 1)


def _swish(builder: Builder) -> Function:
    alpha = builder.attribute("alpha", 1.0)
    return lambda x: x * _sigmoid(alpha * x)


def _gelu(builder: Builder) -> Function:
    if builder.attribute("approximate", "none") == "tanh":
        root = math.sqrt(2 / math.pi)
        return lambda x: 0.5 * x * (1 + np.tanh(root * (x + 0.044715 * x**3)))
    return lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _fixed(function: Function) -> Callable[[Builder], Function]:
    return lambda builder: function


_PLAIN: dict[str, Function] = {
    "Abs": np.abs,
    "Neg": np.negative,
    "Exp": np.exp,
    "Sqrt": lambda x: np.sqrt(np.maximum(x, 0)),
    "Sigmoid": _sigmoid,
    "Tanh": np.tanh,
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Softplus": lambda x: np.logaddexp(0, x),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Erf": _erf,
    "Mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
}

FUNCTIONS: dict[str, Callable[[Builder], Function]] = {
    **{name: _fixed(function) for name, function in _PLAIN.items()},
    "LeakyRelu": _leaky,
    "Elu": _elu,
    "Selu": _selu,
    "HardSigmoid": _hard_sigmoid,
    "Swish": _swish,
    "Gelu": _gelu,
}

ELEMENTWISE: dict[str, Handler] = {
    **{name: table(function_of) for name, function_of in FUNCTIONS.items()},
    "Relu": relu,
    "Clip": clip,
    "Add": add,
    "Sum": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "Max": extreme(True),
    "Min": extreme(False),
    "PRelu": prelu,
}
