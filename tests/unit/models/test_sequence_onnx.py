"""Encoders out of ONNX graphs: the real BERT-Tiny, and small ones with a table of words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from infernet.models.errors import InvalidSource
from infernet.models.sequence.bert import read_npz
from infernet.models.sequence.bert_onnx import read_onnx_encoder
from infernet.models.sequence.reals import RealEncoder, RealLayer, RealLinear, RealNorm

from .test_sequence_encoder import HEADS, WIDTH, seeded


class Graph:
    """Grows the ONNX graph of an encoder with word ids as its input."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def const(self, values: npt.NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        values = values.astype(np.float32) if values.dtype == np.float64 else values
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def linear(self, x: str, part: RealLinear, is_gemm: bool = False) -> str:
        if is_gemm:
            return self.node("Gemm", x, self.const(part.weights), self.const(part.bias), transB=1)
        product = self.node("MatMul", x, self.const(part.weights.T))
        return self.node("Add", self.const(part.bias), product)

    def norm(self, x: str, part: RealNorm) -> str:
        parts = self.const(part.gain), self.const(part.bias)
        return self.node("LayerNormalization", x, *parts, axis=-1, epsilon=part.epsilon)

    def heads(self, x: str, order: tuple[int, ...]) -> str:
        shape = self.const(np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
        return self.node("Transpose", self.node("Reshape", x, shape), perm=order)

    def layer(self, x: str, part: RealLayer, scale: float) -> str:
        # Keys come first: their place in the graph says nothing.
        k = self.heads(self.linear(x, part.key), (0, 2, 3, 1))
        q, v = (self.heads(self.linear(x, p), (0, 2, 1, 3)) for p in (part.query, part.value))
        scores = self.node("Mul", self.node("MatMul", q, k), self.const(np.array(scale)))
        context = self.node("MatMul", self.node("Softmax", scores, axis=-1), v)
        context = self.node("Transpose", context, perm=(0, 2, 1, 3))
        flat = self.node("Reshape", context, self.const(np.array([0, 0, WIDTH], np.int64)))
        x = self.norm(self.node("Add", x, self.linear(flat, part.heads_out)), part.attention_norm)
        inner = self.linear(x, part.up)
        down = self.linear(self.node("Gelu", inner), part.down)
        return self.norm(self.node("Add", x, down), part.output_norm)


def write(path: Path, real: RealEncoder, scale: float = (WIDTH // HEADS) ** -0.5) -> None:
    """Write an encoder; another `scale` of the scores makes it a different model."""
    graph, part = Graph(), real.embedding
    assert part is not None
    words = graph.node("Gather", graph.const(part.words), "input_ids")
    places = graph.const(np.arange(7, dtype=np.int64))
    positions = graph.node("Gather", graph.const(part.positions - 0.5), places)
    types = graph.node("Gather", graph.const(np.full((2, WIDTH), 0.5)), "token_type_ids")
    x = graph.node("Add", graph.node("Add", words, types), positions)
    x = graph.norm(x, part.norm)
    for layer in real.layers:
        x = graph.layer(x, layer, scale)
    if real.classifier:
        first = graph.node("Gather", x, graph.const(np.array(0, np.int64)), axis=1)
        pooled = graph.node("Tanh", graph.linear(first, real.classifier.pooler, is_gemm=True))
        x = graph.linear(pooled, real.classifier.classes)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [1, "n"])
        for name in ("input_ids", "token_type_ids")
    ]
    outputs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)]
    made = helper.make_graph(graph.nodes, "encoder", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    onnx.save(model, str(path))


@pytest.mark.parametrize("has_classes", [True, False])
def test_a_graph_is_read_as_it_was_written(tmp_path: Path, has_classes: bool) -> None:
    expected = seeded(3, has_words=True, has_classes=has_classes)
    write(tmp_path / "encoder.onnx", expected)
    found = read_onnx_encoder(tmp_path / "encoder.onnx")
    words = np.array([4, 8, 15, 16, 23, 42])
    assert (found.heads, found.activation) == (expected.heads, "gelu")
    assert np.allclose(found.run(words), expected.run(words), atol=1e-4)


def test_graphs_that_are_no_encoder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    write(path, seeded(3, has_words=True, has_classes=True), scale=0.5)
    with pytest.raises(InvalidSource, match="do not give the graph's own output"):
        read_onnx_encoder(path)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    onnx.save(helper.make_model(graph), str(path))
    with pytest.raises(InvalidSource, match="0 softmaxes, 0 linear layers"):
        read_onnx_encoder(path)
    path.write_bytes(b"\x00\x01")
    with pytest.raises(InvalidSource, match="no readable ONNX file"):
        read_onnx_encoder(path)
    with pytest.raises(InvalidSource, match="no readable ONNX file"):
        read_onnx_encoder(tmp_path / "absent.onnx")


def test_bert_tiny_is_the_same_from_either_file() -> None:
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: no trained BERT-Tiny")
    path = Path(root) / "bert-tiny-sst2" / "bert_tiny_sst2_encoder"
    found = read_onnx_encoder(path.with_suffix(".onnx"))
    expected = read_npz(path.with_suffix(".npz"))
    words = np.random.default_rng(1).normal(0, 1, (9, expected.width))
    assert np.array_equal(found.run(words), expected.run(words))
