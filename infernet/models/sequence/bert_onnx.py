"""BERT-class encoders out of ONNX graphs: their layers are found, then compared with the graph."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import helper, numpy_helper

from ..errors import InvalidSource
from ..source import RUNTIME_ERRORS, session
from .arithmetic import Array, Reals
from .reals import (
    RealClassifier,
    RealEmbedding,
    RealEncoder,
    RealLayer,
    RealLinear,
    RealNorm,
    fitting,
)

_TOLERANCE = 1e-3
_TRIED_LENGTH = 7
_LAYER_LINEARS = 3
_IDS, _TYPES, _VALID = "input_ids", "token_type_ids", "attention_mask"


def read_onnx_encoder(path: Path) -> RealEncoder:
    """Return the encoder in an ONNX file, or raise InvalidSource.

    Its inputs are `input_ids` (with `attention_mask`, `token_type_ids`) or embedded words. What was
    found must give the graph's own output on a seeded sequence, so that nothing is guessed.
    """
    try:
        model = onnx.load(str(path))
    except (OSError, DecodeError, ValueError) as error:
        raise InvalidSource(f"{path} is no readable ONNX file: {error}") from None
    real = _Graph(model.graph).encoder()
    _compare(real, model)
    return real


class _Graph:
    """Looks for the parts of an encoder by what leads to each softmax."""

    def __init__(self, graph: Any) -> None:
        self.nodes = list(graph.node)
        self.constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.made_by = {name: node for node in self.nodes for name in node.output}
        self.inputs = [each.name for each in graph.input if each.name not in self.constants]
        self.linears = self._linears()
        self.norms = [self._norm(n) for n in self.nodes if n.op_type == "LayerNormalization"]

    def encoder(self) -> RealEncoder:
        heads_in = [self._heads(node) for node in self.nodes if node.op_type == "Softmax"]
        count = len(heads_in)
        taken = {name for names in heads_in for name in names}
        others = [part for name, part in self.linears.items() if name not in taken]
        has_words = _IDS in self.inputs
        tail = len(others) - _LAYER_LINEARS * count
        if not count or tail not in (0, 1, 2) or len(self.norms) != 2 * count + has_words:
            raise InvalidSource(
                f"the graph has {count} softmaxes, {len(self.linears)} linear layers and "
                f"{len(self.norms)} LayerNormalizations; that is not a BERT-class encoder"
            )
        norms = self.norms[has_words:]
        layers = []
        for index, names in enumerate(heads_in):
            query, key, value = (self.linears[name] for name in names)
            out, up, down = others[_LAYER_LINEARS * index : _LAYER_LINEARS * (index + 1)]
            pair = norms[2 * index : 2 * index + 2]
            layers.append(RealLayer(query, key, value, out, pair[0], up, down, pair[1]))
        classifier = RealClassifier(*others[-2:]) if tail == 2 else None
        embedding = self._embedding() if has_words else None
        width = len(layers[0].output_norm.gain)
        heads = self._head_count(width)
        return fitting(RealEncoder(heads, self._activation(), embedding, tuple(layers), classifier))

    def _linears(self) -> dict[str, RealLinear]:
        """Return each product with a constant matrix and its bias, by its output's name."""
        found: dict[str, RealLinear] = {}
        for node in self.nodes:
            if node.op_type == "Gemm" and node.input[1] in self.constants:
                weights = self._real(node.input[1])
                is_transposed = {a.name: helper.get_attribute_value(a) for a in node.attribute}
                weights = weights if is_transposed.get("transB") else weights.T
                found[node.output[0]] = RealLinear(weights, self._real(node.input[2]))
            if node.op_type != "Add":
                continue
            for product, bias in (node.input, reversed(node.input)):
                before = self.made_by.get(product)
                if before is None or before.op_type != "MatMul" or bias not in self.constants:
                    continue
                if before.input[1] in self.constants:
                    weights = self._real(before.input[1]).T
                    found[node.output[0]] = RealLinear(weights, self._real(bias).ravel())
        return found

    def _norm(self, node: Any) -> RealNorm:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        epsilon = float(attributes.get("epsilon", 1e-5))
        return RealNorm(self._real(node.input[1]), self._real(node.input[2]), epsilon)

    def _heads(self, softmax: Any) -> tuple[str, str, str]:
        """Return the outputs of the linear layers of queries, keys and values."""
        scores = self._back(softmax.input[0], ["MatMul"])
        readers = [n for n in self.nodes if softmax.output[0] in n.input and n.op_type == "MatMul"]
        if scores is None or len(readers) != 1:
            raise InvalidSource(f"softmax '{softmax.name}' is not that of an attention")
        return (
            self._linear_before(scores.input[0]),
            self._linear_before(scores.input[1]),
            self._linear_before(readers[0].input[1]),
        )

    def _linear_before(self, name: str) -> str:
        while name not in self.linears:
            node = self.made_by.get(name)
            if node is None:
                raise InvalidSource(f"no linear layer leads to attention at '{name}'")
            name = node.input[0]
        return name

    def _back(self, name: str, kinds: Iterable[str]) -> Any:
        """Return the nearest node of a kind along first inputs."""
        node = self.made_by.get(name)
        while node is not None and node.op_type not in kinds:
            node = self.made_by.get(node.input[0]) if node.input else None
        return node

    def _embedding(self) -> RealEmbedding:
        tables = {
            node.input[1]: self._real(node.input[0])
            for node in self.nodes
            if node.op_type == "Gather" and self.constants.get(node.input[0], np.empty(0)).ndim == 2
        }
        words, types = tables.pop(_IDS, None), tables.pop(_TYPES, None)
        if words is None or len(tables) != 1:
            raise InvalidSource("the graph has no Gather of words and one of positions")
        (positions,) = tables.values()
        if types is not None:
            positions = positions + types[0]
        return RealEmbedding(words, positions, self.norms[0])

    def _head_count(self, width: int) -> int:
        """Return the heads by the shape into which queries are cut."""
        for node in self.nodes:
            shape = self.constants.get(node.input[1]) if node.op_type == "Reshape" else None
            if shape is not None and shape.size == 4 and shape[2] * shape[3] == width:
                return int(shape[2])
        raise InvalidSource("no Reshape cuts the queries into heads")

    def _activation(self) -> str:
        kinds = {node.op_type for node in self.nodes}
        if kinds & {"Erf", "Gelu"}:
            return "gelu"
        return "relu" if "Relu" in kinds else "gelu_new"

    def _real(self, name: str) -> Reals:
        if name not in self.constants:
            raise InvalidSource(f"'{name}' is not a constant")
        return np.asarray(self.constants[name], np.float64)


def _compare(real: RealEncoder, model: Any) -> None:
    """Raise InvalidSource unless floats give the graph's first output on a seeded sequence."""
    random = np.random.default_rng(0)
    words: Array = random.normal(0, 1, (_TRIED_LENGTH, real.width)).astype(np.float32)
    feeds: dict[str, Array] = {model.graph.input[0].name: words[None]}
    if real.embedding:
        words = random.integers(0, len(real.embedding.words), _TRIED_LENGTH)
        known = {_IDS: words, _TYPES: words * 0, _VALID: words * 0 + 1}
        names = [each.name for each in model.graph.input]
        feeds = {name: values[None] for name, values in known.items() if name in names}
    try:
        found = np.asarray(session(model).run(None, feeds)[0][0], np.float64)
    except RUNTIME_ERRORS as error:
        raise InvalidSource(f"ONNX Runtime cannot run the graph: {error}") from None
    if real.classifier is None:
        total = found.reshape(-1, real.width).sum(axis=0)
        found = total / np.linalg.norm(total)
    expected = real.run(words)
    if found.shape != expected.shape or np.abs(found - expected).max() > _TOLERANCE:
        raise InvalidSource("the layers that were found do not give the graph's own output")
