"""Nodes and constants of an ONNX graph, as it is being built.

Every byte tensor is u8 in the graph; an i8 one is stored with its top bit flipped, which adds 128
to values and zero points alike and changes no arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from interpreter.tensors import DType

from .bounds import MOST_CONSTANT_BYTES
from .errors import UnsupportedProgram

BIAS = 128

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor in the graph: its name, its shape there, and its type in the program."""

    name: str
    shape: Shape
    dtype: DType


@dataclass(slots=True)
class Nodes:
    """The nodes and initializers so far."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: dict[str, onnx.TensorProto] = field(default_factory=dict)
    reshaped: dict[tuple[str, Shape], Value] = field(default_factory=dict)
    constant_bytes: int = 0

    def constant(self, name: str, data: npt.NDArray[np.generic]) -> str:
        """Return the name of a constant; equal names must mean equal data.

        Raises UnsupportedProgram where they take too many bytes together.
        """
        if name not in self.initializers:
            self.constant_bytes += data.nbytes
            require_room(self.constant_bytes)
            self.initializers[name] = numpy_helper.from_array(np.array(data, order="C"), name)
        return name

    def scalar(self, value: int, dtype: type[np.generic]) -> str:
        """Return the name of a scalar."""
        return self.constant(f"{np.dtype(dtype).name}_{value}", np.array(value, dtype))

    def node(
        self,
        operator: str,
        inputs: list[str],
        output: str,
        domain: str = "",
        **attributes: object,
    ) -> None:
        """Append a node with one output, whose name is also the node's."""
        node = helper.make_node(operator, inputs, [output], output, domain=domain, **attributes)
        self.nodes.append(node)

    def shaped(self, value: Value, shape: Shape) -> Value:
        """Return a value in another shape of as many elements."""
        if value.shape == shape:
            return value
        key = (value.name, shape)
        if key not in self.reshaped:
            name = f"{value.name}_as_{'x'.join(map(str, shape))}"
            size = self.constant("shape_" + "x".join(map(str, shape)), np.array(shape, np.int64))
            self.node("Reshape", [value.name, size], name)
            self.reshaped[key] = Value(name, shape, value.dtype)
        return self.reshaped[key]


def require_room(constant_bytes: int) -> None:
    """Raise UnsupportedProgram for more bytes of constants than a graph holds."""
    if constant_bytes > MOST_CONSTANT_BYTES:
        raise UnsupportedProgram(f"the graph's constants pass {MOST_CONSTANT_BYTES} bytes")


def shift_of(dtype: DType) -> int:
    """Return what the graph adds to a dtype's values and zero points."""
    return BIAS if dtype is DType.I8 else 0


def graph_dtype(dtype: DType) -> np.dtype[np.generic]:
    """Return the numpy dtype that holds a program's dtype in the graph."""
    return DType.U8.numpy if dtype is DType.I8 else dtype.numpy


def element_type(dtype: DType) -> int:
    """Return the ONNX element type that holds a program's dtype in the graph."""
    return int(helper.np_dtype_to_tensor_dtype(graph_dtype(dtype)))


def infos(values: Iterable[Value]) -> list[onnx.ValueInfoProto]:
    """Return how a graph declares values that it takes or gives."""
    return [helper.make_tensor_value_info(v.name, element_type(v.dtype), v.shape) for v in values]


def flip(data: npt.NDArray[np.uint8], dtype: DType) -> npt.NDArray[np.uint8]:
    """Return a tensor's bytes as the graph stores them, or back again."""
    return data ^ np.uint8(BIAS) if dtype is DType.I8 else data
