"""Scaled graph to program: slots by liveness, constants packed, one operator a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from interpreter.errors import InvalidProgram
from interpreter.merkle import HashBytes, tree_of_bytes
from interpreter.operators import (
    Add,
    Begin,
    Clip,
    Conv,
    Copy,
    End,
    Free,
    Instruction,
    MaxPool,
    Table,
)
from interpreter.program import Program, assemble
from interpreter.tensors import DType, TensorType
from interpreter.validate import MAX_OUTPUT_BYTES, MAX_SLOT_DEPTH, validate

from .errors import InvalidSource, UnsupportedNode
from .graph import (
    AddLayer,
    AssembleLayer,
    Clamp,
    ConvLayer,
    Layer,
    Params,
    PoolLayer,
    TableLayer,
    TensorId,
)
from .scales import ScaledGraph
from .space import INPUT_SLOT, Constants, Slots
from .weights import IntegerConv, quantise_conv, requantise_scale

Progress = Callable[[int, int], None]

_WORD = 8


@dataclass(frozen=True, slots=True)
class Emission:
    """A program, the layer behind each operator, and what became of the weights.

    `kept_channels` of `channels` have the source's own integers; `inflation`: mean growth of the
    other channels' scales.
    """

    program: Program
    layers: tuple[str, ...]
    kept_channels: int
    channels: int
    inflation: float


def emit(
    scaled: ScaledGraph,
    *,
    keep_weights: bool = False,
    hash_bytes: HashBytes = tree_of_bytes,
    progress: Progress | None = None,
) -> Emission:
    """Return a valid program that computes the graph, or raise UnsupportedNode."""
    graph = scaled.graph
    emitter = _Emitter(scaled, keep_weights)
    for index, layer in enumerate(graph.layers):
        if progress:
            progress(index, len(graph.layers))
        emitter.layer(index, layer)
    emitter.put(End(), "end")
    depth = max(1, (emitter.slots.peak - 1).bit_length())
    if depth > MAX_SLOT_DEPTH:
        raise InvalidSource(
            f"{emitter.slots.peak} tensors live at once; a program holds {1 << MAX_SLOT_DEPTH}"
        )
    output_shape = _leading_ones(graph.output_shape)
    if prod(output_shape) > MAX_OUTPUT_BYTES:
        raise InvalidSource(
            f"the output has {prod(output_shape)} bytes; an assertion holds {MAX_OUTPUT_BYTES}"
        )
    program = assemble(
        [instruction.encode() for instruction in emitter.instructions],
        [instruction.steps for instruction in emitter.instructions],
        emitter.constants.array(),
        slot_depth=depth,
        input_slot=INPUT_SLOT,
        output_slot=emitter.slots.of[graph.output],
        input_dtype=DType.U8,
        output_dtype=DType.U8,
        input_shape=_leading_ones(graph.tensors[graph.input].shape),
        output_shape=output_shape,
        hash_bytes=hash_bytes,
    )
    try:
        validate(program)
    except InvalidProgram as error:
        raise InvalidSource(f"the model cannot be registered: {error}") from None
    inflation = float(np.mean(emitter.inflations)) if emitter.inflations else 1.0
    return Emission(program, tuple(emitter.names), emitter.kept, emitter.channels, inflation)


class _Emitter:
    def __init__(self, scaled: ScaledGraph, keep_weights: bool) -> None:
        self.scaled = scaled
        self.keep_weights = keep_weights
        self.instructions: list[Instruction] = []
        self.names: list[str] = []
        self.constants = Constants()
        self.slots = Slots({scaled.graph.input: INPUT_SLOT})
        self.kept = self.channels = 0
        self.inflations: list[float] = []
        self._last_use = {
            t: i for i, layer in enumerate(scaled.graph.layers) for t in layer.sources
        }

    def put(self, instruction: Instruction, name: str) -> None:
        self.instructions.append(instruction)
        self.names.append(name)

    def layer(self, index: int, layer: Layer) -> None:
        """Emit BEGIN, the layer's operators, and FREE for what nothing reads again."""
        graph = self.scaled.graph
        name = layer.origin.node
        slot = self.slots.take()
        self.slots.of[layer.y] = slot
        self.put(Begin(slot, self._kind(layer.y)), name)
        match layer:
            case ConvLayer():
                self._conv(layer)
            case PoolLayer():
                self._pool(layer)
            case AddLayer():
                self._add(layer)
            case TableLayer():
                self._table(layer)
            case AssembleLayer():
                self._assemble(layer)
        for tensor in sorted(set(layer.sources)):
            if self._last_use[tensor] == index and tensor not in (graph.input, graph.output):
                self.put(Free(self.slots.of[tensor]), name)
                self.slots.release(self.slots.of[tensor])

    def _kind(self, tensor: TensorId) -> TensorType:
        return TensorType(DType.U8, self.scaled.graph.tensors[tensor].count)

    def _bounds(self, clamp: Clamp, params: Params) -> tuple[int, int]:
        return params.quantise(clamp.low), params.quantise(clamp.high)

    def _conv(self, layer: ConvLayer) -> None:
        params = self.scaled.params
        x, y = params[layer.x], params[layer.y]
        integers = quantise_conv(layer, x, y, keep_weights=self.keep_weights)
        self.kept += integers.kept
        self.channels += len(integers.bias)
        if integers.kept < len(integers.bias):
            self.inflations.append(integers.inflation)
        self._put_conv(layer, integers, layer.groups)

    def _put_conv(self, layer: ConvLayer | PoolLayer, integers: IntegerConv, groups: int) -> None:
        x, y = self.scaled.params[layer.x], self.scaled.params[layer.y]
        weights = self.constants.add(integers.weights.tobytes(), _WORD)
        pairs = np.empty((len(integers.bias), 2), "<u4")
        pairs[:, 0] = integers.bias.astype("<i4").view("<u4")
        pairs[:, 1] = integers.scale.astype("<f4").view("<u4")
        parameters = self.constants.add(pairs.tobytes(), _WORD)
        self.put(
            Conv(
                self.slots.of[layer.y],
                self.slots.of[layer.x],
                DType.U8,
                DType.U8,
                layer.window,
                len(integers.bias),
                groups,
                x.zero,
                y.zero,
                *self._bounds(layer.clamp, y),
                weights,
                parameters,
            ),
            layer.origin.node,
        )

    def _pool(self, layer: PoolLayer) -> None:
        window = layer.window
        if not layer.is_average:
            slots = self.slots.of[layer.y], self.slots.of[layer.x]
            self.put(MaxPool(*slots, DType.U8, window), layer.origin.node)
            return
        x, y = self.scaled.params[layer.x], self.scaled.params[layer.y]
        taps, channels = window.kernel_height * window.kernel_width, window.channels
        divisor = np.float32(np.float32(y.scale) * np.float32(taps))
        # The machine's scale is fl(xs / fl(ys · taps)): the same chain, with unit weights.
        scale = requantise_scale(layer.origin, x, np.ones(1), Params(float(divisor), y.zero))
        integers = IntegerConv(
            np.ones((channels, taps), np.int8),
            np.zeros(channels, np.int32),
            np.repeat(scale, channels),
            0,
            1.0,
        )
        self._put_conv(layer, integers, channels)

    def _add(self, layer: AddLayer) -> None:
        params, ratio = self.scaled.params, self.scaled.ratios[layer.y]
        a, b, y = params[layer.a], params[layer.b], params[layer.y]
        self.put(
            Add(
                self.slots.of[layer.y],
                DType.U8,
                self._kind(layer.y).count,
                self.slots.of[layer.a],
                self.slots.of[layer.b],
                DType.U8,
                DType.U8,
                ratio.p1,
                ratio.p2,
                ratio.q,
                a.zero,
                b.zero,
                y.zero,
                *self._bounds(layer.clamp, y),
            ),
            layer.origin.node,
        )

    def _table(self, layer: TableLayer) -> None:
        x, y = self.scaled.params[layer.x], self.scaled.params[layer.y]
        slots = self.slots.of[layer.y], self.slots.of[layer.x]
        count = self._kind(layer.y).count
        if layer.function is None and x == y:
            low, high = self._bounds(layer.clamp, y)
            self.put(Clip(slots[0], DType.U8, count, slots[1], low, high), layer.origin.node)
            return
        reals = (np.arange(256, dtype=np.float64) - x.zero) * x.scale
        with np.errstate(all="ignore"):
            reals = reals if layer.function is None else layer.function(reals)
        if np.isnan(reals).any():
            raise UnsupportedNode(
                layer.origin.operator, layer.origin.node, "it is undefined for some bytes"
            )
        reals = np.clip(reals, layer.clamp.low, layer.clamp.high)
        found = np.clip(np.rint(reals / y.scale) + y.zero, 0, 255).astype(np.uint8)
        self._put_table(slots, count, found.tobytes(), layer.origin.node)

    def _put_table(self, slots: tuple[int, int], count: int, table: bytes, name: str) -> None:
        offset = self.constants.add_table(table)
        self.put(Table(slots[0], DType.U8, count, slots[1], DType.U8, offset), name)

    def _assemble(self, layer: AssembleLayer) -> None:
        kind, slot, name = self._kind(layer.y), self.slots.of[layer.y], layer.origin.node
        fill = self.scaled.params[layer.y].quantise(layer.fill)
        if not layer.is_covered and fill:
            # BEGIN gives zeros; a constant table turns them into the fill.
            zeros = self.slots.take()
            self.put(Begin(zeros, kind), name)
            self._put_table((slot, zeros), kind.count, bytes([fill]) * 256, name)
            self.put(Free(zeros), name)
            self.slots.release(zeros)
        for part in layer.parts:
            self.put(
                Copy(
                    slot,
                    self.slots.of[part.x],
                    DType.U8,
                    self._kind(part.x).count,
                    kind.count,
                    part.sizes,
                    part.x_offset,
                    part.x_strides,
                    part.y_offset,
                    part.y_strides,
                ),
                name,
            )


def _leading_ones(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    trimmed: list[Any] = [n for i, n in enumerate(shape) if n > 1 or i >= len(shape) - 4]
    if len(trimmed) > 4:
        raise InvalidSource(f"the output {shape} has more than four dimensions")
    n0, n1, n2, n3 = [1] * (4 - len(trimmed)) + trimmed
    return n0, n1, n2, n3
