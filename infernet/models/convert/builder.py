"""The state of a conversion: tensors, layers and what each ONNX tensor is by now."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from interpreter.operators import Window

from ..errors import UnsupportedNode
from ..graph import (
    FREE,
    AddLayer,
    AssembleLayer,
    Clamp,
    ConvLayer,
    FloatGraph,
    Floats,
    GroupId,
    Layer,
    Origin,
    Params,
    Part,
    PoolLayer,
    TableLayer,
    Tensor,
    TensorId,
)
from ..source import Node, Source
from ..views import (
    Value,
    natural_shape,
    physical_order,
    rearranged,
    strided,
)


class Builder:
    """Grows a float graph node by node. Constants are the source's; values are activations."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.constants = source.constants
        self.tensors: list[Tensor] = []
        self.layers: list[Layer] = []
        self.values: dict[str, Value] = {}
        self.params: dict[GroupId, Params] = {}
        self.notes: list[str] = []
        self.padded: dict[TensorId, tuple[Value, tuple[int, ...], float]] = {}
        self.after_end: set[str] = set()
        self._producers: dict[TensorId, int] = {}
        self._pending: dict[TensorId, int] = {}
        self._read: set[TensorId] = set()
        self._groups = 0
        self.node = Node("", "", (), (source.input_name,), {})
        self.input_layout, self.input = self._add_input()

    def _add_input(self) -> tuple[str, TensorId]:
        name, shape = self.source.input_name, self.source.input_shape
        layout = self.source.input_layout
        if layout == "nhwc":
            tensor = self.add_tensor((shape[1], shape[2], shape[3]), name)
            index = np.arange(prod(shape), dtype=np.int64).reshape(shape)
            self.set_output(rearranged(Value(tensor, shape), index))
            return layout, tensor
        tensor = self.add_tensor(natural_shape(shape), name)
        self.set_output(Value(tensor, shape))
        return layout, tensor

    @property
    def origin(self) -> Origin:
        """Return the node in work."""
        return Origin(self.node.op, self.node.name)

    def refuse(self, reason: str) -> NoReturn:
        """Raise UnsupportedNode about the node in work."""
        raise UnsupportedNode(self.node.op, self.node.name, reason)

    # Reading the node in work

    def begin(self, node: Node) -> None:
        """Take up the next node."""
        self.node = node
        for name in node.inputs:
            if name in self.values:
                self._pending[self.values[name].tensor] -= 1

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute, or its default; bytes become text."""
        found = self.node.attributes.get(name, default)
        return found.decode() if isinstance(found, bytes) else found

    def value(self, index: int = 0) -> Value:
        """Return an input that is an activation."""
        name = self.node.inputs[index]
        if name not in self.values:
            self.refuse(f"input {index} ('{name}') must be an activation, but it is a constant")
        return self.values[name]

    def constant(self, index: int) -> npt.NDArray[Any]:
        """Return an input that is a constant."""
        name = self.node.inputs[index]
        if name not in self.constants:
            self.refuse(f"input {index} ('{name}') must be a constant, but it is computed")
        return self.constants[name]

    def integers(self, index: int, attribute: str) -> list[int] | None:
        """Return a list that newer opsets pass as an input and older ones as an attribute."""
        if self.node.has_input(index):
            return [int(x) for x in np.atleast_1d(self.constant(index))]
        found = self.attribute(attribute, None)
        return None if found is None else [int(x) for x in np.atleast_1d(found)]

    # Tensors, groups and params

    def add_tensor(
        self, shape: tuple[int, int, int], source: str, like: TensorId | None = None
    ) -> TensorId:
        """Add a tensor in a group of its own, or in that of another tensor."""
        if like is None:
            group, self._groups = GroupId(self._groups), self._groups + 1
        else:
            group = self.tensors[like].group
        self.tensors.append(Tensor(shape, group, source))
        return TensorId(len(self.tensors) - 1)

    def params_of(self, tensor: TensorId) -> Params | None:
        """Return the params that the source gave a tensor, if it did."""
        return self.params.get(self.tensors[tensor].group)

    def annotate(self, value: Value, params: Params) -> Value:
        """Return the value with the source's params, through a table where it has others."""
        group = self.tensors[value.tensor].group
        found = self.params.setdefault(group, params)
        if found == params:
            return value
        y = self.add_tensor(self.tensors[value.tensor].shape, "")
        self.params[self.tensors[y].group] = params
        self.emit(TableLayer(self.origin, value.tensor, y))
        return replace(value, tensor=y)

    # Layers

    def emit(self, layer: Layer) -> None:
        """Append a layer."""
        self._producers[layer.y] = len(self.layers)
        self._read.update(layer.sources)
        self.layers.append(layer)

    def producer(self, tensor: TensorId) -> Layer | None:
        """Return the layer that makes a tensor; None for the input."""
        index = self._producers.get(tensor)
        return None if index is None else self.layers[index]

    def absorb(self, layer: Layer) -> None:
        """Replace the layer with the same destination: it now does this node's work too."""
        self.layers[self._producers[layer.y]] = layer
        self.tensors[layer.y] = replace(self.tensors[layer.y], source=self.node.outputs[0])

    def absorber(self, tensor: TensorId) -> Layer | None:
        """Return the layer behind a tensor if the node in work may become part of it.

        Nobody else may see the tensor, neither before nor after, under whatever ONNX name.
        """
        is_seen = tensor in self._read or self._pending.get(tensor, 0) > 0
        return None if is_seen or self.params_of(tensor) is not None else self.producer(tensor)

    def set_output(self, value: Value, index: int = 0) -> None:
        """Say what an output of the node in work is."""
        name = self.node.outputs[index]
        self.values[name] = value
        readers = self._pending.get(value.tensor, 0) + self.source.uses.get(name, 0)
        self._pending[value.tensor] = readers

    def clamp(self, value: Value, clamp: Clamp) -> Value:
        """Return the value clamped, inside its layer if nobody sees it before."""
        layer = self.absorber(value.tensor)
        if isinstance(layer, ConvLayer | AddLayer | TableLayer) or (
            isinstance(layer, PoolLayer) and layer.is_average
        ):
            self.absorb(replace(layer, clamp=layer.clamp.within(clamp)))
            return value
        y = self.add_tensor(self.tensors[value.tensor].shape, self.node.outputs[0])
        self.emit(TableLayer(self.origin, value.tensor, y, None, clamp))
        return replace(value, tensor=y)

    def natural(self, value: Value) -> Value:
        """Return the value in its natural layout, moved if it must be."""
        if value.index is None and self.tensors[value.tensor].count == prod(value.shape):
            return value
        order = physical_order(value)
        tensor = self.tensors[value.tensor]
        if len(order) == tensor.count and np.array_equal(order, np.arange(len(order))):
            return Value(value.tensor, value.shape)
        loops = strided(order)
        if loops is None:
            self.refuse("its layout change needs more than four strides; simplify the Transpose")
        sizes, strides = loops
        y = self.add_tensor(natural_shape(value.shape), "", like=value.tensor)
        targets = (sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1)
        part = Part(value.tensor, sizes, int(order[0]), strides, 0, targets)
        self.emit(AssembleLayer(self.origin, y, (part,)))
        return Value(y, value.shape)

    def affine(self, value: Value, factor: Floats, offset: Floats) -> Value:
        """Return `value · factor + offset`, one of each per physical channel.

        A convolution that nobody else reads absorbs them; else it is a 1x1 depthwise one.
        """
        layer = self.absorber(value.tensor)
        if isinstance(layer, ConvLayer) and layer.clamp == FREE:
            weights = (layer.weights * factor.reshape(-1, 1, 1, 1)).astype(np.float32)
            # Unit factors leave the source's integer weights what they are.
            stored = layer.stored if np.all(factor == 1) else None
            bias = layer.bias * factor + offset
            self.absorb(replace(layer, weights=weights, bias=bias, stored=stored))
            return value
        if self.tensors[value.tensor].count != prod(value.shape):
            value = self.natural(value)
        height, width, channels = shape = self.tensors[value.tensor].shape
        y = self.add_tensor(shape, self.node.outputs[0])
        window = _point(height, width, channels)
        weights = factor.astype(np.float32).reshape(-1, 1, 1, 1)
        bias = offset.astype(np.float64)
        self.emit(ConvLayer(self.origin, value.tensor, y, window, channels, weights, bias))
        return replace(value, tensor=y)

    def per_channel(self, value: Value, constant: npt.NDArray[Any]) -> Floats:
        """Return a broadcast constant as one number per physical channel of the value."""
        tensor = self.tensors[value.tensor]
        channels = tensor.shape[2]
        if constant.size == 1:
            return np.full(channels, float(constant.ravel()[0]))
        try:
            full = np.broadcast_to(constant.astype(np.float64), value.shape)
        except ValueError:
            self.refuse(f"constant {constant.shape} does not broadcast to {value.shape}")
        flat = np.empty(tensor.count)
        flat[value.indices().ravel()] = full.ravel()
        table = flat.reshape(-1, channels)
        if full.size != tensor.count or (table != table[0]).any():
            self.refuse("the constant differs along height or width; only channels may differ")
        return np.array(table[0])

    def finish(self) -> FloatGraph:
        """Return the graph that leads to the output; layers that nothing needs are dropped."""
        value = self.values[self.source.output_name]
        self.node = Node("Output", self.source.output_name, (self.source.output_name,), (), {})
        index = value.indices()
        count = self.tensors[value.tensor].count
        if np.array_equal(index.ravel(), np.arange(count)):
            # Already in the source's own order, whatever its rank.
            output, shape = value.tensor, value.shape
            layout = "flat" if len(shape) < 4 or _is_point(shape) else "nhwc as source"
        elif len(value.shape) == 4:
            output = self.natural(value).tensor
            shape = tuple(value.shape[i] for i in (0, 2, 3, 1))
            layout = "nhwc"
        else:
            output = self.natural(value).tensor
            shape, layout = value.shape, "flat"
        if output == self.input:
            self.refuse("the graph computes nothing")
        if self.source.input_dtype != np.float32:
            # Bytes whose scale the source never says mean themselves.
            zero = 128 if self.source.input_dtype == np.int8 else 0
            self.params.setdefault(self.tensors[self.input].group, Params(1.0, zero))
        return FloatGraph(
            tuple(self.tensors),
            _needed(self.layers, output),
            dict(self.params),
            self.input,
            output,
            self.input_layout,
            shape,
            layout,
            tuple(self.notes),
        )


def _needed(layers: list[Layer], output: TensorId) -> tuple[Layer, ...]:
    needed, kept = {output}, []
    for layer in reversed(layers):
        if layer.y in needed:
            needed.update(layer.sources)
            kept.append(layer)
    return tuple(reversed(kept))


def _point(height: int, width: int, channels: int) -> Window:
    return Window(height, width, channels, height, width)


def _is_point(shape: tuple[int, ...]) -> bool:
    return sum(size > 1 for size in shape) <= 1
