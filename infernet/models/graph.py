"""The canonical float graph: layers over `[height, width, channels]` tensors.

Every kind of source becomes this graph first; scales and integers are chosen afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NewType

import numpy as np
import numpy.typing as npt

from interpreter.operators import Window

TensorId = NewType("TensorId", int)
GroupId = NewType("GroupId", int)
Floats = npt.NDArray[np.floating[Any]]
Function = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
Four = tuple[int, int, int, int]

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Params:
    """How bytes stand for reals: `scale · (byte − zero)`. `zero` in [0, 255]."""

    scale: float
    zero: int

    def quantise(self, value: float) -> int:
        """Return the byte nearest to a real number, which may be infinite."""
        if np.isinf(value):
            return 255 if value > 0 else 0
        return int(np.clip(np.rint(value / self.scale) + self.zero, 0, 255))


@dataclass(frozen=True, slots=True)
class Tensor:
    """An activation.

    `shape`: physical, (height, width, channels). Tensors of one `group` share their params.
    `source`: the ONNX tensor that holds the same numbers, for calibration; may be empty.
    """

    shape: tuple[int, int, int]
    group: GroupId
    source: str

    @property
    def count(self) -> int:
        """Return the number of elements."""
        return self.shape[0] * self.shape[1] * self.shape[2]


@dataclass(frozen=True, slots=True)
class Origin:
    """The node that a layer comes from."""

    operator: str
    node: str


@dataclass(frozen=True, slots=True)
class Clamp:
    """Bounds on the real numbers that a layer gives."""

    low: float = -INFINITY
    high: float = INFINITY

    def within(self, other: Clamp) -> Clamp:
        """Return this clamp followed by another."""
        low, high = (min(max(x, other.low), other.high) for x in (self.low, self.high))
        return Clamp(low, high)


FREE = Clamp()


@dataclass(frozen=True, slots=True, eq=False)
class StoredWeights:
    """The source's own integer weights: `i32[oc, kh, kw, c/groups]`, scales `f64[oc]`."""

    integers: npt.NDArray[np.int32]
    scales: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ConvLayer:
    """Convolution. `weights: f32[oc, kh, kw, c/groups]`, `bias: f64[oc]`.

    `flat_from`: the (h, w, c) whose flattening is the one input row of a fully connected layer.
    """

    origin: Origin
    x: TensorId
    y: TensorId
    window: Window
    groups: int
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float64]
    stored: StoredWeights | None = None
    clamp: Clamp = FREE
    flat_from: tuple[int, int, int] | None = None

    @property
    def sources(self) -> tuple[TensorId, ...]:
        return (self.x,)


@dataclass(frozen=True, slots=True)
class PoolLayer:
    """Average pool over every tap of the window, padding counted as zeros; or maximum pool."""

    origin: Origin
    x: TensorId
    y: TensorId
    window: Window
    is_average: bool
    clamp: Clamp = FREE

    @property
    def sources(self) -> tuple[TensorId, ...]:
        return (self.x,)


@dataclass(frozen=True, slots=True)
class AddLayer:
    """Element-wise sum."""

    origin: Origin
    a: TensorId
    b: TensorId
    y: TensorId
    clamp: Clamp = FREE

    @property
    def sources(self) -> tuple[TensorId, ...]:
        return (self.a, self.b)


@dataclass(frozen=True, slots=True)
class TableLayer:
    """A function of one number, then a clamp. `function` None is the identity."""

    origin: Origin
    x: TensorId
    y: TensorId
    function: Function | None = None
    clamp: Clamp = FREE

    @property
    def sources(self) -> tuple[TensorId, ...]:
        return (self.x,)


@dataclass(frozen=True, slots=True)
class Part:
    """One strided box that is moved (interpreter.operators.Copy)."""

    x: TensorId
    sizes: Four
    x_offset: int
    x_strides: Four
    y_offset: int
    y_strides: Four


@dataclass(frozen=True, slots=True)
class AssembleLayer:
    """Move boxes into one tensor; what no box covers holds `fill`."""

    origin: Origin
    y: TensorId
    parts: tuple[Part, ...]
    fill: float = 0.0
    is_covered: bool = True

    @property
    def sources(self) -> tuple[TensorId, ...]:
        return tuple(part.x for part in self.parts)


Layer = ConvLayer | PoolLayer | AddLayer | TableLayer | AssembleLayer


@dataclass(frozen=True)
class FloatGraph:
    """Layers in execution order. `params` are those that the source fixes, by group."""

    tensors: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    params: dict[GroupId, Params]
    input: TensorId
    output: TensorId
    input_layout: str
    output_shape: tuple[int, ...]
    output_layout: str
    notes: tuple[str, ...] = field(default=())
