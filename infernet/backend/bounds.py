"""Range analysis: where the fast path is proven to give the reference's bits.

ONNX Runtime's kernels differ by processor. Each rule here is a condition on the actual constants
under which all of them compute the same, exact result; a violation names the operator and why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpreter.operators import (
    Add,
    Begin,
    Clip,
    Conv,
    Copy,
    End,
    Free,
    Instruction,
    MaxPool,
    Table,
    Window,
    decode,
)
from interpreter.operators.conv import PARAMETER_BYTES
from interpreter.program import Program

INT32_LIMIT = (1 << 31) - 1
MAX_KERNEL = 66_000
MAX_WEIGHT = 127
MAX_PAIR = 128
ULP = 2.0**-24
FIXED_POINT_BITS = 21
# A graph is one protocol buffer, which ends at 2 GiB; the rest is for its nodes.
MOST_CONSTANT_BYTES = 1900 << 20

Weights = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Violation:
    """An operator for which no proof exists, and the reason."""

    operator: int
    opcode: str
    reason: str

    def __str__(self) -> str:
        return f"operator {self.operator} ({self.opcode}): {self.reason}"


def analyse(program: Program) -> tuple[Violation, ...]:
    """Return every operator that the fast path must not run, in order."""
    found = []
    for index, operator in enumerate(program.operators):
        reason = reason_against(decode(operator), program.constants)
        if reason:
            found.append(Violation(index, operator.opcode.name, reason))
    found += _weights_violation(program)
    if (most := program.header.max_iterations) > 1:
        last = len(program.operators) - 1
        found.append(Violation(last, "END", f"the fast path runs 1 iteration, not up to {most}"))
    return tuple(found)


def _weights_violation(program: Program) -> list[Violation]:
    """Return the operator whose weights are too many, if one is.

    The graph holds them once for each place and shape, so places that overlap count in full.
    """
    seen: set[tuple[int, ...]] = set()
    total = 0
    for index, operator in enumerate(program.operators):
        if not isinstance(conv := decode(operator), Conv):
            continue
        w, size = conv.window, conv.out_channels * conv.kernel_size
        place = conv.weights, conv.out_channels, conv.row_channels, w.kernel_height, w.kernel_width
        if place not in seen:
            seen.add(place)
            total += size
            if total > MOST_CONSTANT_BYTES:
                reason = f"with these the graph's weights take {total} bytes, which are too many"
                return [Violation(index, "CONV", reason)]
    return []


def reason_against(instruction: Instruction, constants: npt.NDArray[np.uint8]) -> str | None:
    """Return why an operator may not run on the fast path, or None."""
    match instruction:
        case Conv():
            return _conv_reason(instruction, constants)
        case Add():
            return _add_reason(instruction)
        case MaxPool(window=window):
            return _pool_reason(window)
        case Begin() | Free() | End() | Copy() | Clip() | Table():
            return None
        case _:
            return "the fast path does not know this operator"


def weights_of(conv: Conv, constants: npt.NDArray[np.uint8]) -> Weights:
    """Return the weights `i8[out_channels, kernel_height, kernel_width, channels / groups]`."""
    w = conv.window
    region = constants[conv.weights : conv.weights + conv.out_channels * conv.kernel_size]
    shape = (conv.out_channels, w.kernel_height, w.kernel_width, conv.row_channels)
    return region.view(np.int8).reshape(shape)


def params_of(
    conv: Conv, constants: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
    """Return `(bias i32[out_channels], scale bits u32[out_channels])`."""
    end = conv.params + PARAMETER_BYTES * conv.out_channels
    pairs = constants[conv.params : end].view("<u4").reshape(-1, 2)
    return pairs[:, 0].view(np.int32), pairs[:, 1]


def end_padding(window: Window) -> tuple[int, int] | None:
    """Return the padding `(bottom, right)` that gives the output's size, or None."""
    bottom = _end_padding(
        window.height,
        window.out_height,
        window.kernel_height,
        window.stride_height,
        window.pad_top,
        window.dilation_height,
    )
    right = _end_padding(
        window.width,
        window.out_width,
        window.kernel_width,
        window.stride_width,
        window.pad_left,
        window.dilation_width,
    )
    return None if bottom is None or right is None else (bottom, right)


def _end_padding(
    size: int, out: int, kernel: int, stride: int, pad: int, dilation: int
) -> int | None:
    span = (kernel - 1) * dilation + 1
    end = max(0, (out - 1) * stride + span - size - pad)
    return end if (size + pad + end - span) // stride + 1 == out else None


def _conv_reason(conv: Conv, constants: npt.NDArray[np.uint8]) -> str | None:
    if end_padding(conv.window) is None:
        return "the window ends before the tensor does, which no padding expresses"
    if conv.kernel_size > MAX_KERNEL:
        return f"{conv.kernel_size} weights per channel exceed {MAX_KERNEL}: int32 may overflow"
    weights = weights_of(conv, constants)
    if weights.min() < -MAX_WEIGHT:
        return "weight -128 is wrong on some processors; weights lie in [-127, 127]"
    is_depthwise = conv.row_channels == 1 and conv.out_channels == conv.groups
    if not is_depthwise and (worst := worst_pair(weights)) > MAX_PAIR:
        return f"two adjacent weights sum to {worst}; beyond {MAX_PAIR} some processors saturate"
    bias, scale_bits = params_of(conv, constants)
    unusable = np.flatnonzero((scale_bits < 1 << 23) | (scale_bits >= 255 << 23))
    if len(unusable):
        return f"the scale of channel {unusable[0]} is not a positive normal number"
    largest = _largest_sum(conv, weights, bias)
    if largest > INT32_LIMIT:
        return f"a sum of magnitude {largest} does not fit int32"
    return None


def worst_pair(weights: Weights) -> int:
    """Return the largest `|w + next w|` in both orders in which executors walk a kernel."""
    worst = 0
    for order in ((0, 1, 2, 3), (0, 3, 1, 2)):
        flat = weights.transpose(order).reshape(len(weights), -1).astype(np.int16)
        if flat.shape[1] > 1:
            worst = max(worst, int(np.abs(flat[:, 1:] + flat[:, :-1]).max()))
    return worst


def _largest_sum(conv: Conv, weights: Weights, bias: npt.NDArray[np.int32]) -> int:
    flat = weights.reshape(len(weights), -1)
    positive = np.maximum(flat, 0).sum(axis=1, dtype=np.int64)
    negative = np.minimum(flat, 0).sum(axis=1, dtype=np.int64)
    up, down = conv.a_dtype.maximum - conv.a_zero, conv.a_dtype.minimum - conv.a_zero
    # Kernels also carry the zero point's share by itself, so its magnitude counts in full.
    offset = np.abs(positive + negative) * 255
    high = positive * up + negative * down + np.abs(bias.astype(np.int64)) + offset
    low = positive * down + negative * up - np.abs(bias.astype(np.int64)) - offset
    return int(max(high.max(), -low.min()))


def _add_reason(add: Add) -> str | None:
    if add.p1 == 0 or add.p2 == 0:
        return "a factor of 0 has no scale"
    error = max(_float_error(add), _fixed_point_error(add))
    if error >= 0.5 / add.q:
        return f"rounding errors of up to {error:.2g} may cross a tie at 1/{2 * add.q}"
    return None


def _float_error(add: Add) -> float:
    """Bound the error of the float kernels, with or without fused multiplication.

    They compute `r1·a + (r2·b + (zc − (r1·za + r2·zb)))` in some order; each product and sum is
    off by at most its magnitude times 2**-24. Tensors are u8 here, zero points in [0, 255].
    """
    r1, r2 = add.p1 / add.q, add.p2 / add.q
    ratios = (r1 + r2) * 255
    zeros = (r1 + r2) * 255
    fixed = 2 * zeros + (zeros + 255)
    sums = (zeros + 255 + max(r1, r2) * 255) + 512
    return ULP * (ratios + fixed + ratios + sums)


def _fixed_point_error(add: Add) -> float:
    """Bound the error of the 22-bit fixed-point kernels: both factors are rounded once."""
    exponent = int(np.frexp(max(add.p1, add.p2) / add.q)[1]) - 1
    return 2 * 255 * 0.5 * 2.0 ** (exponent - FIXED_POINT_BITS)


def _pool_reason(window: Window) -> str | None:
    padding = end_padding(window)
    if padding is None:
        return "the window ends before the tensor does, which no padding expresses"
    if max(window.pad_top, padding[0]) >= window.kernel_height:
        return "vertical padding as large as the kernel"
    if max(window.pad_left, padding[1]) >= window.kernel_width:
        return "horizontal padding as large as the kernel"
    return None
