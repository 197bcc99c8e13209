"""Maximum and average pools, windowed and global."""

from __future__ import annotations

from interpreter.operators import Window

from ..graph import ConvLayer, PoolLayer
from ..views import Value
from .builder import Builder
from .convolution import Handler, unpadded
from .window import Sides, overhang, window_of


def max_pool(builder: Builder) -> None:
    """Convert MaxPool; taps outside are skipped, as in the machine."""
    if len(builder.node.outputs) > 1 and builder.node.outputs[1]:
        builder.refuse("the Indices output is not supported")
    value = builder.natural(builder.value())
    found = builder.padded.get(value.tensor)
    before = Sides()
    if found is not None and (found[2] == -float("inf") or _is_non_negative(builder, found)):
        value, before = found[0], Sides(*found[1])
    window, _ = window_of(builder, _image(builder, value), _kernel(builder), before)
    builder.set_output(_emit(builder, value, window, is_average=False))


def average_pool(builder: Builder) -> None:
    """Convert AveragePool; padding must count, because the divisor is one number."""
    value, before = unpadded(builder, builder.natural(builder.value()))
    window, pads = window_of(builder, _image(builder, value), _kernel(builder), before)
    if not pads.is_zero() and not builder.attribute("count_include_pad", 0):
        builder.refuse(
            "padding with count_include_pad=0 divides by a different number at the border; "
            "export it with count_include_pad=1 or without padding"
        )
    if overhang(window, pads.bottom + before.bottom, pads.right + before.right):
        builder.refuse("ceil_mode lets a window reach outside; use ceil_mode=0")
    builder.set_output(_emit(builder, value, window, is_average=True))


def global_average_pool(builder: Builder) -> None:
    """Convert GlobalAveragePool."""
    builder.set_output(emit_global(builder, builder.value(), is_average=True))


def global_max_pool(builder: Builder) -> None:
    """Convert GlobalMaxPool."""
    builder.set_output(emit_global(builder, builder.value(), is_average=False))


def reduce_mean(builder: Builder) -> None:
    """Convert ReduceMean over height and width."""
    value = builder.value()
    axes = builder.integers(1, "axes")
    if len(value.shape) != 4 or axes is None or sorted(a % 4 for a in axes) != [2, 3]:
        builder.refuse(f"only a mean over height and width is supported, not over axes {axes}")
    result = emit_global(builder, value, is_average=True)
    if not builder.attribute("keepdims", 1):
        result = Value(result.tensor, result.shape[:2])
    builder.set_output(result)


def emit_global(builder: Builder, value: Value, *, is_average: bool) -> Value:
    """Emit a pool whose window is the whole image."""
    value = builder.natural(value)
    height, width, channels = _image(builder, value)
    window = Window(height, width, channels, 1, 1, height, width)
    return _emit(builder, value, window, is_average=is_average)


def _emit(builder: Builder, value: Value, window: Window, *, is_average: bool) -> Value:
    shape = (window.out_height, window.out_width, window.channels)
    like = None if is_average else value.tensor
    y = builder.add_tensor(shape, builder.node.outputs[0], like=like)
    builder.emit(PoolLayer(builder.origin, value.tensor, y, window, is_average))
    return Value(y, (1, window.channels, window.out_height, window.out_width))


def _image(builder: Builder, value: Value) -> tuple[int, int, int]:
    if len(value.shape) != 4:
        builder.refuse(f"its input {value.shape} is not an image")
    return value.shape[2], value.shape[3], value.shape[1]


def _kernel(builder: Builder) -> tuple[int, int]:
    kernel = [int(x) for x in builder.attribute("kernel_shape", [])]
    if len(kernel) != 2:
        builder.refuse(f"kernel_shape {kernel} is not two-dimensional")
    return kernel[0], kernel[1]


def _is_non_negative(builder: Builder, padded: tuple[Value, tuple[int, ...], float]) -> bool:
    """Say whether padding with zeros cannot change a maximum that sees one real element."""
    value, _, fill = padded
    params = builder.params_of(value.tensor)
    layer = builder.producer(value.tensor)
    clamped = isinstance(layer, ConvLayer) and layer.clamp.low >= 0
    return fill == 0.0 and (clamped or (params is not None and params.zero == 0))


POOLS: dict[str, Handler] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "ReduceMean": reduce_mean,
}
