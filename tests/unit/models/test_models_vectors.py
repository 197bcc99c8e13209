"""The operator vectors of the ONNX project that programs can express (INFERNET_TEST_DATA)."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from infernet.models.errors import UnsupportedNode
from infernet.models.source import read_model
from interpreter.operators import Conv, Window
from interpreter.tensors import DType
from tests.unit.models.nets import import_net, run_bytes, run_reals

DATA = os.environ.get("INFERNET_TEST_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="INFERNET_TEST_DATA is not set")
UNIT = np.array([0x3F800000], "<u4")

EXPRESSIBLE = [
    "averagepool_2d_default", "averagepool_2d_dilations",
    "averagepool_2d_pads_count_include_pad", "averagepool_2d_precomputed_pads_count_include_pad",
    "averagepool_2d_precomputed_strides", "averagepool_2d_strides", "globalaveragepool",
    "globalaveragepool_precomputed", "clip", "clip_default_inbounds", "clip_default_int8_inbounds",
    "clip_default_int8_max", "clip_default_int8_min", "clip_default_max", "clip_default_min",
    "clip_example", "clip_inbounds", "clip_min_greater_than_max", "clip_outbounds",
    "clip_splitbounds", "maxpool_2d_ceil", "maxpool_2d_ceil_output_size_reduce_by_one",
    "maxpool_2d_default", "maxpool_2d_dilations", "maxpool_2d_pads",
    "maxpool_2d_precomputed_pads", "maxpool_2d_precomputed_same_upper",
    "maxpool_2d_precomputed_strides", "maxpool_2d_same_lower", "maxpool_2d_same_upper",
    "maxpool_2d_strides", "maxpool_2d_uint8", "qlinearconv", "qlinearmatmul_2D_int8_float32",
    "qlinearmatmul_2D_uint8_float32", "gelu_default_1", "gelu_default_2", "gelu_tanh_1",
    "gelu_tanh_2", "swish",
]  # fmt: skip

REFUSED = {
    "averagepool_2d_ceil": "ceil_mode",
    "averagepool_2d_pads": "count_include_pad",
    "averagepool_2d_precomputed_pads": "count_include_pad",
    "averagepool_2d_precomputed_same_upper": "count_include_pad",
    "averagepool_2d_same_lower": "count_include_pad",
    "averagepool_2d_same_upper": "count_include_pad",
    "convinteger_with_padding": "ConvInteger",
    "matmulinteger": "MatMulInteger",
    "dynamicquantizelinear": "DynamicQuantizeLinear",
}


def load(name):
    """Return the vector's model, its inputs by name and its first output."""
    folder = Path(DATA or "") / "onnx-node" / f"test_{name}"
    model = onnx.load(folder / "model.onnx")

    def tensors(kind):
        found = []
        for i in range(len(list((folder / "test_data_set_0").glob(f"{kind}_*.pb")))):
            proto = TensorProto()
            proto.ParseFromString((folder / "test_data_set_0" / f"{kind}_{i}.pb").read_bytes())
            found.append(numpy_helper.to_array(proto))
        return found

    names = [entry.name for entry in model.graph.input]
    return model, dict(zip(names, tensors("input"), strict=True)), tensors("output")[0]


def as_source(model, inputs):
    """Return the model with all but its first input constant."""
    first = next(iter(inputs))
    for name, array in list(inputs.items())[1:]:
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return read_model(model, ""), inputs[first]


@pytest.mark.parametrize("name", EXPRESSIBLE)
def test_a_vector_holds_through_import(name):
    model, inputs, expected = load(name)
    source, x = as_source(model, inputs)
    # Integers without a scale mean themselves; reals are calibrated.
    found = import_net(source, [x] if x.dtype.kind == "f" else None)
    if expected.dtype.kind == "f":
        coding = found.manifest
        # Half a step of the input passes through; half a step of the output is added.
        allowed = 0.75 * (coding.input.scale + coding.output.scale)
        np.testing.assert_allclose(run_reals(found, x), expected.ravel(), atol=allowed, rtol=0)
        return
    bytes_ = run_bytes(found, x).astype(int) - (128 if expected.dtype == np.int8 else 0)
    if expected.ndim == 4:
        expected = expected.transpose(0, 2, 3, 1)
    # Weights beyond 127 are rescaled at import, which can move a result by one.
    allowed = 1 if name.startswith("qlinear") else 0
    np.testing.assert_allclose(bytes_, expected.ravel(), atol=allowed, rtol=0)


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_vector_that_cannot_be_expressed_is_refused_by_name(name):
    model, inputs, _ = load(name)
    del model.graph.output[1:]
    source, x = as_source(model, inputs)
    with pytest.raises(UnsupportedNode, match=REFUSED[name]):
        import_net(source, [x])


def run_conv(x, x_zero, weights, window, groups=1):
    """Run CONV with a scale of 1: the bytes are the sums themselves."""
    count = len(weights)
    blob = np.zeros(4096, np.uint8)
    blob[: weights.size] = np.ascontiguousarray(weights, np.int8).ravel().view(np.uint8)
    params = np.zeros((count, 2), "<u4")
    params[:, 1] = UNIT
    blob[2048 : 2048 + 8 * count] = params.view(np.uint8).ravel()
    conv = Conv(1, 0, DType.I8, DType.U8, window, count, groups, x_zero, 0, -128, 127, 0, 2048)
    conv.check(len(blob), 1)
    output = np.zeros(conv.out_count, np.int8)
    conv.whole(0, blob, [np.ascontiguousarray(x).ravel()], output)
    return output


@pytest.mark.parametrize("name", ["convinteger_with_padding", "convinteger_without_padding"])
def test_integer_convolutions_hold_in_the_operator(name):
    model, inputs, expected = load(name)
    x, w, x_zero, *rest = inputs.values()
    zeros = rest[0] if rest else np.zeros(1, np.uint8)
    weights = w.astype(int) - zeros.astype(int).reshape(-1, 1, 1, 1)
    pads = {a.name: list(a.ints) for a in model.graph.node[0].attribute}.get("pads", [0] * 4)
    _, count, height, width = expected.shape
    window = Window(*x.shape[2:], x.shape[1], height, width, *w.shape[2:], 1, 1, *pads[:2])
    found = run_conv(x.transpose(0, 2, 3, 1), int(x_zero), weights.transpose(0, 2, 3, 1), window)
    np.testing.assert_array_equal(found, expected.transpose(0, 2, 3, 1).ravel())
    assert count == len(weights)


def test_an_integer_product_holds_in_the_operator():
    _, inputs, expected = load("matmulinteger")
    a, b, a_zero, b_zero = inputs.values()
    weights = (b.astype(int) - b_zero.astype(int)).T
    window = Window(1, len(a), a.shape[1], 1, len(a))
    found = run_conv(a, int(a_zero[0]), weights, window)
    np.testing.assert_array_equal(found, expected.ravel())


def test_quantisation_vectors_hold_in_the_coding_of_inputs():
    model, inputs, expected = load("quantizelinear")
    source, x = as_source(model, inputs)
    # QuantizeLinear itself is no operator: its bytes are what a program takes as input.
    relu = onnx.helper.make_node("Clip", [source.output_name], ["z"], name="z")
    model.graph.node.append(relu)
    model.graph.output[0].name = "z"
    found = import_net(read_model(model, ""))
    np.testing.assert_array_equal(run_bytes(found, x), expected)


def test_dequantisation_vectors_hold_in_the_coding_of_outputs():
    model, inputs, expected = load("dequantizelinear")
    source, x = as_source(model, inputs)
    model.graph.node.append(onnx.helper.make_node("Clip", [source.output_name], ["z"], name="z"))
    model.graph.output[0].name = "z"
    found = import_net(read_model(model, ""))
    np.testing.assert_array_equal(run_reals(found, x), expected)
