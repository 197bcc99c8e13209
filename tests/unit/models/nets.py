"""Small ONNX graphs for the import tests, and the two ways to run them."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from infernet.models.manifest import input_bytes, output_numbers
from infernet.models.pipeline import Model, Options, import_source
from infernet.models.source import Source, read_model, session
from interpreter import machine

TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.int64): TensorProto.INT64,
}


class Net:
    """Grows a graph with one input `x` and one output, the last node's."""

    def __init__(self, shape: list[int | str], dtype: Any = np.float32, opset: int = 13) -> None:
        self.shape, self.dtype, self.opset = shape, np.dtype(dtype), opset
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def const(self, value: Any, dtype: Any = None) -> str:
        """Add a constant and return its name."""
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return its output."""
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, list(inputs), [name], name=name, domain=domain, **attributes)
        )
        return name

    def params(self, scale: float, zero: int, dtype: Any = np.uint8) -> tuple[str, str]:
        """Add a scale and a zero point."""
        return self.const(scale, np.float32), self.const(zero, dtype)

    def proto(self, dtype: Any = None) -> Any:
        """Return the ModelProto. `dtype`: of the output, by default the input's."""
        given = TYPES[self.dtype]
        result = TYPES[np.dtype(dtype)] if dtype is not None else given
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", given, self.shape)],
            [helper.make_tensor_value_info(self.nodes[-1].output[0], result, None)],
            self.weights,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 8
        # The format wants a shape on the output; the runtime infers it.
        sizes = session(model).get_outputs()[0].shape or ["n", "k"]
        shape = graph.output[0].type.tensor_type.shape
        for size in sizes:
            shape.dim.add(**{"dim_value" if isinstance(size, int) else "dim_param": size})
        model.graph.output[0].CopyFrom(graph.output[0])
        return model

    def source(self, dtype: Any = None) -> Source:
        """Return the graph as a source."""
        return read_model(self.proto(dtype), "00")


def import_net(source: Source, calibration: list[Any] | None = None, **options: Any) -> Model:
    """Return the model of a source."""
    return import_source(source, Options("net", **options), calibration)


def run_source(source: Source, x: Any) -> Any:
    """Return what ONNX Runtime gives."""
    return session(source.model).run(None, {"x": x})[0]


def run_bytes(model: Model, x: Any) -> Any:
    """Return the program's output bytes for a source input."""
    return machine.run(model.program, input_bytes(model.manifest, x))


def run_reals(model: Model, x: Any) -> Any:
    """Return the numbers that the program's output stands for, flat, in the source's order."""
    return output_numbers(model.manifest, run_bytes(model, x))


def quantised(values: Any) -> Any:
    """Return ONNX Runtime's bytes as a program has them: flat and unsigned."""
    flat = np.asarray(values).ravel()
    return (flat.astype(np.int16) + 128).astype(np.uint8) if flat.dtype == np.int8 else flat


def safe_weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Return i8 weights of which no two sum beyond 128."""
    return rng.integers(-64, 65, shape).astype(np.int8)
