"""The true topologies of MobileNetV2 and ResNet50 with seeded weights, as float ONNX.

No trained weights ship with the project; these give its real sizes and step counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from .errors import InvalidOption
from .manifest import Pixels

SIDE = 224
CLASSES = 1000
IMAGENET = Pixels(False, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))

# Expansion, channels, repeats, first stride of each stage.
_MOBILENET_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# Width, repeats, first stride of each stage.
_RESNET_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


class _Network:
    """Grows an ONNX graph node by node with weights from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, op: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def weight(self, array: npt.NDArray[np.floating[Any]]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def conv(
        self,
        x: str,
        channels: int,
        out: int,
        size: int,
        stride: int,
        *,
        groups: int = 1,
        gain: float = 2.0,
    ) -> str:
        """Add a convolution with bias; `gain` is the factor on the variance of the sum."""
        shape = (out, channels // groups, size, size)
        deviation = np.sqrt(gain / (shape[1] * size * size))
        weights = self.random.normal(0, deviation, shape)
        # Batch normalisation, once folded in, leaves channels of uneven size.
        weights *= np.exp(self.random.normal(0, 0.3, (out, 1, 1, 1)))
        inputs = [x, self.weight(weights), self.weight(self.random.normal(0, 0.1, out))]
        pads = [(size - 1) // 2] * 4
        attributes = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "pads": pads}
        return self.node("Conv", inputs, group=groups, **attributes)

    def relu6(self, x: str) -> str:
        bounds = [self.weight(np.array(bound)) for bound in (0.0, 6.0)]
        return self.node("Clip", [x, *bounds])

    def finish(self, x: str, channels: int) -> Any:
        """Add the classifier and return the ModelProto."""
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        matrix = self.random.normal(0, np.sqrt(1 / channels), (channels, CLASSES))
        # Trained classes differ in strength; equal ones would leave the first place to chance.
        matrix *= np.exp(self.random.normal(0, 0.5, CLASSES))
        bias = self.random.normal(0, 0.05, CLASSES)
        x = self.node("Gemm", [x, self.weight(matrix), self.weight(bias)])
        shape = [1, 3, SIDE, SIDE]
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, CLASSES])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        return model


def mobilenetv2(seed: int) -> Any:
    """Return MobileNetV2 1.0/224 as a ModelProto."""
    net = _Network(seed)
    x, channels = net.relu6(net.conv("image", 3, 32, 3, 2)), 32
    for expansion, out, repeats, first_stride in _MOBILENET_STAGES:
        for i in range(repeats):
            stride, wide, y = first_stride if i == 0 else 1, channels * expansion, x
            if expansion > 1:
                y = net.relu6(net.conv(y, channels, wide, 1, 1))
            y = net.relu6(net.conv(y, wide, wide, 3, stride, groups=wide))
            y = net.conv(y, wide, out, 1, 1, gain=1.0)
            x = net.node("Add", [x, y]) if stride == 1 and channels == out else y
            channels = out
    return net.finish(net.relu6(net.conv(x, channels, 1280, 1, 1)), 1280)


def resnet50(seed: int) -> Any:
    """Return ResNet50 (stride in the 3x3 convolution) as a ModelProto."""
    net = _Network(seed)
    x = net.node("Relu", [net.conv("image", 3, 64, 7, 2)])
    x = net.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for width, repeats, first_stride in _RESNET_STAGES:
        for i in range(repeats):
            stride = first_stride if i == 0 else 1
            y = net.node("Relu", [net.conv(x, channels, width, 1, 1)])
            y = net.node("Relu", [net.conv(y, width, width, 3, stride)])
            y = net.conv(y, width, 4 * width, 1, 1, gain=0.5)
            if i == 0:
                x = net.conv(x, channels, 4 * width, 1, stride, gain=1.0)
            x = net.node("Relu", [net.node("Add", [y, x])])
            channels = 4 * width
    return net.finish(x, channels)


TOPOLOGIES: dict[str, Callable[[int], Any]] = {"mobilenetv2": mobilenetv2, "resnet50": resnet50}


def topology(name: str, seed: int) -> Any:
    """Return a topology by name, or raise InvalidOption."""
    if name not in TOPOLOGIES:
        raise InvalidOption(f"no topology '{name}'; choose one of {', '.join(TOPOLOGIES)}")
    return TOPOLOGIES[name](seed)


def synthetic_images(count: int, seed: int) -> list[npt.NDArray[np.float32]]:
    """Return seeded inputs `f32[1, 3, 224, 224]` with detail at every size, as photos have."""
    random = np.random.default_rng([seed, 1])
    images = []
    for _ in range(count):
        # From dull to over-exposed, from soft to noisy: ranges must hold for any photo.
        image = np.full((3, SIDE, SIDE), random.uniform(40, 215))
        contrast, roughness = random.uniform(40, 250), random.uniform(1.2, 4)
        for octave, cells in enumerate((2, 7, 28, 112)):
            noise = random.normal(0, contrast / roughness**octave, (3, cells, cells))
            image += noise.repeat(SIDE // cells, axis=1).repeat(SIDE // cells, axis=2)
        pixels = np.clip(np.rint(image), 0, 255).transpose(1, 2, 0)
        reals = (pixels - np.array(IMAGENET.mean)) / np.array(IMAGENET.deviation)
        images.append(reals.transpose(2, 0, 1)[None].astype(np.float32))
    return images
