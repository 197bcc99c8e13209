"""Program → ONNX graph whose kernels give the program's bits (docs/adr/0002).

Images stay `[1, h, w, c]`: QLinearConv and NhwcMaxPool take them so. Every byte tensor is u8 in the
graph; an i8 one is stored with its top bit flipped, which adds 128 to values and zero points alike
and changes no arithmetic. Scales of inputs and outputs are 1, so the committed scale of a channel
is the combined scale, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from interpreter.operators import Add, Begin, Clip, Conv, Copy, Free, MaxPool, Table, Window, decode
from interpreter.program import Program
from interpreter.tensors import DType, TensorType

from .bounds import end_padding, params_of, weights_of
from .errors import UnsupportedProgram

OPSET = 17
MICROSOFT = "com.microsoft"
BIAS = 128

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor in the graph: its name, its shape there, and its type in the program."""

    name: str
    shape: Shape
    dtype: DType


@dataclass(slots=True)
class Filling:
    """A destination that COPYs are still filling; it becomes one node when it is read."""

    kind: TensorType
    base: Value | None
    copies: list[tuple[int, Copy, Value]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX model with the values that hold the operators' destinations.

    `exposed[operator]`: the value after that operator. A COPY that another follows into the same
    destination has none.
    """

    model: onnx.ModelProto
    output: Value
    exposed: dict[int, Value]


def build(program: Program, *, expose: bool) -> Graph:
    """Return the graph of a program; `expose` makes every destination a graph output.

    The program must have passed `bounds.analyse`. Raises UnsupportedProgram where the graph cannot
    say what an operator does.
    """
    builder = _Builder(program)
    builder.walk()
    return builder.finish(expose)


class _Builder:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.exposed: dict[int, Value] = {}
        header = program.header
        count = header.input_type.count
        self.input = Value("input", (count,), header.input_dtype)
        self.slots: dict[int, Value | Filling] = {header.input_slot: self.input}
        self.reshaped: dict[tuple[str, Shape], Value] = {}

    def walk(self) -> None:
        """Add the nodes of every operator."""
        for index, operator in enumerate(self.program.operators):
            match instruction := decode(operator):
                case Begin(dst=dst, kind=kind):
                    self.slots[dst] = Filling(kind, None)
                case Free(dst=dst):
                    self._read(dst)
                    del self.slots[dst]
                case Copy():
                    self._copy(index, instruction)
                case Conv():
                    self._conv(index, instruction)
                case MaxPool():
                    self._max_pool(index, instruction)
                case Add():
                    self._add(index, instruction)
                case Clip():
                    value = self._read(instruction.a)
                    self._store(index, instruction.dst, self._clip(index, value, instruction))
                case Table():
                    self._table(index, instruction)
                case _:
                    pass

    def finish(self, expose: bool) -> Graph:
        """Return the graph with its outputs."""
        for slot in list(self.slots):
            self._read(slot)
        output = self._read(self.program.header.output_slot)
        values = {output.name: output}
        if expose:
            values |= {value.name: value for value in self.exposed.values()}
        element = numpy_helper_type(self.input.dtype)
        graph = helper.make_graph(
            self.nodes,
            "program",
            [helper.make_tensor_value_info("input", element, self.input.shape)],
            [
                helper.make_tensor_value_info(v.name, numpy_helper_type(v.dtype), v.shape)
                for v in values.values()
            ],
            list(self.initializers.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return Graph(model, output, self.exposed)

    # Values

    def _constant(self, name: str, data: npt.NDArray[np.generic]) -> str:
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.array(data, order="C"), name)
        return name

    def _scalar(self, value: int, dtype: type[np.generic]) -> str:
        return self._constant(f"{np.dtype(dtype).name}_{value}", np.array(value, dtype))

    def _node(
        self,
        operator: str,
        inputs: list[str],
        output: str,
        domain: str = "",
        **attributes: object,
    ) -> None:
        node = helper.make_node(operator, inputs, [output], output, domain=domain, **attributes)
        self.nodes.append(node)

    def _shaped(self, value: Value, shape: Shape) -> Value:
        if value.shape == shape:
            return value
        key = (value.name, shape)
        if key not in self.reshaped:
            name = f"{value.name}_as_{'x'.join(map(str, shape))}"
            size = self._constant("shape_" + "x".join(map(str, shape)), np.array(shape, np.int64))
            self._node("Reshape", [value.name, size], name)
            self.reshaped[key] = Value(name, shape, value.dtype)
        return self.reshaped[key]

    def _read(self, slot: int) -> Value:
        value = self.slots[slot]
        if isinstance(value, Filling):
            value = self._fill(slot, value)
            self.slots[slot] = value
        return value

    def _image(self, slot: int, window: Window) -> Value:
        return self._shaped(self._read(slot), (1, window.height, window.width, window.channels))

    def _store(self, index: int, slot: int, value: Value) -> None:
        # A destination that is overwritten before anybody reads it still is a tensor to expose.
        self._read(slot)
        self.slots[slot] = value
        self.exposed[index] = value

    # Operators

    def _conv(self, index: int, conv: Conv) -> None:
        image = self._image(conv.a, conv.window)
        constants = self.program.constants
        weights = weights_of(conv, constants)
        bias, scale_bits = params_of(conv, constants)
        w = conv.window
        key = f"weights_{conv.weights}_{'x'.join(map(str, weights.shape))}"
        params = f"{conv.params}_{conv.out_channels}"
        scale = self._constant(f"scale_{params}", scale_bits.view(np.float32))
        zeros = self._constant(f"zeros_{conv.out_channels}", np.zeros(conv.out_channels, np.int8))
        bias_name = self._constant(f"bias_{params}", bias)
        one = self._constant("one", np.array(1, np.float32))
        a_zero = self._scalar(conv.a_zero + _shift(conv.a_dtype), np.uint8)
        dst_zero = self._scalar(conv.dst_zero + _shift(conv.dst_dtype), np.uint8)
        ends = end_padding(w)
        if ends is None:
            raise UnsupportedProgram(f"operator {index} (CONV): no padding expresses its window")
        name = f"conv_{index}"
        shape = (1, w.out_height, w.out_width, conv.out_channels)
        kernel = self._constant(key, weights.transpose(0, 3, 1, 2))
        self._node(
            "QLinearConv",
            [image.name, one, a_zero, kernel, scale, zeros, one, dst_zero, bias_name],
            name,
            MICROSOFT,
            channels_last=1,
            group=conv.groups,
            kernel_shape=[w.kernel_height, w.kernel_width],
            strides=[w.stride_height, w.stride_width],
            dilations=[w.dilation_height, w.dilation_width],
            pads=[w.pad_top, w.pad_left, *ends],
        )
        value = Value(name, shape, conv.dst_dtype)
        self._store(index, conv.dst, self._clip(index, value, conv))

    def _clip(self, index: int, value: Value, limits: Conv | Add | Clip) -> Value:
        dtype = value.dtype
        if (limits.low, limits.high) == (dtype.minimum, dtype.maximum) and not isinstance(
            limits, Clip
        ):
            return value
        low = self._scalar(limits.low + _shift(dtype), np.uint8)
        high = self._scalar(limits.high + _shift(dtype), np.uint8)
        name = f"clip_{index}"
        self._node("Clip", [value.name, low, high], name)
        return Value(name, value.shape, dtype)

    def _max_pool(self, index: int, pool: MaxPool) -> None:
        w = pool.window
        ends = end_padding(w)
        if ends is None:
            raise UnsupportedProgram(f"operator {index} (MAXPOOL): no padding expresses its window")
        name = f"max_pool_{index}"
        self._node(
            "NhwcMaxPool",
            [self._image(pool.a, w).name],
            name,
            MICROSOFT,
            kernel_shape=[w.kernel_height, w.kernel_width],
            strides=[w.stride_height, w.stride_width],
            dilations=[w.dilation_height, w.dilation_width],
            pads=[w.pad_top, w.pad_left, *ends],
        )
        shape = (1, w.out_height, w.out_width, w.channels)
        self._store(index, pool.dst, Value(name, shape, pool.dtype))

    def _add(self, index: int, add: Add) -> None:
        a = self._read(add.a)
        b = self._shaped(self._read(add.b), a.shape)
        one = self._constant("one", np.array(1, np.float32))
        name = f"add_{index}"
        operands = []
        for value, p, zero in ((a, add.p1, add.a_zero), (b, add.p2, add.b_zero)):
            scale = np.float32(p) / np.float32(add.q)
            operands += [
                value.name,
                self._constant(f"ratio_{p}_{add.q}", np.array(scale, np.float32)),
                self._scalar(zero + _shift(value.dtype), np.uint8),
            ]
        zero_name = self._scalar(add.dst_zero + _shift(add.dst_dtype), np.uint8)
        self._node("QLinearAdd", [*operands, one, zero_name], name, MICROSOFT)
        value = Value(name, a.shape, add.dst_dtype)
        self._store(index, add.dst, self._clip(index, value, add))

    def _table(self, index: int, table: Table) -> None:
        value = self._read(table.a)
        content = self.program.constants[table.table : table.table + 256]
        flip = np.uint8(_shift(table.dst_dtype))
        content_name = self._constant(f"table_{table.table}_{flip}", content ^ flip)
        self._node("Cast", [value.name], f"index_{index}", to=TensorProto.INT32)
        self._node("Gather", [content_name, f"index_{index}"], f"table_{index}")
        self._store(index, table.dst, Value(f"table_{index}", value.shape, table.dst_dtype))

    # Copies

    def _copy(self, index: int, copy: Copy) -> None:
        source = self._read(copy.a)
        target = self.slots[copy.dst]
        if isinstance(target, Value):
            kind = TensorType(copy.dtype, copy.dst_count)
            target = Filling(kind, target)
            self.slots[copy.dst] = target
        target.copies.append((index, copy, source))

    def _fill(self, slot: int, filling: Filling) -> Value:
        kind = filling.kind
        if not filling.copies:
            zeros = np.full(kind.count, _shift(kind.dtype), _graph_dtype(kind.dtype))
            name = self._constant(f"zeros_{kind.dtype.name}_{kind.count}", zeros)
            return filling.base or Value(name, (kind.count,), kind.dtype)
        last = filling.copies[-1][0]
        parts, index = self._placement(filling)
        value = (
            self._concat(last, parts, index)
            or self._transpose(last, parts, index)
            or self._gather(last, parts, index)
        )
        self.exposed[last] = value
        return value

    def _placement(self, filling: Filling) -> tuple[list[Value], npt.NDArray[np.int64]]:
        """Return the sources, and where in their concatenation each destination element lies."""
        kind = filling.kind
        parts: list[Value] = []
        starts: dict[str, int] = {}
        total = 0

        def start_of(value: Value) -> int:
            nonlocal total
            if value.name not in starts:
                starts[value.name] = total
                parts.append(value)
                total += int(np.prod(value.shape))
            return starts[value.name]

        index = np.full(kind.count, -1, np.int64)
        for _, copy, source in filling.copies:
            taken = copy.indices(copy.a_offset, copy.a_strides) + start_of(source)
            index[copy.indices(copy.dst_offset, copy.dst_strides)] = taken
        rest = np.flatnonzero(index < 0)
        if len(rest):
            base = filling.base or self._fill(-1, Filling(kind, None))
            index[rest] = start_of(base) + rest
        return parts, index

    def _concat(self, last: int, parts: list[Value], index: npt.NDArray[np.int64]) -> Value | None:
        """Return a concatenation along the last axis, if that is what the index says."""
        sizes = [int(np.prod(part.shape)) for part in parts]
        if len(parts) < 2 or sum(sizes) != len(index):
            return None
        # The first source's channels are the elements before the first jump.
        jumps = np.flatnonzero(np.diff(index) != 1)
        width = int(jumps[0]) + 1 if len(jumps) else sizes[0]
        if sizes[0] % width:
            return None
        rows = sizes[0] // width
        if any(size % rows for size in sizes):
            return None
        ends = np.cumsum(sizes)
        blocks = [
            np.arange(end - size, end).reshape(rows, -1)
            for size, end in zip(sizes, ends, strict=True)
        ]
        if not np.array_equal(np.concatenate(blocks, axis=1).ravel(), index):
            return None
        names = [
            self._shaped(part, (rows, size // rows)).name
            for part, size in zip(parts, sizes, strict=True)
        ]
        name = f"copy_{last}"
        self._node("Concat", names, name, axis=1)
        return Value(name, (rows, len(index) // rows), parts[0].dtype)

    def _transpose(
        self, last: int, parts: list[Value], index: npt.NDArray[np.int64]
    ) -> Value | None:
        """Return a transpose, if the index is one of two or three axes."""
        if len(parts) != 1 or int(np.prod(parts[0].shape)) != len(index) or len(index) < 2:
            return None
        copy = decode(self.program.operators[last])
        assert isinstance(copy, Copy)
        axes = [i for i in range(4) if copy.sizes[i] > 1]
        order = sorted(axes, key=lambda i: -copy.a_strides[i])
        shape = tuple(copy.sizes[i] for i in order)
        if int(np.prod(shape)) != len(index):
            return None
        permutation = [order.index(i) for i in axes]
        expected = np.arange(len(index)).reshape(shape).transpose(permutation)
        if not np.array_equal(expected.ravel(), index):
            return None
        name = f"copy_{last}"
        self._node("Transpose", [self._shaped(parts[0], shape).name], name, perm=permutation)
        return Value(name, expected.shape, parts[0].dtype)

    def _gather(self, last: int, parts: list[Value], index: npt.NDArray[np.int64]) -> Value:
        flat = [self._shaped(part, (int(np.prod(part.shape)),)).name for part in parts]
        name = f"copy_{last}"
        source = flat[0]
        if len(flat) > 1:
            source = f"parts_{last}"
            self._node("Concat", flat, source, axis=0)
        places = self._constant(f"index_of_{last}", index)
        self._node("Gather", [source, places], name)
        return Value(name, (len(index),), parts[0].dtype)


def _shift(dtype: DType) -> int:
    return BIAS if dtype is DType.I8 else 0


def _graph_dtype(dtype: DType) -> np.dtype[np.generic]:
    return DType.U8.numpy if dtype is DType.I8 else dtype.numpy


def numpy_helper_type(dtype: DType) -> int:
    """Return the ONNX element type that holds a program's dtype in the graph."""
    return int(helper.np_dtype_to_tensor_dtype(_graph_dtype(dtype)))


def flip(data: npt.NDArray[np.uint8], dtype: DType) -> npt.NDArray[np.uint8]:
    """Return a tensor's bytes as the graph stores them, or back again."""
    return data ^ np.uint8(BIAS) if dtype is DType.I8 else data
