"""What cannot be imported is refused by node, operator and reason."""

import numpy as np
import onnx
import pytest

from infernet.models.errors import InvalidSource, ModelError, UnsupportedNode
from infernet.models.source import read_model, read_onnx
from tests.unit.models.nets import Net, import_net, safe_weights

RNG = np.random.default_rng(0)


def refused(net, reason, dtype=None):
    with pytest.raises(UnsupportedNode, match=reason) as caught:
        import_net(net.source(dtype), [np.ones(net.shape, np.float32)])
    message = str(caught.value)
    assert caught.value.operator in message
    assert caught.value.node in message


def floats(*shape):
    return RNG.normal(0, 1, shape).astype(np.float32)


def test_an_unknown_operator():
    net = Net([1, 3, 4, 4])
    net.node("LRN", "x", size=3)
    refused(net, "LRN.*no exact integer counterpart")


def test_a_product_of_activations():
    net = Net([1, 3, 4, 4])
    net.node("Mul", "x", net.node("Tanh", net.node("MaxPool", "x", kernel_shape=[1, 1])))
    refused(net, "product of two activations")


def test_a_broadcast_sum():
    net = Net([1, 3, 4, 4])
    net.node("Add", "x", net.node("GlobalMaxPool", "x"))
    refused(net, "broadcasting")


def test_a_sum_of_three():
    net = Net([1, 3, 4, 4])
    net.node("Sum", "x", "x", "x")
    refused(net, "chain Add nodes")


def test_a_constant_that_varies_over_the_image():
    net = Net([1, 3, 4, 4])
    net.node("Add", "x", net.const(floats(3, 4, 4)))
    refused(net, "differs along height or width")


def test_a_padded_average_that_does_not_count_its_padding():
    net = Net([1, 3, 4, 4])
    net.node("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4)
    refused(net, "count_include_pad=0")


def test_an_average_whose_windows_reach_outside():
    net = Net([1, 3, 4, 4])
    net.node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    refused(net, "ceil_mode")


def test_a_padding_mode_that_is_not_constant():
    net = Net([1, 3, 4, 4])
    net.node("Pad", "x", net.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect")
    refused(net, "mode 'reflect'")


def test_a_softmax_in_the_middle():
    net = Net([1, 3, 4, 4])
    net.node("Relu", net.node("Softmax", "x"))
    refused(net, "must end the graph")


def test_a_transposed_activation():
    net = Net([3, 1])
    net.node("Gemm", "x", net.const(floats(3, 4)), transA=1)
    refused(net, "transA")


def test_weights_that_are_computed():
    net = Net([4, 4])
    net.node("MatMul", net.node("Tanh", "x"), "x")
    refused(net, "product of two activations")


@pytest.mark.parametrize("scale", [0.0, -0.1, np.inf, np.nan, 1e-40])
def test_a_scale_that_is_no_positive_normal_number(scale):
    net = Net([1, 3, 4, 4])
    net.node("DequantizeLinear", net.node("QuantizeLinear", "x", *net.params(scale, 0)),
             *net.params(scale, 0))  # fmt: skip
    refused(net, "not a positive normal number")


def test_a_source_scale_that_is_missing():
    net = Net([1, 3, 4, 4], np.uint8)
    x = net.node("DequantizeLinear", "x", *net.params(0.1, 3))
    net.node("Relu", net.node("Conv", x, net.const(floats(2, 3, 1, 1))))
    with pytest.raises(UnsupportedNode, match="gives its result no scale"):
        import_net(net.source(np.float32))


def test_kept_weights_that_break_the_pair_rule():
    net = Net([1, 3, 4, 4], np.uint8)
    bad = np.full((2, 3, 1, 1), 100, np.int8)
    net.node("QLinearConv", "x", *net.params(0.1, 3), net.const(bad),
             *net.params(0.1, 0, np.int8), *net.params(0.1, 3))  # fmt: skip
    with pytest.raises(UnsupportedNode, match="2 of 2 channels"):
        import_net(net.source(), keep_weights=True)
    assert import_net(net.source()).manifest.facts["kept_channels"] == 0


def test_integer_operators_without_a_scale():
    net = Net([1, 3, 4, 4], np.uint8)
    net.node("ConvInteger", "x", net.const(safe_weights(RNG, (2, 3, 1, 1))))
    net.node("Cast", net.nodes[-1].output[0], to=1)
    with pytest.raises(UnsupportedNode, match="ConvInteger"):
        import_net(net.source(np.float32))


@pytest.mark.parametrize(
    ("shape", "reason"),
    [(["N", 3, "H", 4], "dynamic shape"), ([2, 3, 4, 4], "batch 2"), (["N", "C"], "dynamic")],
)
def test_shapes_that_are_open(shape, reason):
    net = Net(shape)
    net.node("Relu", "x")
    with pytest.raises(InvalidSource, match=reason):
        net.source()


def test_an_output_beyond_what_an_assertion_holds():
    net = Net([1, 3, 120, 120])
    net.node("Relu", "x")
    with pytest.raises(InvalidSource, match="43200 bytes"):
        import_net(net.source(), [np.ones((1, 3, 120, 120), np.float32)])


def test_a_graph_with_two_inputs():
    proto = Net([1, 3])
    proto.node("Relu", "x")
    model = proto.proto()
    second = model.graph.input.add()
    second.CopyFrom(model.graph.input[0])
    second.name = "y"
    with pytest.raises(InvalidSource, match="2 inputs"):
        read_model(model, "")


def test_a_graph_that_computes_nothing():
    net = Net([1, 3])
    net.node("Identity", "x")
    refused(net, "computes nothing")


def conv_file(folder):
    net = Net([1, 3, 4, 4])
    net.node("Relu", net.node("Conv", "x", net.const(floats(2, 3, 1, 1))))
    path = folder / "net.onnx"
    onnx.save(net.proto(), path)
    return path


def test_a_file_cut_anywhere_is_refused_clearly(tmp_path):
    path = conv_file(tmp_path)
    data = path.read_bytes()
    read_onnx(path)
    refusals = 0
    for length in range(len(data)):
        path.write_bytes(data[:length])
        try:
            source = read_onnx(path)
            import_net(source, [np.ones((1, 3, 4, 4), np.float32)])
        except ModelError as error:
            refusals += 1
            assert str(error)
    # The very end of the file (its opset) may be missing without harm; all else is noticed.
    assert refusals > len(data) * 0.9


def test_a_corrupted_file_is_refused_or_imported_but_never_crashes(tmp_path):
    path = conv_file(tmp_path)
    data = path.read_bytes()
    random = np.random.default_rng(1)
    refusals = 0
    for _ in range(300):
        broken = bytearray(data)
        for place in random.integers(0, len(data), 3):
            broken[place] = random.integers(0, 256)
        path.write_bytes(bytes(broken))
        try:
            import_net(read_onnx(path), [np.ones((1, 3, 4, 4), np.float32)])
        except ModelError:
            refusals += 1
    assert refusals > 50


@pytest.mark.parametrize("content", [b"", b"no model", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_model(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidSource, match="ONNX model"):
        read_onnx(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidSource, match="give a readable file"):
        read_onnx(tmp_path / "missing.onnx")
