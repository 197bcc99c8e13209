"""A small residual network for handwritten digits, and its gradient, in numpy.

Layout is NHWC throughout. It has one layer of each kind that programs know: dense, depthwise and
pointwise convolutions, two residual sums, a maximum and an average pool, a fully connected layer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.float32]
Parameters = dict[str, Array]

SIDE = 16
CLASSES = 10
NARROW, WIDE = 24, 48
# The average pool leaves this many cells a side.
CELLS = 2

_SHAPES = {
    "stem": (3, 3, 1, NARROW),
    "depthwise": (3, 3, NARROW, 1),
    "pointwise": (1, 1, NARROW, NARROW),
    "widen": (3, 3, NARROW, WIDE),
    "deepen": (3, 3, WIDE, WIDE),
    "classify": (1, 1, CELLS * CELLS * WIDE, CLASSES),
}


def initial(seed: int) -> Parameters:
    """Return seeded weights `[kh, kw, in, out]` and zero biases."""
    random = np.random.default_rng(seed)
    found: Parameters = {}
    for name, shape in _SHAPES.items():
        fan_in = shape[0] * shape[1] * (1 if name == "depthwise" else shape[2])
        found[name] = random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
        count = shape[2] if name == "depthwise" else shape[3]
        found[f"{name}.bias"] = np.zeros(count, np.float32)
    return found


@dataclass(slots=True)
class Pass:
    """One forward pass that remembers what its gradient needs."""

    parameters: Parameters
    gradients: Parameters = field(default_factory=dict)
    _kept: dict[str, Any] = field(default_factory=dict)

    def forward(self, images: Array) -> Array:
        """Return logits `f32[n, 10]` for `images: f32[n, 16, 16, 1]`."""
        stem = self._relu("stem", self._conv("stem", images))
        deep = self._relu("depthwise", self._depthwise("depthwise", stem))
        first = self._relu("first", self._conv("pointwise", deep) + stem)
        pooled = self._max_pool("pool", first)
        wide = self._relu("widen", self._conv("widen", pooled))
        second = self._relu("second", self._conv("deepen", wide) + wide)
        count, height, width, _ = second.shape
        cells = second.reshape(count, CELLS, height // CELLS, CELLS, width // CELLS, WIDE)
        mean = cells.mean(axis=(2, 4)).reshape(count, 1, 1, -1)
        return self._conv("classify", mean).reshape(count, CLASSES)

    def backward(self, gradient: Array) -> None:
        """Fill `gradients` for the gradient of the loss by the logits."""
        mean = self._conv_back("classify", gradient.reshape(-1, 1, 1, CLASSES))
        side = SIDE // 2 // CELLS
        spread = mean.reshape(-1, CELLS, CELLS, WIDE).repeat(side, axis=1).repeat(side, axis=2)
        second = self._relu_back("second", spread / np.float32(side**2))
        wide = self._conv_back("deepen", second) + second
        pooled = self._conv_back("widen", self._relu_back("widen", wide))
        first = self._relu_back("first", self._max_pool_back("pool", pooled))
        deep = self._relu_back("depthwise", self._conv_back("pointwise", first))
        stem = self._depthwise_back("depthwise", deep) + first
        self._conv_back("stem", self._relu_back("stem", stem))

    def _conv(self, name: str, x: Array) -> Array:
        weights = self.parameters[name]
        columns = _patches(x, weights.shape[0]).reshape(*x.shape[:3], -1)
        self._kept[name] = columns
        flat = weights.reshape(-1, weights.shape[3])
        return np.asarray(columns @ flat + self.parameters[f"{name}.bias"])

    def _conv_back(self, name: str, gradient: Array) -> Array:
        weights, columns = self.parameters[name], self._kept[name]
        flat = gradient.reshape(-1, weights.shape[3])
        self.gradients[name] = (columns.reshape(len(flat), -1).T @ flat).reshape(weights.shape)
        self.gradients[f"{name}.bias"] = flat.sum(axis=0)
        back = gradient @ weights.reshape(-1, weights.shape[3]).T
        size = weights.shape[0]
        return _gather(back.reshape(*gradient.shape[:3], size, size, weights.shape[2]))

    def _depthwise(self, name: str, x: Array) -> Array:
        patches = _patches(x, 3)
        self._kept[name] = patches
        weights = self.parameters[name][..., 0]
        return np.asarray(
            np.einsum("nhwijc,ijc->nhwc", patches, weights) + self.parameters[f"{name}.bias"]
        )

    def _depthwise_back(self, name: str, gradient: Array) -> Array:
        patches, weights = self._kept[name], self.parameters[name][..., 0]
        self.gradients[name] = np.einsum("nhwijc,nhwc->ijc", patches, gradient)[..., None]
        self.gradients[f"{name}.bias"] = gradient.sum(axis=(0, 1, 2))
        return _gather(gradient[:, :, :, None, None, :] * weights)

    def _relu(self, name: str, x: Array) -> Array:
        self._kept[f"{name}.sign"] = x > 0
        return np.maximum(x, 0)

    def _relu_back(self, name: str, gradient: Array) -> Array:
        return np.asarray(gradient * self._kept[f"{name}.sign"])

    def _max_pool(self, name: str, x: Array) -> Array:
        count, height, width, channels = x.shape
        tiles = x.reshape(count, height // 2, 2, width // 2, 2, channels)
        largest = tiles.max(axis=(2, 4), keepdims=True)
        self._kept[name] = tiles == largest
        return np.asarray(largest[:, :, 0, :, 0], np.float32)

    def _max_pool_back(self, name: str, gradient: Array) -> Array:
        chosen = self._kept[name]
        spread = chosen * gradient[:, :, None, :, None, :]
        count, height, _, width, _, channels = chosen.shape
        return np.asarray(spread.reshape(count, 2 * height, 2 * width, channels), np.float32)


def _patches(x: Array, size: int) -> Array:
    """Return `[n, h, w, size, size, c]`: the neighbourhood of each pixel, zeros outside."""
    if size == 1:
        return x[:, :, :, None, None, :]
    edge = size // 2
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return np.ascontiguousarray(windows.transpose(0, 1, 2, 4, 5, 3))


def _gather(patches: Array) -> Array:
    """Return the sum of overlapping neighbourhoods: the transpose of `_patches`."""
    count, height, width, size, _, channels = patches.shape
    edge = size // 2
    result = np.zeros((count, height + 2 * edge, width + 2 * edge, channels), np.float32)
    for row in range(size):
        for column in range(size):
            target = result[:, row : row + height, column : column + width]
            target += patches[:, :, :, row, column]
    return np.asarray(result[:, edge : edge + height, edge : edge + width], np.float32)


def to_onnx(parameters: Parameters) -> Any:
    """Return the network as a float ONNX ModelProto, NCHW."""
    nodes, weights = [], []

    def conv(name: str, x: str, y: str, groups: int = 1) -> None:
        kernel = parameters[name]
        # [kh, kw, in, out] becomes [out, in, kh, kw]; a depthwise kernel is [kh, kw, c, 1].
        order = (2, 3, 0, 1) if groups > 1 else (3, 2, 0, 1)
        bias = parameters[f"{name}.bias"]
        for suffix, array in ((".w", kernel.transpose(order)), (".b", bias)):
            weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name + suffix))
        attributes = {"kernel_shape": list(kernel.shape[:2]), "pads": [kernel.shape[0] // 2] * 4}
        inputs = [x, f"{name}.w", f"{name}.b"]
        nodes.append(helper.make_node("Conv", inputs, [y], name=name, group=groups, **attributes))

    def node(op: str, inputs: list[str], y: str, **attributes: Any) -> None:
        nodes.append(helper.make_node(op, inputs, [y], name=y, **attributes))

    conv("stem", "image", "stem.sum")
    node("Relu", ["stem.sum"], "stem.out")
    conv("depthwise", "stem.out", "depthwise.sum", NARROW)
    node("Relu", ["depthwise.sum"], "depthwise.out")
    conv("pointwise", "depthwise.out", "pointwise.sum")
    node("Add", ["stem.out", "pointwise.sum"], "first.sum")
    node("Relu", ["first.sum"], "first.out")
    node("MaxPool", ["first.out"], "pool.out", kernel_shape=[2, 2], strides=[2, 2])
    conv("widen", "pool.out", "widen.sum")
    node("Relu", ["widen.sum"], "widen.out")
    conv("deepen", "widen.out", "deepen.sum")
    node("Add", ["widen.out", "deepen.sum"], "second.sum")
    node("Relu", ["second.sum"], "second.out")
    side = SIDE // 2 // CELLS
    node("AveragePool", ["second.out"], "mean", kernel_shape=[side] * 2, strides=[side] * 2)
    node("Flatten", ["mean"], "flat")
    # Flattening NCHW puts the channel first.
    kernel = parameters["classify"].reshape(CELLS, CELLS, WIDE, CLASSES).transpose(2, 0, 1, 3)
    matrix = np.ascontiguousarray(kernel.reshape(-1, CLASSES))
    weights.append(numpy_helper.from_array(matrix, "classify.w"))
    weights.append(numpy_helper.from_array(parameters["classify.bias"], "classify.b"))
    node("Gemm", ["flat", "classify.w", "classify.b"], "logits")
    shapes = (("image", [1, 1, SIDE, SIDE]), ("logits", [1, CLASSES]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in shapes]
    graph = helper.make_graph(nodes, "digits", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model
