"""Program → ONNX graph whose kernels give the program's bits (docs/adr/0002).

Images stay `[1, h, w, c]`: QLinearConv and NhwcMaxPool take them so. Scales of inputs and outputs
are 1, so the committed scale of a channel is the combined scale, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from interpreter.operators import Add, Begin, Clip, Conv, Copy, Free, MaxPool, Table, Window, decode
from interpreter.program import Program
from interpreter.tensors import TensorType

from .bounds import end_padding, params_of, weights_of
from .copies import Filling, place
from .errors import UnsupportedProgram
from .nodes import Nodes, Value, graph_dtype, infos, require_room, shift_of

OPSET = 17
MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX model with the values that hold the operators' destinations.

    `exposed[operator]`: the value after that operator. A COPY that another follows into the same
    destination has none.
    """

    model: onnx.ModelProto
    output: Value
    exposed: dict[int, Value]


@dataclass(frozen=True, slots=True)
class Part:
    """An ONNX model of operators that follow each other.

    `given`: by slot, what the model reads of it; `stored`: by operator, what it gives.
    """

    model: onnx.ModelProto
    given: dict[int, Value]
    stored: dict[int, Value]


def build(program: Program, *, expose: bool) -> Graph:
    """Return the graph of a program; `expose` makes every destination a graph output.

    The program must have passed `bounds.analyse`. Raises UnsupportedProgram where the graph cannot
    say what an operator does, or would have too many constants.
    """
    header = program.header
    given = Value("input", (header.input_type.count,), header.input_dtype)
    builder = _Builder(program, {header.input_slot: given})
    builder.walk(range(len(program.operators)))
    output = builder.read(header.output_slot)
    values = [output, *(builder.exposed.values() if expose else ())]
    return Graph(builder.model(values), output, builder.exposed)


def build_part(
    program: Program, operators: range, kinds: dict[int, TensorType], wanted: Iterable[int]
) -> Part:
    """Return the part of a program's graph that gives what wanted operators among some store.

    `kinds`: of the slots that hold something before. Raises as `build`.
    """
    given = {slot: Value(f"slot_{slot}", (k.count,), k.dtype) for slot, k in kinds.items()}
    builder = _Builder(program, given)
    builder.walk(operators)
    stored = {writer: builder.exposed[writer] for writer in wanted}
    return Part(builder.model(list(stored.values())), given, stored)


class _Builder:
    def __init__(self, program: Program, given: dict[int, Value]) -> None:
        self.program, self.given = program, given
        self.nodes = Nodes()
        self.exposed: dict[int, Value] = {}
        self.slots: dict[int, Value | Filling] = dict(given)

    def walk(self, operators: range) -> None:
        """Add the nodes of some operators."""
        for index in operators:
            match instruction := decode(self.program.operators[index]):
                case Begin(dst=dst, kind=kind):
                    self.slots[dst] = Filling(kind, None)
                case Free(dst=dst):
                    self.read(dst)
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
                    value = self.read(instruction.a)
                    self._store(index, instruction.dst, self._clip(index, value, instruction))
                case Table():
                    self._table(index, instruction)
                case _:
                    pass

        for slot in list(self.slots):
            self.read(slot)

    def model(self, outputs: list[Value]) -> onnx.ModelProto:
        """Return the model that gives some values."""
        graph = helper.make_graph(
            self.nodes.nodes,
            "program",
            infos(self.given.values()),
            infos({value.name: value for value in outputs}.values()),
            list(self.nodes.initializers.values()),
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    # Slots

    def read(self, slot: int) -> Value:
        """Return what a slot holds."""
        value = self.slots[slot]
        if isinstance(value, Filling):
            value = self._fill(slot, value)
            self.slots[slot] = value
        return value

    def _image(self, slot: int, window: Window) -> Value:
        return self.nodes.shaped(self.read(slot), (1, window.height, window.width, window.channels))

    def _store(self, index: int, slot: int, value: Value) -> None:
        # A destination that is overwritten before anybody reads it still is a tensor to expose.
        self.read(slot)
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
        scale = self.nodes.constant(f"scale_{params}", scale_bits.view(np.float32))
        zeros = self.nodes.constant(
            f"zeros_{conv.out_channels}", np.zeros(conv.out_channels, np.int8)
        )
        bias_name = self.nodes.constant(f"bias_{params}", bias)
        one = self.nodes.constant("one", np.array(1, np.float32))
        a_zero = self.nodes.scalar(conv.a_zero + shift_of(conv.a_dtype), np.uint8)
        dst_zero = self.nodes.scalar(conv.dst_zero + shift_of(conv.dst_dtype), np.uint8)
        ends = end_padding(w)
        if ends is None:
            raise UnsupportedProgram(f"operator {index} (CONV): no padding expresses its window")
        name = f"conv_{index}"
        shape = (1, w.out_height, w.out_width, conv.out_channels)
        kernel = self.nodes.constant(key, weights.transpose(0, 3, 1, 2))
        self.nodes.node(
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
        low = self.nodes.scalar(limits.low + shift_of(dtype), np.uint8)
        high = self.nodes.scalar(limits.high + shift_of(dtype), np.uint8)
        name = f"clip_{index}"
        self.nodes.node("Clip", [value.name, low, high], name)
        return Value(name, value.shape, dtype)

    def _max_pool(self, index: int, pool: MaxPool) -> None:
        w = pool.window
        ends = end_padding(w)
        if ends is None:
            raise UnsupportedProgram(f"operator {index} (MAXPOOL): no padding expresses its window")
        name = f"max_pool_{index}"
        self.nodes.node(
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
        a = self.read(add.a)
        b = self.nodes.shaped(self.read(add.b), a.shape)
        one = self.nodes.constant("one", np.array(1, np.float32))
        name = f"add_{index}"
        operands = []
        for value, p, zero in ((a, add.p1, add.a_zero), (b, add.p2, add.b_zero)):
            scale = np.float32(p) / np.float32(add.q)
            operands += [
                value.name,
                self.nodes.constant(f"ratio_{p}_{add.q}", np.array(scale, np.float32)),
                self.nodes.scalar(zero + shift_of(value.dtype), np.uint8),
            ]
        zero_name = self.nodes.scalar(add.dst_zero + shift_of(add.dst_dtype), np.uint8)
        self.nodes.node("QLinearAdd", [*operands, one, zero_name], name, MICROSOFT)
        value = Value(name, a.shape, add.dst_dtype)
        self._store(index, add.dst, self._clip(index, value, add))

    def _table(self, index: int, table: Table) -> None:
        value = self.read(table.a)
        content = self.program.constants[table.table : table.table + 256]
        flip = np.uint8(shift_of(table.dst_dtype))
        content_name = self.nodes.constant(f"table_{table.table}_{flip}", content ^ flip)
        self.nodes.node("Cast", [value.name], f"index_{index}", to=TensorProto.INT32)
        self.nodes.node("Gather", [content_name, f"index_{index}"], f"table_{index}")
        self._store(index, table.dst, Value(f"table_{index}", value.shape, table.dst_dtype))

    # Copies

    def _copy(self, index: int, copy: Copy) -> None:
        source = self.read(copy.a)
        target = self.slots[copy.dst]
        if isinstance(target, Value):
            kind = TensorType(copy.dtype, copy.dst_count)
            target = Filling(kind, target)
            self.slots[copy.dst] = target
        target.copies.append((index, copy, source))

    def _fill(self, slot: int, filling: Filling) -> Value:
        kind = filling.kind
        if not filling.copies:
            zeros = np.full(kind.count, shift_of(kind.dtype), graph_dtype(kind.dtype))
            name = self.nodes.constant(f"zeros_{kind.dtype.name}_{kind.count}", zeros)
            return filling.base or Value(name, (kind.count,), kind.dtype)
        last, copy, _ = filling.copies[-1]
        value = place(self.nodes, f"copy_{last}", copy, *self._placement(filling))
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

        require_room(kind.count * np.dtype(np.int64).itemsize)
        index = np.full(kind.count, -1, np.int64)
        for _, copy, source in filling.copies:
            taken = copy.origins(0) + start_of(source)
            index[copy.places(0)] = taken
        rest = np.flatnonzero(index < 0)
        if len(rest):
            base = filling.base or self._fill(-1, Filling(kind, None))
            index[rest] = start_of(base) + rest
        return parts, index
