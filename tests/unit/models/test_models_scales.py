"""Sums get odd ratios; the residual stream keeps its scale."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.models.errors import UnsupportedNode
from infernet.models.graph import (
    AddLayer,
    ConvLayer,
    FloatGraph,
    GroupId,
    Origin,
    Params,
    Tensor,
    TensorId,
)
from infernet.models.scales import choose_scales, params_of_range
from interpreter.operators import Window

POSITIVE = st.floats(1e-4, 10, allow_subnormal=False)
ORIGIN = Origin("Add", "sum0")


def conv(x, y):
    window = Window(1, 1, 1, 1, 1)
    weights = np.ones((1, 1, 1, 1), np.float32)
    return ConvLayer(ORIGIN, TensorId(x), TensorId(y), window, 1, weights, np.zeros(1))


def chain(scales, layers):
    """A graph of one-element tensors, one group each; tensor 0 is the input."""
    tensors = tuple(Tensor((1, 1, 1), GroupId(i), "") for i in range(len(scales)))
    params = {GroupId(i): Params(scale, 10) for i, scale in enumerate(scales)}
    last = TensorId(len(scales) - 1)
    return FloatGraph(tensors, tuple(layers), params, TensorId(0), last, "flat", (1,), "flat")


def add(a, b, y):
    return AddLayer(ORIGIN, TensorId(a), TensorId(b), TensorId(y))


@settings(max_examples=300, deadline=None)
@given(POSITIVE, POSITIVE, POSITIVE)
def test_scales_become_exact_odd_ratios_near_what_was_wanted(stream, fresh, result):
    if not 1 / 200 < stream / result < 200 or not 1 / 200 < fresh / result < 200:
        return
    graph = chain([stream, fresh, result], [conv(0, 1), add(0, 1, 2)])
    scaled = choose_scales(graph, {})
    ratio = scaled.ratios[TensorId(2)]
    found = [scaled.params[TensorId(i)].scale for i in range(3)]
    assert ratio.q % 2 == 1
    assert 1 <= ratio.q <= 1023
    assert found[0] == stream
    assert found[0] / found[2] == pytest.approx(ratio.p1 / ratio.q, rel=1e-9)
    assert found[1] / found[2] == pytest.approx(ratio.p2 / ratio.q, rel=1e-9)
    # Scales only grow, so nothing that fitted is clipped, and they grow little.
    assert result * (1 - 1e-6) <= found[2] <= result * 1.02
    assert fresh * (1 - 1e-6) <= found[1] <= fresh * 1.02


def test_the_stream_keeps_its_scale_through_a_row_of_sums():
    layers = [conv(0, 1), add(1, 0, 2), conv(2, 3), add(3, 2, 4), conv(4, 5), add(4, 5, 6)]
    scaled = choose_scales(chain([0.1, 0.07, 0.13, 0.05, 0.15, 0.06, 0.17], layers), {})
    scale = [scaled.params[TensorId(i)].scale for i in range(7)]
    for layer in (layer for layer in layers if isinstance(layer, AddLayer)):
        ratio = scaled.ratios[layer.y]
        assert scale[layer.a] / scale[layer.y] == pytest.approx(ratio.p1 / ratio.q, rel=1e-9)
        assert scale[layer.b] / scale[layer.y] == pytest.approx(ratio.p2 / ratio.q, rel=1e-9)
    np.testing.assert_allclose(scale, [0.1, 0.07, 0.13, 0.05, 0.15, 0.06, 0.17], rtol=0.01)


def test_a_tensor_added_to_itself_needs_no_snapping():
    scaled = choose_scales(chain([0.1, 0.2], [add(0, 0, 1)]), {})
    ratio = scaled.ratios[TensorId(1)]
    assert ratio.p1 == ratio.p2
    assert ratio.p1 / ratio.q == pytest.approx(0.5, rel=0.001)


def test_scales_too_far_apart_are_refused_by_name():
    with pytest.raises(UnsupportedNode, match=r"sum0.*one odd q up to 1023"):
        choose_scales(chain([1e-5, 1e5, 0.1], [conv(0, 1), add(0, 1, 2)]), {})


@pytest.mark.parametrize(
    ("low", "high", "zero"), [(0, 6, 0), (-1, 3, 64), (-3, 0, 255), (2, 5, 0), (-5, -2, 255)]
)
def test_a_range_covers_zero(low, high, zero):
    params = params_of_range(low, high)
    assert params.zero == zero
    assert params.quantise(0.0) == zero
    assert (255 - zero + 0.5) * params.scale >= high * 0.999


def test_a_range_of_zeros_has_a_usable_scale():
    assert params_of_range(0.0, 0.0) == Params(1.0, 0)
