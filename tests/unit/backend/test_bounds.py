"""Range analysis declines exactly what it cannot prove, and names the reason."""

from dataclasses import replace

import numpy as np
import pytest

from infernet.backend.bounds import end_padding, reason_against, worst_pair
from interpreter.operators import Add, Conv, Instruction, MaxPool, Window
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder

U8 = DType.U8
FULL = (0, 255)


def conv_reason(
    weights: np.ndarray,
    *,
    groups: int = 1,
    scale: float | int = 2.0**-9,
    bias: int = 0,
    window: Window | None = None,
) -> str | None:
    """Return the verdict on a convolution with `weights: [out, kernel h, kernel w, depth]`."""
    out, kernel_height, kernel_width, depth = weights.shape
    window = window or Window(
        8, 8, depth * groups, 9 - kernel_height, 9 - kernel_width, kernel_height, kernel_width
    )
    builder = ProgramBuilder(TensorType(U8, 1))
    bits = np.full(out, scale, np.uint32) if isinstance(scale, int) else None
    if bits is None:
        bits = np.full(out, scale, np.float32).view(np.uint32)
    placed = builder.place(weights.astype(np.int8).tobytes())
    params = builder.place_params(np.full(out, bias), bits)
    conv = Conv(1, 0, U8, U8, window, out, groups, 0, 0, *FULL, placed, params)
    return reason_against(conv, np.frombuffer(bytes(builder.constants), np.uint8))


def full(value: int, *shape: int) -> np.ndarray:
    return np.full(shape, value)


def test_pairs_up_to_the_limit_pass_and_beyond_it_do_not() -> None:
    assert conv_reason(full(64, 2, 1, 1, 8)) is None
    weights = full(64, 2, 1, 1, 8)
    weights[1, 0, 0, 3] = 65
    assert "sum to 129" in str(conv_reason(weights))
    weights[1, 0, 0, ::2] = -127
    assert conv_reason(weights) is None


def test_pairs_are_judged_in_both_orders() -> None:
    # Neighbours along the channel, then neighbours along the kernel's columns.
    deep, wide = full(0, 1, 1, 3, 4), full(0, 1, 1, 3, 4)
    deep[0, 0, 0, :2] = 100
    wide[0, 0, :2, 1] = 100
    assert worst_pair(deep.astype(np.int8)) == worst_pair(wide.astype(np.int8)) == 200
    assert "200" in str(conv_reason(deep))
    assert "200" in str(conv_reason(wide))


def test_depthwise_weights_are_free_but_for_the_lowest() -> None:
    assert conv_reason(full(127, 4, 3, 3, 1), groups=4) is None
    assert "-128" in str(conv_reason(full(-128, 4, 3, 3, 1), groups=4))
    # Two outputs for each channel go through the general product, which has pairs.
    assert "sum to 254" in str(conv_reason(full(127, 8, 3, 3, 1), groups=4))


@pytest.mark.parametrize("bits", [0, 1, 0x007FFFFF, 0x7F800000, 0x7FC00000, 0x80000000, 0xBF800000])
def test_unusable_scales_are_declined(bits: int) -> None:
    assert "scale of channel 0" in str(conv_reason(full(1, 1, 1, 1, 4), scale=bits))


@pytest.mark.parametrize("bits", [0x00800000, 0x3F800000, 0x7F7FFFFF])
def test_every_positive_normal_scale_passes(bits: int) -> None:
    assert conv_reason(full(1, 1, 1, 1, 4), scale=bits) is None


def test_sums_that_may_leave_int32_are_declined() -> None:
    weights = full(64, 1, 1, 1, 4)
    assert "int32" in str(conv_reason(weights, bias=2**31 - 1))
    assert "int32" in str(conv_reason(weights, bias=-(2**31)))
    assert conv_reason(weights, bias=2**30) is None
    long = full(1, 1, 1, 1, 66_001)
    assert "66000" in str(conv_reason(long, window=Window(1, 1, 66_001, 1, 1)))


def test_a_window_that_leaves_rows_unused_is_declined() -> None:
    assert end_padding(Window(5, 5, 1, 2, 2, 2, 2, 2, 2)) == (0, 0)
    assert end_padding(Window(5, 5, 1, 3, 3, 3, 3, 2, 2, 1, 1)) == (1, 1)
    cut = Window(8, 8, 4, 3, 3)
    assert end_padding(cut) is None
    assert "window" in str(conv_reason(full(1, 1, 1, 1, 4), window=cut))


ADD = Add(2, U8, 64, 0, 1, U8, U8, 700, 600, 1023, 128, 128, 128, *FULL)


@pytest.mark.parametrize(
    ("change", "is_proven"),
    [
        ({}, True),
        ({"p1": 1023, "p2": 1023}, True),
        ({"p1": 1, "p2": 1, "q": 1}, True),
        ({"p1": 0}, False),
        ({"p2": 0}, False),
        ({"p1": 1 << 20}, False),
        ({"p1": 4096, "p2": 4096}, False),
    ],
)
def test_additions_pass_while_no_error_reaches_a_tie(
    change: dict[str, int], is_proven: bool
) -> None:
    reason = reason_against(replace(ADD, **change), np.zeros(256, np.uint8))
    assert (reason is None) == is_proven


@pytest.mark.parametrize("pad", [(3, 0), (0, 3)])
def test_pools_padded_by_a_whole_kernel_are_declined(pad: tuple[int, int]) -> None:
    sizes = [(8 + p - 3) + 1 for p in pad]
    pool: Instruction = MaxPool(1, 0, U8, Window(8, 8, 2, *sizes, 3, 3, 1, 1, *pad))
    assert "padding as large" in str(reason_against(pool, np.zeros(256, np.uint8)))
