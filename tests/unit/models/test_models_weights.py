"""Weights become pair-safe integers; a source's own are kept where they may be."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from infernet.models.errors import UnsupportedNode
from infernet.models.graph import ConvLayer, Origin, Params, StoredWeights, TensorId
from infernet.models.weights import quantise_conv
from interpreter.operators import Window

X, Y = Params(0.1, 3), Params(0.2, 7)


def layer_of(weights, bias=None, stored=None, groups=1, flat_from=None):
    weights = np.asarray(weights, np.float32)
    count, kh, kw, channels = weights.shape
    window = Window(8, 8, channels * groups, 8, 8, kh, kw)
    bias = np.zeros(count) if bias is None else np.asarray(bias, np.float64)
    origin = Origin("Conv", "conv0")
    tensors = TensorId(0), TensorId(1)
    return ConvLayer(origin, *tensors, window, groups, weights, bias, stored, flat_from=flat_from)


def worst_pair(weights):
    """The definition, by loops over both orders."""
    worst = 0
    for kernel in weights.astype(int):
        for row in (kernel.ravel(), kernel.transpose(2, 0, 1).ravel()):
            for first, second in pairwise(row):
                worst = max(worst, abs(first + second))
    return worst


WEIGHTS = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4)),
    elements=st.floats(-4, 4, width=32, allow_subnormal=False) | st.sampled_from([0.0, 1.0, -1.0]),
)


@settings(max_examples=150, deadline=None)
@given(WEIGHTS)
def test_no_neighbours_sum_beyond_128_in_either_layout(weights):
    found = quantise_conv(layer_of(weights), X, Y)
    assert np.abs(found.weights.astype(int)).max() <= 127
    assert worst_pair(found.weights) <= 128


@settings(max_examples=100, deadline=None)
@given(WEIGHTS)
def test_every_weight_is_within_half_a_step_of_its_real_value(weights):
    found = quantise_conv(layer_of(weights), X, Y)
    scales = (found.scale.astype(np.float64) * Y.scale / X.scale).reshape(-1, 1, 1, 1)
    error = np.abs(found.weights * scales - weights)
    assert (error <= scales * 0.5001 + 1e-30).all()


def test_depthwise_weights_use_all_of_their_range():
    weights = np.full((4, 3, 3, 1), 1.0)
    found = quantise_conv(layer_of(weights, groups=4), X, Y)
    assert (found.weights == 127).all()


@pytest.mark.parametrize(("groups", "count"), [(1, 4), (2, 4)])
def test_a_layer_of_one_input_channel_that_is_not_depthwise_is_pair_safe(groups, count):
    found = quantise_conv(layer_of(np.full((count, 3, 3, 1), 1.0), groups=groups), X, Y)
    assert (found.weights == 64).all()


def test_a_flattened_layer_is_pair_safe_in_the_order_of_its_source_too():
    # Channels last, 1 and 1 are apart; channels first they are neighbours.
    real = np.array([1, 0, 0, 1, 0, 0, 0, 0], np.float32).reshape(2, 2, 2)
    assert worst_pair(real[None]) == 1
    real[0, 1, 0] = 1
    layer = layer_of(real.reshape(1, 1, 1, 8), flat_from=(2, 2, 2))
    found = quantise_conv(layer, X, Y).weights.reshape(1, 2, 2, 2)
    assert worst_pair(found) <= 128
    assert found.max() == 64


def test_integers_that_obey_are_kept_and_the_others_are_not():
    integers = np.array([[64, 64, -127, 3], [100, 100, 0, 0]], np.int32).reshape(2, 1, 1, 4)
    scales = np.array([0.01, 0.02])
    stored = StoredWeights(integers, scales)
    layer = layer_of(integers * scales.reshape(-1, 1, 1, 1), stored=stored)
    found = quantise_conv(layer, X, Y)
    assert found.kept == 1
    np.testing.assert_array_equal(found.weights[0], integers[0])
    assert worst_pair(found.weights) <= 128
    with pytest.raises(UnsupportedNode, match=r"conv0.*1 of 2 channels.*--keep-weights"):
        quantise_conv(layer, X, Y, keep_weights=True)


def test_a_bias_keeps_its_meaning_even_without_weights():
    found = quantise_conv(layer_of(np.zeros((2, 1, 1, 3)), bias=[1.5, 0.0]), X, Y)
    outputs = found.bias.astype(np.float64) * found.scale
    np.testing.assert_allclose(outputs, [7.5, 0.0], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(bad):
    with pytest.raises(UnsupportedNode, match=r"conv0.*not finite"):
        quantise_conv(layer_of(np.full((1, 1, 1, 2), bad)), X, Y)


def test_a_kernel_that_could_overflow_is_refused():
    with pytest.raises(UnsupportedNode, match="66001 products"):
        quantise_conv(layer_of(np.ones((1, 1, 1, 66_001))), X, Y)


def test_a_stored_bias_beyond_32_bits_is_refused():
    stored = StoredWeights(np.ones((1, 1, 1, 1), np.int32), np.array([1e-6]))
    layer = layer_of(np.full((1, 1, 1, 1), 1e-6), bias=[1e4], stored=stored)
    with pytest.raises(UnsupportedNode, match="beyond 32 bits"):
        quantise_conv(layer, X, Y)


@pytest.mark.parametrize(("x", "y"), [(1e-30, 1e20), (1e30, 1e-20)])
def test_a_scale_outside_normal_numbers_is_refused(x, y):
    with pytest.raises(UnsupportedNode, match="not a positive normal number"):
        quantise_conv(layer_of(np.ones((1, 1, 1, 1))), Params(x, 0), Params(y, 0))
