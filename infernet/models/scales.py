"""Choose the scale and zero point of every tensor, and the odd ratios of every sum.

The rule for sums (spec: operators.md, ADD): both operand scales are `p/q` of the result's, with
one odd `q`, so that no sum lies half-way between two bytes. In graph order, the residual stream
keeps its scale; the result's and the fresh branch's are enlarged to the nearest such ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from interpreter.operators.elementwise import MAX_DENOMINATOR, MAX_NUMERATOR

from .calibrate import Range
from .errors import UnsupportedNode
from .graph import (
    AddLayer,
    AssembleLayer,
    FloatGraph,
    GroupId,
    Layer,
    Params,
    TableLayer,
    Tensor,
    TensorId,
)

_WORST_RATIO_ERROR = 0.5


@dataclass(frozen=True, slots=True)
class Ratio:
    """`p1/q` and `p2/q`: the operands' scales over the result's. `q` is odd."""

    p1: int
    p2: int
    q: int


@dataclass(frozen=True)
class ScaledGraph:
    """A float graph whose every tensor has params, by tensor, and sums have ratios, by result."""

    graph: FloatGraph
    params: Mapping[TensorId, Params]
    ratios: Mapping[TensorId, Ratio]


def unscaled_names(graph: FloatGraph) -> set[str]:
    """Return the ONNX tensors whose range decides a scale that the source does not give."""
    live = {graph.input, *(layer.y for layer in graph.layers)}
    tensors = [graph.tensors[tensor] for tensor in live]
    return {t.source for t in tensors if t.source and t.group not in graph.params}


def choose_scales(graph: FloatGraph, seen: Mapping[str, Range]) -> ScaledGraph:
    """Return the graph with all scales chosen; `seen` are the calibrated ranges."""
    groups = _Groups(graph, seen)
    ratios = groups.snap_sums()
    return groups.finish(ratios)


class _Groups:
    """Scales by group, while they are being chosen."""

    def __init__(self, graph: FloatGraph, seen: Mapping[str, Range]) -> None:
        self.graph = graph
        self.tensors = list(graph.tensors)
        self.params: dict[GroupId, Params] = dict(graph.params)
        self._join_concatenations()
        self._from_ranges(seen)
        self._inherit()

    def _join_concatenations(self) -> None:
        """Give a concatenation's fresh sources the scale of the result: no table is needed."""
        readers: dict[TensorId, int] = {}
        for layer in self.graph.layers:
            for tensor in layer.sources:
                readers[tensor] = readers.get(tensor, 0) + 1
        for layer in self.graph.layers:
            if not isinstance(layer, AssembleLayer) or len(layer.parts) < 2:
                continue
            for x in layer.sources:
                group = self.tensors[x].group
                members = [t for t in self.tensors if t.group == group]
                is_fresh = readers[x] == 1 and len(members) == 1 and group not in self.params
                if is_fresh and x != self.graph.input:
                    self._set_group(x, self.tensors[layer.y].group)

    def _set_group(self, tensor: TensorId, group: GroupId) -> None:
        self.tensors[tensor] = replace(self.tensors[tensor], group=group)

    def _from_ranges(self, seen: Mapping[str, Range]) -> None:
        wide: dict[GroupId, Range] = {}
        for tensor in self.tensors:
            if tensor.source in seen and tensor.group not in self.params:
                low, high = seen[tensor.source]
                before = wide.get(tensor.group, (0.0, 0.0))
                wide[tensor.group] = (min(before[0], low), max(before[1], high))
        for group, (low, high) in wide.items():
            self.params[group] = params_of_range(low, high)

    def _inherit(self) -> None:
        for layer in self.graph.layers:
            if self._group(layer.y) in self.params:
                continue
            first = layer.sources[0]
            if isinstance(layer, TableLayer) and layer.function:
                self._refuse(layer)
            if len(layer.sources) > 1 or not isinstance(layer, TableLayer | AssembleLayer):
                self._refuse(layer)
            self.params[self._group(layer.y)] = self.params[self._group(first)]
        if self._group(self.graph.input) not in self.params:
            raise UnsupportedNode("Input", "input", "its scale is unknown; give --calibration")

    def _refuse(self, layer: Layer) -> None:
        reason = "the source gives its result no scale; calibrate it with --calibration"
        raise UnsupportedNode(layer.origin.operator, layer.origin.node, reason)

    def _group(self, tensor: TensorId) -> GroupId:
        return self.tensors[tensor].group

    def snap_sums(self) -> dict[TensorId, Ratio]:
        """Choose the ratios of all sums in graph order and move the free scales to them."""
        order = {layer.y: i for i, layer in enumerate(self.graph.layers)}
        locked = {self._group(self.graph.input)}
        ratios = {}
        for layer in self.graph.layers:
            if not isinstance(layer, AddLayer):
                continue
            a, b = layer.a, layer.b
            # The stream is what was settled before, else what was computed before.
            is_b_stream = (self._group(b) in locked, -order.get(b, -1)) > (
                self._group(a) in locked,
                -order.get(a, -1),
            )
            stream, fresh = (b, a) if is_b_stream else (a, b)
            p_stream, p_fresh, q = self._snap(layer, stream, fresh, locked)
            p1, p2 = (p_fresh, p_stream) if is_b_stream else (p_stream, p_fresh)
            ratios[layer.y] = Ratio(p1, p2, q)
            locked.update(self._group(tensor) for tensor in (a, b, layer.y))
        return ratios

    def _snap(
        self, layer: AddLayer, stream: TensorId, fresh: TensorId, locked: set[GroupId]
    ) -> tuple[int, int, int]:
        groups = [self._group(tensor) for tensor in (stream, fresh, layer.y)]
        s_stream, s_fresh, s_result = (self.params[group].scale for group in groups)
        is_result_free = groups[2] not in locked and groups[2] not in groups[:2]
        is_fresh_free = groups[1] not in locked and groups[1] != groups[0]
        q = np.arange(1, MAX_DENOMINATOR + 1, 2, dtype=np.float64)
        p1, error1 = _numerators(q * (s_stream / s_result), is_result_free)
        result = s_stream * q / p1 if is_result_free else np.full_like(q, s_result)
        wanted = q * (s_fresh / result)
        p2, error2 = _numerators(wanted, False)
        if is_fresh_free:
            p2 = np.maximum(np.ceil(wanted - 1e-6), 1)
            error2 = np.abs(p2 / wanted - 1)
        error = error1 + error2 + np.where(np.maximum(p1, p2) > MAX_NUMERATOR, np.inf, 0)
        best = int(np.argmin(error))
        if error[best] > _WORST_RATIO_ERROR:
            raise UnsupportedNode(
                layer.origin.operator,
                layer.origin.node,
                f"scales {s_stream:.3g} and {s_fresh:.3g} to {s_result:.3g} are no ratios p/q "
                f"with one odd q up to {MAX_DENOMINATOR}",
            )
        if is_result_free:
            self._rescale(groups[2], float(result[best]))
        if is_fresh_free:
            self._rescale(groups[1], float(result[best] * p2[best] / q[best]))
        return int(p1[best]), int(p2[best]), int(q[best])

    def _rescale(self, group: GroupId, scale: float) -> None:
        self.params[group] = replace(self.params[group], scale=scale)

    def finish(self, ratios: dict[TensorId, Ratio]) -> ScaledGraph:
        """Return the graph, with tables before joins of tensors that differ in scale."""
        layers: list[Layer] = []
        for layer in self.graph.layers:
            if isinstance(layer, AssembleLayer):
                wanted = self.params[self._group(layer.y)]
                parts = []
                for part in layer.parts:
                    x = part.x
                    if self.params[self._group(x)] != wanted:
                        x = self._add_like(x, layer.y)
                        layers.append(TableLayer(layer.origin, part.x, x))
                    parts.append(replace(part, x=x))
                layer = replace(layer, parts=tuple(parts))
            layers.append(layer)
        graph = replace(self.graph, tensors=tuple(self.tensors), layers=tuple(layers))
        live = {graph.input, *(layer.y for layer in layers)}
        params = {tensor: self.params[self._group(tensor)] for tensor in live}
        return ScaledGraph(graph, params, ratios)

    def _add_like(self, x: TensorId, y: TensorId) -> TensorId:
        self.tensors.append(Tensor(self.tensors[x].shape, self._group(y), ""))
        return TensorId(len(self.tensors) - 1)


def params_of_range(low: float, high: float) -> Params:
    """Return the params that cover a range and zero with 255 steps."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))
    if scale < float(np.finfo(np.float32).tiny):
        # A tensor that is always zero: any scale means the same.
        return Params(1.0, 0)
    return Params(scale, int(np.clip(np.rint(-low / scale), 0, 255)))


def _numerators(
    wanted: np.typing.NDArray[np.float64], is_floor: bool
) -> tuple[np.typing.NDArray[np.float64], np.typing.NDArray[np.float64]]:
    """Return the numerators near `wanted`, at least 1, and their relative errors."""
    found = np.floor(wanted + 1e-6) if is_floor else np.rint(wanted)
    found = np.maximum(found, 1)
    return found, np.abs(wanted / found - 1)
