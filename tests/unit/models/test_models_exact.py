"""A quantised source whose weights are pair-safe keeps every bit that ONNX Runtime gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.models.nets import Net, import_net, quantised, run_bytes, run_source, safe_weights


def nhwc(data):
    return data.transpose(0, 2, 3, 1) if data.ndim == 4 else data


def assert_same_bits(net, x, dtype=None, as_nhwc=True):
    source = net.source(dtype)
    expected = run_source(source, x)
    model = import_net(source)
    np.testing.assert_array_equal(
        run_bytes(model, x), quantised(nhwc(expected) if as_nhwc else expected)
    )
    return model


def random_bytes(rng, shape, dtype):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


@st.composite
def convolutions(draw):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    return {
        "dtype": draw(st.sampled_from([np.uint8, np.int8])),
        "groups": groups,
        "in": groups * draw(st.integers(1, 3)),
        "out": groups * draw(st.integers(1, 3)),
        "size": (draw(st.integers(5, 9)), draw(st.integers(5, 9))),
        "kernel": (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        "strides": [draw(st.integers(1, 2)), draw(st.integers(1, 2))],
        "dilations": [draw(st.integers(1, 2)), draw(st.integers(1, 2))],
        "pads": [draw(st.integers(0, 2)) for _ in range(4)],
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_a_convolution_keeps_its_bits_whatever_its_window(case):
    rng = np.random.default_rng(case["seed"])
    dtype = case["dtype"]
    info = np.iinfo(dtype)
    net = Net([1, case["in"], *case["size"]], dtype)
    shape = (case["out"], case["in"] // case["groups"], *case["kernel"])
    x_zero, y_zero = (int(rng.integers(info.min, info.max + 1)) for _ in range(2))
    scales = rng.uniform(0.002, 0.02, case["out"]).astype(np.float32)
    net.node(
        "QLinearConv",
        "x",
        *net.params(0.05, x_zero, dtype),
        net.const(safe_weights(rng, shape)),
        net.const(scales),
        net.const(np.zeros(case["out"]), np.int8),
        *net.params(0.13, y_zero, dtype),
        net.const(rng.integers(-2000, 2000, case["out"]), np.int32),
        kernel_shape=list(case["kernel"]),
        strides=case["strides"],
        dilations=case["dilations"],
        pads=case["pads"],
        group=case["groups"],
    )
    model = assert_same_bits(net, random_bytes(rng, (1, case["in"], *case["size"]), dtype))
    assert model.manifest.facts["kept_channels"] == case["out"]


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_automatic_padding_is_resolved(auto_pad, dtype):
    rng = np.random.default_rng(3)
    net = Net([1, 2, 7, 8], dtype)
    net.node(
        "QLinearConv",
        "x",
        *net.params(0.05, 3, dtype),
        net.const(safe_weights(rng, (3, 2, 4, 3))),
        *net.params(0.01, 0, np.int8),
        *net.params(0.13, 5, dtype),
        strides=[2, 2],
        auto_pad=auto_pad,
    )
    assert_same_bits(net, random_bytes(rng, (1, 2, 7, 8), dtype))


def linear(net, rng, x, size, count, dtype=np.uint8):
    return net.node(
        "QLinearMatMul",
        x,
        *net.params(0.05, 7, dtype),
        net.const(safe_weights(rng, (size, count))),
        *net.params(0.01, 0, np.int8),
        *net.params(0.4, 11, dtype),
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_a_flattened_image_meets_its_own_weights(dtype):
    rng = np.random.default_rng(4)
    net = Net([1, 3, 4, 5], dtype)
    linear(net, rng, net.node("Flatten", "x"), 60, 6, dtype)
    model = assert_same_bits(net, random_bytes(rng, (1, 3, 4, 5), dtype))
    assert [op.opcode.name for op in model.program.operators].count("COPY") == 0


def test_a_transposed_flattening_meets_its_own_weights():
    rng = np.random.default_rng(5)
    net = Net([1, 3, 4, 5], np.uint8)
    turned = net.node("Transpose", "x", perm=[0, 3, 1, 2])
    flat = net.node("Reshape", turned, net.const([0, -1], np.int64))
    linear(net, rng, flat, 60, 6)
    assert_same_bits(net, random_bytes(rng, (1, 3, 4, 5), np.uint8))


def test_rows_of_a_matrix_stay_apart():
    rng = np.random.default_rng(6)
    net = Net([5, 12], np.uint8)
    linear(net, rng, "x", 12, 7)
    assert_same_bits(net, random_bytes(rng, (5, 12), np.uint8))


@pytest.mark.parametrize("is_transposed", [0, 1])
def test_qgemm_keeps_its_bits(is_transposed):
    rng = np.random.default_rng(7)
    net = Net([1, 12], np.uint8)
    shape = (4, 12) if is_transposed else (12, 4)
    net.node(
        "QGemm",
        "x",
        *net.params(0.05, 7),
        net.const(safe_weights(rng, shape)),
        *net.params(0.01, 0, np.int8),
        net.const(rng.integers(-900, 900, 4), np.int32),
        *net.params(0.2, 100),
        domain="com.microsoft",
        transB=is_transposed,
    )
    assert_same_bits(net, random_bytes(rng, (1, 12), np.uint8))


@pytest.mark.parametrize("size", [(4, 4), (7, 5)])
def test_a_global_average_keeps_its_bits(size):
    rng = np.random.default_rng(8)
    net = Net([1, 6, *size], np.uint8)
    net.node(
        "QLinearGlobalAveragePool",
        "x",
        *net.params(0.05, 7),
        *net.params(0.03, 9),
        domain="com.microsoft",
    )
    assert_same_bits(net, random_bytes(rng, (1, 6, *size), np.uint8))


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "dilations": [2, 1], "pads": [1, 0, 2, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_a_maximum_pool_keeps_its_bits(attributes, dtype):
    rng = np.random.default_rng(9)
    net = Net([1, 3, 8, 9], dtype)
    x = net.node("DequantizeLinear", "x", *net.params(0.1, 3, dtype))
    pooled = net.node("MaxPool", x, **attributes)
    net.node("QuantizeLinear", pooled, *net.params(0.1, 3, dtype))
    assert_same_bits(net, random_bytes(rng, (1, 3, 8, 9), dtype))


def test_a_sum_whose_scales_have_an_odd_ratio_keeps_its_bits():
    rng = np.random.default_rng(10)
    net = Net([1, 4, 5, 5], np.uint8)
    x = net.params(0.07, 30)
    moved = net.node(
        "QLinearConv",
        "x",
        *x,
        net.const(safe_weights(rng, (4, 4, 1, 1))),
        *net.params(0.01, 0, np.int8),
        *net.params(0.07 * 3 / 5, 90),
    )
    net.node(
        "QLinearAdd",
        "x",
        *x,
        moved,
        *net.params(0.07 * 3 / 5, 90),
        *net.params(0.07 * 9 / 5, 60),
        domain="com.microsoft",
    )
    data = random_bytes(rng, (1, 4, 5, 5), np.uint8)
    source = net.source()
    model = import_net(source)
    expected = quantised(nhwc(run_source(source, data))).astype(int)
    actual = run_bytes(model, data).astype(int)
    add = next(op for op in model.program.operators if op.opcode.name == "ADD")
    p1, p2, q = add.fields[1:4]
    assert q % 2 == 1
    assert (p1 / q, p2 / q) == pytest.approx((5 / 9, 1 / 3), rel=3e-6)
    np.testing.assert_array_equal(actual, expected)


def test_concatenations_of_one_scale_are_only_copied():
    rng = np.random.default_rng(11)
    net = Net([1, 4, 5, 6], np.uint8)
    scale = net.params(0.07, 30)
    x = net.node("DequantizeLinear", "x", *scale)
    pooled = net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4)
    joined = net.node("Concat", x, pooled, x, axis=1)
    net.node("QuantizeLinear", joined, *scale)
    model = assert_same_bits(net, random_bytes(rng, (1, 4, 5, 6), np.uint8))
    assert "TABLE" not in [op.opcode.name for op in model.program.operators]


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_concatenations_of_other_scales_pass_a_table(axis):
    rng = np.random.default_rng(12)
    net = Net([1, 4, 5, 6], np.uint8)
    x = net.params(0.07, 30)
    pooled = net.node("MaxPool", "x", kernel_shape=[3, 3], pads=[1] * 4)
    net.node(
        "QLinearConcat", *net.params(0.11, 44), "x", *x, pooled, *x,
        domain="com.microsoft", axis=axis,
    )  # fmt: skip
    model = assert_same_bits(net, random_bytes(rng, (1, 4, 5, 6), np.uint8))
    assert "TABLE" in [op.opcode.name for op in model.program.operators]


def test_an_nhwc_source_becomes_the_same_program_as_its_nchw_twin():
    rng = np.random.default_rng(13)
    weights, data = safe_weights(rng, (5, 3, 3, 3)), random_bytes(rng, (1, 6, 7, 3), np.uint8)

    def conv(net, x):
        return net.node(
            "QLinearConv", x, *net.params(0.05, 3), net.const(weights),
            *net.params(0.01, 0, np.int8), *net.params(0.13, 5),
        )  # fmt: skip

    last = Net([1, 6, 7, 3], np.uint8)
    last.node(
        "Transpose", conv(last, last.node("Transpose", "x", perm=[0, 3, 1, 2])), perm=[0, 2, 3, 1]
    )
    first = Net([1, 3, 6, 7], np.uint8)
    conv(first, "x")
    model = assert_same_bits(last, data, as_nhwc=False)
    twin = assert_same_bits(first, data.transpose(0, 3, 1, 2))
    assert model.program.root == twin.program.root
