"""Read an ONNX file: check it, fold what is constant, and list the nodes that compute."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import checker, helper, numpy_helper

from .errors import InvalidSource

Array = npt.NDArray[Any]

_QUIET = 3
_DEQUANTISE = "DequantizeLinear"
_STATE = onnxruntime.capi.onnxruntime_pybind11_state
RUNTIME_ERRORS = (
    _STATE.Fail,
    _STATE.InvalidArgument,
    _STATE.InvalidGraph,
    _STATE.InvalidProtobuf,
    _STATE.NotImplemented,
    _STATE.RuntimeException,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Node:
    """One ONNX node. Optional inputs that are absent are empty strings."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def has_input(self, index: int) -> bool:
        """Say whether the optional input is there."""
        return index < len(self.inputs) and bool(self.inputs[index])


@dataclass(frozen=True, slots=True)
class StoredConstant:
    """What a constant was before DequantizeLinear: `(integers − zero) · scale` along `axis`."""

    integers: Array
    scale: Array
    zero: Array
    axis: int


@dataclass(frozen=True)
class Source:
    """A checked model. `constants` holds every tensor that no input can change.

    `input_shape` has its batch fixed at 1; `uses` counts the readers of each tensor, the graph's
    output among them.
    """

    model: Any
    nodes: tuple[Node, ...]
    constants: dict[str, Array]
    stored: dict[str, StoredConstant]
    input_name: str
    input_shape: tuple[int, ...]
    input_dtype: np.dtype[Any]
    output_name: str
    uses: Mapping[str, int]
    digest: str

    @property
    def input_layout(self) -> str:
        """Return how the input's axes are ordered: nchw, nhwc, or flat when it is no image.

        It is NHWC where the graph turns it from that before anything computes with it.
        """
        if len(self.input_shape) != 4:
            return "flat"
        names = {self.input_name}
        for node in self.nodes:
            if names.isdisjoint(node.inputs):
                continue
            if node.op not in ("QuantizeLinear", _DEQUANTISE, "Cast", "Identity"):
                turn = list(node.attributes.get("perm", ()))
                return "nhwc" if node.op == "Transpose" and turn == [0, 3, 1, 2] else "nchw"
            names.update(node.outputs)
        return "nchw"

    def evaluate(self, node: Node) -> None:
        """Add the outputs of a node whose inputs are all constant to `constants`."""
        proto = next(found for found in self.model.graph.node if node.outputs[0] in found.output)
        self.constants.update(_evaluate(self.model, [proto], self.constants, node.outputs))


def read_onnx(path: Path) -> Source:
    """Return the model in a file, or raise InvalidSource."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidSource(f"{path}: {error.strerror or error}; give a readable file") from None
    try:
        model = onnx.load_model_from_string(data)
        # Weights beside the file, as large models keep them, are found from its folder.
        onnx.load_external_data_for_model(model, str(path.parent))
        return read_model(model, sha256(data).hexdigest())
    except InvalidSource as error:
        raise InvalidSource(f"{path}: {error}") from None
    # A type that ONNX does not know is a KeyError of its library.
    except (DecodeError, checker.ValidationError, OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidSource(
            f"{path} is not a complete ONNX model ({reason}); export or download it again"
        ) from None


def read_model(model: Any, digest: str) -> Source:
    """Return a ModelProto as a source; raise InvalidSource where its outside does not fit."""
    graph = model.graph
    if not graph.node or not graph.output:
        raise InvalidSource("the file holds no graph; it is truncated or not an ONNX model")
    checker.check_model(model)
    initial = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in initial]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise InvalidSource(
            f"the graph has {len(inputs)} inputs and {len(graph.output)} outputs; "
            "exactly one of each is supported"
        )
    shape, dtype = _input_type(inputs[0])
    _fix_shape(inputs[0], shape)
    constant, computing = _split(graph.node, initial)
    wanted = {name for node in computing for name in node.input}
    # The integers behind dequantised weights are kept, whatever made them.
    wanted |= {name for node in constant if node.op_type == _DEQUANTISE for name in node.input}
    constants = dict(initial)
    constants.update(_evaluate(model, constant, initial, wanted))
    nodes = tuple(_node(node, index) for index, node in enumerate(computing))
    uses: dict[str, int] = {graph.output[0].name: 1}
    for node in nodes:
        for name in node.inputs:
            uses[name] = uses.get(name, 0) + 1
    return Source(
        model,
        nodes,
        constants,
        _stored_constants(constant, constants),
        inputs[0].name,
        shape,
        dtype,
        graph.output[0].name,
        uses,
        digest,
    )


def session(model: Any, *, threads: int = 1) -> Any:
    """Return an ONNX Runtime session without graph rewriting, so tensors keep their names."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except RUNTIME_ERRORS as error:
        reason = str(error).splitlines()[0]
        raise InvalidSource(f"ONNX Runtime cannot run the source: {reason}") from None


def _input_type(entry: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    tensor = entry.type.tensor_type
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    if dtype not in (np.float32, np.uint8, np.int8):
        raise InvalidSource(f"input '{entry.name}' is {dtype}; float32, uint8 or int8 is needed")
    if not tensor.HasField("shape") or not tensor.shape.dim:
        raise InvalidSource(f"input '{entry.name}' has no declared shape; export it with one")
    dims = [dim.dim_value for dim in tensor.shape.dim]
    # A first dimension that is open is the batch; the machine runs one input at a time.
    shape = (dims[0] or 1, *dims[1:])
    if any(size < 1 for size in shape):
        raise InvalidSource(
            f"input '{entry.name}' has dynamic shape {dims}; only the batch may be open, "
            "so export it with fixed sizes"
        )
    if len(shape) == 4 and shape[0] != 1:
        raise InvalidSource(f"input '{entry.name}' has batch {shape[0]}; export it with batch 1")
    return shape, dtype


def _fix_shape(entry: Any, shape: Sequence[int]) -> None:
    for dim, size in zip(entry.type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size


def _split(protos: Sequence[Any], initial: Collection[str]) -> tuple[list[Any], list[Any]]:
    known, constant, computing = set(initial), [], []
    for proto in protos:
        if all(name in known for name in proto.input if name):
            known.update(proto.output)
            constant.append(proto)
        else:
            computing.append(proto)
    return constant, computing


def _evaluate(
    model: Any, protos: Sequence[Any], initial: Mapping[str, Array], wanted: Collection[str]
) -> dict[str, Array]:
    names = [name for proto in protos for name in proto.output if name in wanted]
    if not names:
        return {}
    read = {name for proto in protos for name in proto.input}
    tensors = [numpy_helper.from_array(initial[name], name) for name in read if name in initial]
    outputs = [onnx.ValueInfoProto(name=name) for name in names]
    graph = helper.make_graph(list(protos), "constants", [], outputs, tensors)
    folded = helper.make_model(graph, opset_imports=list(model.opset_import))
    folded.ir_version = max(model.ir_version, 4)
    try:
        return dict(zip(names, session(folded).run(names, {}), strict=True))
    except RUNTIME_ERRORS as error:
        raise InvalidSource(f"the constants cannot be evaluated: {error}") from None


def _stored_constants(
    protos: Sequence[Any], constants: Mapping[str, Array]
) -> dict[str, StoredConstant]:
    """Return the integers behind each constant that a DequantizeLinear made."""
    found = {}
    for proto in protos:
        names = list(proto.input)
        if proto.op_type != _DEQUANTISE or any(n not in constants for n in names if n):
            continue
        integers, scale = constants[names[0]], constants[names[1]]
        has_zero = len(names) > 2 and names[2]
        zero = constants[names[2]] if has_zero else np.zeros_like(scale, np.int32)
        axis = next((a.i for a in proto.attribute if a.name == "axis"), 1)
        found[proto.output[0]] = StoredConstant(integers, scale, zero, axis)
    return found


def _node(proto: Any, index: int) -> Node:
    attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    name = proto.name or (proto.output[0] if proto.output else f"#{index}")
    return Node(proto.op_type, name, tuple(proto.input), tuple(proto.output), attributes)
