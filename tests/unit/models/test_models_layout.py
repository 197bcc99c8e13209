"""Moving elements: every rearrangement is exact, or refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.models.errors import UnsupportedNode
from infernet.models.views import strided
from tests.unit.models.nets import Net, import_net, quantised, run_bytes, run_source

DATA = np.random.default_rng(0).integers(0, 256, (1, 6, 4, 5)).astype(np.uint8)


def check(build, data=DATA, opset=13, operators=None):
    """`build(net, x)` adds nodes between two quantisations of one scale."""
    net = Net(list(data.shape), data.dtype, opset)
    x = net.node("DequantizeLinear", "x", *net.params(0.1, 40, data.dtype))
    net.node("QuantizeLinear", build(net, x), *net.params(0.1, 40, data.dtype))
    source = net.source()
    expected = run_source(source, data)
    model = import_net(source)
    layout = model.manifest.output.layout
    expected = expected.transpose(0, 2, 3, 1) if layout == "nhwc" else expected
    np.testing.assert_array_equal(run_bytes(model, data), quantised(expected))
    names = [op.opcode.name for op in model.program.operators]
    if operators is not None:
        assert [name for name in names if name not in ("BEGIN", "FREE", "END")] == operators
    return model


def pooled(net, x):
    """A layer that needs the natural layout."""
    return net.node("MaxPool", x, kernel_shape=[1, 1])


def shape(net, *sizes):
    return net.const(sizes, np.int64)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_four_loops_visit_what_they_claim(data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    order = np.arange(int(np.prod(sizes))).reshape(sizes)
    order = order.transpose(data.draw(st.permutations(range(len(sizes))))).ravel()
    loops = strided(order)
    if loops is None:
        assert len([n for n in sizes if n > 1]) > 4
        return
    (n0, n1, n2, n3), (s0, s1, s2, s3) = loops
    visited = [
        order[0] + a * s0 + b * s1 + c * s2 + d * s3
        for a in range(n0) for b in range(n1) for c in range(n2) for d in range(n3)
    ]  # fmt: skip
    np.testing.assert_array_equal(visited, order)


@pytest.mark.parametrize("permutation", [[0, 2, 3, 1], [0, 3, 2, 1], [0, 1, 3, 2], [0, 2, 1, 3]])
def test_any_transpose_is_exact(permutation):
    check(lambda net, x: pooled(net, net.node("Transpose", x, perm=permutation)))


def test_a_transpose_and_its_inverse_cost_nothing():
    def build(net, x):
        turned = net.node("Transpose", x, perm=[0, 2, 3, 1])
        return pooled(net, net.node("Transpose", turned, perm=[0, 3, 1, 2]))

    check(build, operators=["MAXPOOL"])


@pytest.mark.parametrize("groups", [2, 3])
def test_a_channel_shuffle_is_one_copy(groups):
    def build(net, x):
        split = net.node("Reshape", x, shape(net, 1, groups, 6 // groups, 4, 5))
        turned = net.node("Transpose", split, perm=[0, 2, 1, 3, 4])
        return pooled(net, net.node("Reshape", turned, shape(net, 1, 6, 4, 5)))

    check(build, operators=["COPY", "MAXPOOL"])


@pytest.mark.parametrize("sizes", [(1, 3, 8, 5), (1, 6, 20, 1), (1, 24, 1, 5), (1, 2, 3, 20)])
def test_a_reshape_of_an_image_is_exact(sizes):
    check(lambda net, x: pooled(net, net.node("Reshape", x, shape(net, *sizes))))


def test_a_squeeze_and_an_unsqueeze_cost_nothing():
    def build(net, x):
        small = pooled(net, net.node("GlobalMaxPool", x))
        flat = net.node("Squeeze", small, shape(net, 2, 3))
        return pooled(net, net.node("Unsqueeze", flat, shape(net, 2, 3)))

    check(build, operators=["MAXPOOL", "MAXPOOL", "MAXPOOL"])


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ((0, 0), (2**31 - 1, 2**31 - 1), (2, 3), (2, 2)),
        ((1,), (5,), (1,), (1,)),
        ((-3,), (-1,), (3,), (1,)),
        ((1, 0, 2), (4, 3, 5), (1, 2, 3), (2, 1, 1)),
    ],
)
def test_a_slice_is_exact(starts, ends, axes, steps):
    def build(net, x):
        cuts = [shape(net, *part) for part in (starts, ends, axes, steps)]
        return pooled(net, net.node("Slice", x, *cuts))

    check(build)


@pytest.mark.parametrize("pads", [[0, 0, 1, 2, 0, 0, 0, 1], [0, 2, 0, 0, 0, 1, 0, 0]])
@pytest.mark.parametrize("fill", [0.0, 1.7])
def test_padding_holds_its_fill(pads, fill):
    def build(net, x):
        return net.node("Pad", x, shape(net, *pads), net.const(fill, np.float32))

    check(build)


def test_padding_before_a_maximum_pool_is_not_skipped():
    # The zero point is 40, so a padded zero exceeds the negative numbers beside it.
    data = np.full((1, 6, 4, 5), 10, np.uint8)

    def build(net, x):
        padded = net.node("Pad", x, shape(net, 0, 0, 1, 1, 0, 0, 1, 1))
        return net.node("MaxPool", padded, kernel_shape=[3, 3])

    check(build, data)


def test_padding_with_minus_infinity_becomes_the_window_of_a_maximum_pool():
    def build(net, x):
        fill = net.const(-np.inf, np.float32)
        padded = net.node("Pad", x, shape(net, 0, 0, 1, 1, 0, 0, 1, 1), fill)
        return net.node("MaxPool", padded, kernel_shape=[3, 3])

    check(build, operators=["MAXPOOL"])


def test_split_parts_join_again():
    def build(net, x):
        net.node("Identity", x)
        first = net.node("Slice", x, shape(net, 0), shape(net, 2), shape(net, 1))
        last = net.node("Slice", x, shape(net, 2), shape(net, 6), shape(net, 1))
        return net.node("Concat", last, first, axis=1)

    check(build)


def test_a_shape_computed_in_the_graph_is_a_constant():
    def build(net, x):
        sizes = net.node("Shape", x)
        first = net.node("Gather", sizes, net.const([0], np.int64))
        wanted = net.node("Concat", first, net.const([-1], np.int64), axis=0)
        return net.node("Reshape", x, wanted)

    model = check(build)
    assert model.program.header.output_shape == (1, 1, 1, 120)


def test_an_output_keeps_the_order_of_its_source():
    model = check(lambda net, x: net.node("Flatten", x))
    assert model.manifest.output.layout == "flat"


def test_signed_bytes_move_up_by_128():
    data = (DATA.astype(np.int16) - 128).astype(np.int8)
    check(lambda net, x: pooled(net, net.node("Transpose", x, perm=[0, 1, 3, 2])), data)


def test_a_rearrangement_beyond_four_loops_is_refused():
    data = np.zeros((1, 32, 1, 1), np.uint8)

    def build(net, x):
        cube = net.node("Reshape", x, shape(net, 1, 2, 2, 2, 2, 2))
        turned = net.node("Transpose", cube, perm=[0, 5, 4, 3, 2, 1])
        return pooled(net, net.node("Reshape", turned, shape(net, 1, 32, 1, 1)))

    with pytest.raises(UnsupportedNode, match="more than four strides"):
        check(build, data)
