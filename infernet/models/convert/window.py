"""Sliding windows: ONNX attributes to the machine's windows."""

from __future__ import annotations

from dataclasses import dataclass

from interpreter.operators import Window

from .builder import Builder


@dataclass(frozen=True, slots=True)
class Sides:
    """Padding on each side, in elements."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def is_zero(self) -> bool:
        """Say whether there is no padding at all."""
        return self == Sides()


def window_of(
    builder: Builder,
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    before: Sides,
) -> tuple[Window, Sides]:
    """Return the node's window over `(height, width, channels)` and its own padding.

    `before` is the padding of a Pad node that is folded in; it is not part of `image`.
    """
    if kernel != tuple(builder.attribute("kernel_shape", kernel)):
        builder.refuse(f"kernel_shape differs from the weights' {kernel}")
    strides = _pair(builder, "strides", 1)
    dilations = _pair(builder, "dilations", 1)
    height = image[0] + before.top + before.bottom
    width = image[1] + before.left + before.right
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = _pads(builder, (height, width), extent, strides)
    ceil = bool(builder.attribute("ceil_mode", 0))
    out_height = _out_size(height, pads.top, pads.bottom, extent[0], strides[0], ceil)
    out_width = _out_size(width, pads.left, pads.right, extent[1], strides[1], ceil)
    if out_height < 1 or out_width < 1:
        builder.refuse(f"its window does not fit into {height}x{width}")
    window = Window(
        *image,
        out_height,
        out_width,
        *kernel,
        *strides,
        pads.top + before.top,
        pads.left + before.left,
        *dilations,
    )
    return window, pads


def overhang(window: Window, below: int, beside: int) -> bool:
    """Say whether a window reaches beyond the padded tensor, as ceil_mode allows."""
    rows = (window.out_height - 1) * window.stride_height - window.pad_top
    columns = (window.out_width - 1) * window.stride_width - window.pad_left
    rows += (window.kernel_height - 1) * window.dilation_height
    columns += (window.kernel_width - 1) * window.dilation_width
    return rows >= window.height + below or columns >= window.width + beside


def _pair(builder: Builder, name: str, default: int) -> tuple[int, int]:
    found = [int(x) for x in builder.attribute(name, [default, default])]
    if len(found) != 2:
        builder.refuse(f"{name} {found} is not two-dimensional; only images are supported")
    return found[0], found[1]


def _pads(
    builder: Builder, size: tuple[int, int], extent: list[int], strides: tuple[int, int]
) -> Sides:
    auto = builder.attribute("auto_pad", "NOTSET")
    if auto == "VALID":
        return Sides()
    if auto == "NOTSET":
        pads = [int(x) for x in builder.attribute("pads", [0, 0, 0, 0])]
        if len(pads) != 4 or min(pads) < 0:
            builder.refuse(f"pads {pads} are not four non-negative numbers")
        return Sides(*pads)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        builder.refuse(f"auto_pad {auto} is unknown")
    total = [
        max(0, (-(-n // s) - 1) * s + e - n) for n, e, s in zip(size, extent, strides, strict=True)
    ]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    if auto == "SAME_UPPER":
        return Sides(*small, *large)
    return Sides(*large, *small)


def _out_size(size: int, before: int, after: int, extent: int, stride: int, ceil: bool) -> int:
    span = size + before + after - extent
    if span < 0:
        return 0
    count = (-(-span // stride) if ceil else span // stride) + 1
    # A window that would begin in the padding behind the tensor is left out.
    return count - 1 if ceil and (count - 1) * stride >= size + before else count
