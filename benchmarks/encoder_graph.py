"""An encoder in real numbers as the ONNX graph that an exporter would write."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from infernet.models.sequence.reals import RealEncoder, RealLayer, RealLinear, RealNorm

OPSET = 18


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def put(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def linear(self, x: str, part: RealLinear) -> str:
        product = self.put("MatMul", x, self.constant(part.weights.T))
        return self.put("Add", product, self.constant(part.bias))

    def norm(self, x: str, part: RealNorm) -> str:
        numbers = (self.constant(part.gain), self.constant(part.bias))
        return self.put("LayerNormalization", x, *numbers, axis=-1, epsilon=part.epsilon)


def graph_of(real: RealEncoder, tokens: int) -> onnx.ModelProto:
    """Return `ids: i64[tokens]` to the logits; GELU by Erf, heads by Reshape and Transpose."""
    assert real.embedding
    assert real.classifier
    writer = _Writer()
    words = writer.put("Gather", writer.constant(real.embedding.words), "ids")
    positions = writer.constant(real.embedding.positions[:tokens])
    x = writer.norm(writer.put("Add", words, positions), real.embedding.norm)
    for layer in real.layers:
        x = _layer(writer, real, layer, x, tokens)
    first = writer.put("Gather", x, writer.constant([0], np.int64), axis=0)
    pooled = writer.put("Tanh", writer.linear(first, real.classifier.pooler))
    logits = writer.linear(pooled, real.classifier.classes)
    graph = helper.make_graph(
        writer.nodes,
        "encoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [tokens])],
        [helper.make_tensor_value_info(logits, TensorProto.FLOAT, None)],
        writer.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9
    return model


def _layer(writer: _Writer, real: RealEncoder, layer: RealLayer, x: str, tokens: int) -> str:
    depth = real.width // real.heads
    split = writer.constant([tokens, real.heads, depth], np.int64)
    joined = writer.constant([tokens, real.width], np.int64)

    def heads(part: RealLinear, order: list[int]) -> str:
        cut = writer.put("Reshape", writer.linear(x, part), split)
        return writer.put("Transpose", cut, perm=order)

    query, key = heads(layer.query, [1, 0, 2]), heads(layer.key, [1, 2, 0])
    scale = writer.constant(1 / np.sqrt(depth))
    scores = writer.put("Mul", writer.put("MatMul", query, key), scale)
    weights = writer.put("Softmax", scores, axis=-1)
    context = writer.put("MatMul", weights, heads(layer.value, [1, 0, 2]))
    context = writer.put("Transpose", context, perm=[1, 0, 2])
    context = writer.put("Reshape", context, joined)
    change = writer.linear(context, layer.heads_out)
    x = writer.norm(writer.put("Add", x, change), layer.attention_norm)
    inner = writer.linear(x, layer.up)
    error = writer.put("Erf", writer.put("Mul", inner, writer.constant(1 / np.sqrt(2))))
    half = writer.put("Mul", inner, writer.constant(0.5))
    active = writer.put("Mul", half, writer.put("Add", error, writer.constant(1)))
    change = writer.linear(active, layer.down)
    return writer.norm(writer.put("Add", x, change), layer.output_norm)
