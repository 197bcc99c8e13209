"""Float sources: what is folded, fused or tabulated stays near the source."""

import numpy as np
import pytest

from infernet.models.errors import InvalidCalibration, UnsupportedNode
from tests.unit.models.nets import Net, import_net, run_reals, run_source

RNG = np.random.default_rng(0)
IMAGE = [1, 3, 8, 8]


def images(count=16, shape=IMAGE):
    return [RNG.normal(0, 1, shape).astype(np.float32) for _ in range(count)]


def weights(*shape):
    return RNG.normal(0, 0.5, shape).astype(np.float32)


def check(net, data=None, steps=2.5):
    """Assert that program and source agree to a few steps of the output's scale."""
    source = net.source()
    data = images(shape=net.shape) if data is None else data
    model = import_net(source, data)
    allowed = steps * model.manifest.output.scale
    for x in data[:4]:
        np.testing.assert_allclose(
            run_reals(model, x), run_source(source, x).ravel(), atol=allowed, rtol=0
        )
    return [op.opcode.name for op in model.program.operators if op.opcode.name not in
            ("BEGIN", "FREE", "END")]  # fmt: skip


def conv(net, x, channels=4, count=4, **attributes):
    return net.node("Conv", x, net.const(weights(count, channels, 3, 3)), **attributes)


def test_batch_normalisation_folds_into_its_convolution():
    net = Net(IMAGE)
    statistics = [net.const(RNG.uniform(0.5, 2, 4), np.float32) for _ in range(4)]
    x = net.node("BatchNormalization", conv(net, "x", 3), *statistics)
    net.node("Relu", x)
    assert check(net) == ["CONV"]


def test_batch_normalisation_alone_is_a_depthwise_convolution():
    net = Net(IMAGE)
    statistics = [net.const(RNG.uniform(0.5, 2, 3), np.float32) for _ in range(4)]
    net.node("Relu", net.node("BatchNormalization", "x", *statistics))
    assert check(net) == ["CONV"]


def test_a_convolution_that_others_read_is_not_changed_for_one_of_them():
    net = Net(IMAGE)
    x = conv(net, "x", 3)
    clamped = net.node("Relu", x)
    scaled = net.node("Mul", x, net.const(np.full((4, 1, 1), 0.5), np.float32))
    net.node("Concat", x, clamped, scaled, axis=1)
    assert check(net, steps=4).count("CONV") == 2


def test_a_view_that_others_read_is_not_changed_for_one_of_them():
    net = Net(IMAGE)
    x = conv(net, "x", 3)
    cuts = [net.const([n], np.int64) for n in (0, 2, 4, 1)]
    first = net.node("Slice", x, cuts[0], cuts[1], cuts[3])
    last = net.node("Slice", x, cuts[1], cuts[2], cuts[3])
    net.node("Concat", net.node("Relu", first), last, axis=1)
    check(net, steps=4)


@pytest.mark.parametrize("op", ["Add", "Mul", "Sub", "Div"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (1, 3, 1, 1)])
@pytest.mark.parametrize("is_first", [False, True])
def test_arithmetic_with_constants_is_per_channel(op, shape, is_first):
    net = Net(IMAGE)
    pair = ["x", net.const(RNG.uniform(0.5, 2, shape), np.float32)]
    if is_first:
        pair.reverse()
    net.node(op, *pair)
    if op == "Div" and is_first:
        with pytest.raises(UnsupportedNode, match="division by a constant"):
            check(net)
    else:
        assert check(net) == ["CONV"]


def test_bias_after_a_product_folds_in():
    net = Net([1, 12])
    x = net.node("MatMul", "x", net.const(weights(12, 5)))
    net.node("Add", x, net.const(weights(1, 5)))
    assert check(net) == ["CONV"]


def test_gemm_applies_alpha_and_beta():
    net = Net([1, 12])
    net.node("Gemm", "x", net.const(weights(12, 5)), net.const(weights(5)), alpha=0.5, beta=2.0)
    assert check(net) == ["CONV"]


@pytest.mark.parametrize("bounds", [(0, 6), (-0.5, 0.7), (0, None)])
def test_clip_is_the_clamp_of_the_layer_before(bounds):
    net = Net(IMAGE)
    names = [net.const(b, np.float32) for b in bounds if b is not None]
    net.node("Clip", conv(net, "x", 3), *names)
    # A narrow clip has a fine scale, beside which the input's own rounding is coarse.
    assert check(net, steps=30) == ["CONV"]


def test_clip_of_a_tensor_that_is_seen_is_an_operator():
    net = Net(IMAGE)
    x = conv(net, "x", 3)
    net.node("Concat", x, net.node("Clip", x, net.const(-0.2, np.float32)), axis=1)
    check(net, steps=4)


@pytest.mark.parametrize(
    ("op", "attributes", "opset"),
    [
        ("Sigmoid", {}, 13), ("Tanh", {}, 13), ("HardSigmoid", {}, 13), ("HardSwish", {}, 14),
        ("LeakyRelu", {"alpha": 0.2}, 13), ("Elu", {}, 13), ("Selu", {}, 13), ("Softplus", {}, 13),
        ("Softsign", {}, 13), ("Exp", {}, 13), ("Abs", {}, 13), ("Neg", {}, 13), ("Erf", {}, 13),
        ("Gelu", {}, 20), ("Gelu", {"approximate": "tanh"}, 20), ("Mish", {}, 18),
    ],
)  # fmt: skip
def test_functions_of_one_number_become_tables(op, attributes, opset):
    net = Net(IMAGE, opset=opset)
    net.node(op, "x", **attributes)
    # The input's own step is what limits the steepest of them.
    assert check(net, steps=4) == ["TABLE"]


def test_functions_in_a_row_become_one_table():
    net = Net(IMAGE)
    net.node("Tanh", net.node("Neg", net.node("Relu", net.node("Abs", "x"))))
    assert check(net, steps=6) == ["TABLE"]


def test_x_times_its_sigmoid_becomes_one_table():
    net = Net(IMAGE)
    net.node("Mul", "x", net.node("Sigmoid", "x"))
    assert check(net) == ["TABLE"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ],
)
def test_average_pools(attributes):
    net = Net(IMAGE)
    net.node("AveragePool", "x", **attributes)
    assert check(net) == ["CONV"]


@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_mean_over_the_image_is_an_average_pool(keepdims):
    net = Net(IMAGE)
    net.node("ReduceMean", "x", axes=[2, 3], keepdims=keepdims)
    assert check(net) == ["CONV"]


def test_pad_nodes_fold_into_windows():
    net = Net(IMAGE)
    padded = net.node("Pad", "x", net.const([0, 0, 0, 1, 0, 0, 2, 1], np.int64))
    conv(net, padded, 3, strides=[2, 2])
    assert check(net) == ["CONV"]


def test_residual_blocks_with_relu():
    net = Net(IMAGE)
    x = net.node("Relu", conv(net, "x", 3, 4, pads=[1] * 4))
    y = conv(net, x, pads=[1] * 4)
    x = net.node("Relu", net.node("Add", y, x))
    net.node("Add", conv(net, x, pads=[1] * 4), x)
    assert check(net, steps=6) == ["CONV", "CONV", "ADD", "CONV", "ADD"]


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "ArgMax"])
def test_a_closing_softmax_is_left_out_and_noted(op):
    net = Net([1, 12])
    x = net.node("Gemm", "x", net.const(weights(12, 5)))
    net.node(op, x, axis=1)
    source = net.source(np.int64 if op == "ArgMax" else np.float32)
    data = images(shape=[1, 12])
    model = import_net(source, data)
    assert op in model.manifest.notes[0]
    for x in data[:6]:
        expected = run_source(source, x).ravel()
        top = int(expected[0]) if op == "ArgMax" else int(expected.argmax())
        assert run_reals(model, x).argmax() == top


def test_a_float_model_without_calibration_is_refused():
    net = Net(IMAGE)
    conv(net, "x", 3)
    with pytest.raises(InvalidCalibration, match="--calibration"):
        import_net(net.source())


def test_calibration_of_another_shape_is_refused():
    net = Net(IMAGE)
    conv(net, "x", 3)
    with pytest.raises(InvalidCalibration, match=r"\(1, 3, 4, 4\).*\(1, 3, 8, 8\)"):
        import_net(net.source(), images(shape=[1, 3, 4, 4]))


def test_an_open_batch_becomes_one():
    net = Net(["N", 3, 8, 8])
    conv(net, "x", 3)
    model = import_net(net.source(), images())
    assert model.program.header.input_shape == (1, 8, 8, 3)


def test_the_same_source_gives_the_same_root():
    net = Net(IMAGE)
    conv(net, "x", 3)
    data = images()
    roots = {import_net(net.source(), data).program.root for _ in range(2)}
    assert len(roots) == 1
