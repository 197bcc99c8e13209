"""Operators that only move elements, or do nothing."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ..graph import AssembleLayer, Params, Part
from ..views import Value, natural_shape, rearranged, reshaped
from .builder import Builder
from .convolution import Handler

_NO_OPERATION = {"Identity", "Dropout"}


def identity(builder: Builder) -> None:
    """Convert an operator that does nothing in inference."""
    builder.set_output(builder.value())


def cast(builder: Builder) -> None:
    """Convert Cast: integers of the input become the reals that they are."""
    value, dtype = builder.value(), builder.source.input_dtype
    if value.tensor == builder.input and dtype != np.float32:
        value = builder.annotate(value, Params(1.0, 128 if dtype == np.int8 else 0))
    builder.set_output(value)


def transpose(builder: Builder) -> None:
    """Convert Transpose."""
    value = builder.value()
    permutation = builder.attribute("perm", list(range(len(value.shape)))[::-1])
    builder.set_output(rearranged(value, value.indices().transpose(permutation)))


def reshape(builder: Builder) -> None:
    """Convert Reshape to a constant shape."""
    value = builder.value()
    wanted = builder.integers(1, "shape") or []
    if not builder.attribute("allowzero", 0):
        wanted = [value.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    if wanted.count(-1) > 1:
        builder.refuse(f"shape {wanted} has more than one open size")
    known = prod(size for size in wanted if size != -1)
    total = prod(value.shape)
    shape = tuple(total // max(known, 1) if size == -1 else size for size in wanted)
    if prod(shape) != total:
        builder.refuse(f"{value.shape} does not fit shape {wanted}; is the batch fixed at 1?")
    builder.set_output(reshaped(value, shape))


def flatten(builder: Builder) -> None:
    """Convert Flatten."""
    value = builder.value()
    axis = int(builder.attribute("axis", 1)) % (len(value.shape) + 1)
    shape = (prod(value.shape[:axis]), prod(value.shape[axis:]))
    builder.set_output(reshaped(value, shape))


def squeeze(builder: Builder) -> None:
    """Convert Squeeze."""
    value = builder.value()
    axes = builder.integers(1, "axes")
    rank = len(value.shape)
    dropped = {a % rank for a in axes} if axes else {i for i, n in enumerate(value.shape) if n == 1}
    shape = tuple(n for i, n in enumerate(value.shape) if i not in dropped)
    builder.set_output(reshaped(value, shape))


def unsqueeze(builder: Builder) -> None:
    """Convert Unsqueeze."""
    value = builder.value()
    axes = builder.integers(1, "axes") or []
    rank = len(value.shape) + len(axes)
    sizes = iter(value.shape)
    added = {axis % rank for axis in axes}
    builder.set_output(
        reshaped(value, tuple(1 if i in added else next(sizes) for i in range(rank)))
    )


def shape_of(builder: Builder) -> None:
    """Convert Shape: the sizes are known, so they are a constant."""
    shape = builder.value().shape
    start, end = builder.attribute("start", 0), builder.attribute("end", len(shape))
    builder.constants[builder.node.outputs[0]] = np.array(shape[start:end], np.int64)


def slice_(builder: Builder) -> None:
    """Convert Slice with constant bounds."""
    value = builder.value()
    starts, ends = builder.integers(1, "starts") or [], builder.integers(2, "ends") or []
    axes = builder.integers(3, "axes") or list(range(len(starts)))
    steps = builder.integers(4, "steps") or [1] * len(starts)
    index = value.indices()
    cuts = [slice(None)] * index.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # An end far below zero means "past the first element" of a backward slice.
        is_past = step < 0 and end < -index.shape[axis]
        cuts[axis] = slice(start, None if is_past else end, step)
    cut = index[tuple(cuts)]
    if cut.size == 0:
        builder.refuse("the slice is empty")
    builder.set_output(rearranged(value, cut))


def split(builder: Builder) -> None:
    """Convert Split with constant sizes."""
    value = builder.value()
    axis = int(builder.attribute("axis", 0))
    count = len(builder.node.outputs)
    sizes = builder.integers(1, "split")
    total = value.shape[axis]
    if sizes is None:
        each = -(-total // count)
        sizes = [min(each, total - each * i) for i in range(count)]
    bounds = np.cumsum(sizes)[:-1]
    for i, part in enumerate(np.split(value.indices(), bounds, axis)):
        builder.set_output(rearranged(value, part), i)


def gather(builder: Builder) -> None:
    """Convert Gather with constant indices."""
    value = builder.value()
    index = np.take(value.indices(), builder.constant(1), int(builder.attribute("axis", 0)))
    builder.set_output(rearranged(value, index))


def concat(builder: Builder) -> None:
    """Convert Concat."""
    values = [builder.value(i) for i in range(len(builder.node.inputs))]
    builder.set_output(emit_concat(builder, values, int(builder.attribute("axis", 1))))


def emit_concat(builder: Builder, values: list[Value], axis: int) -> Value:
    """Emit one copy for each source of a concatenation."""
    if len(values) == 1:
        return values[0]
    rank = len(values[0].shape)
    axis %= rank
    values = [builder.natural(value) for value in values]
    sizes = [value.shape[axis] for value in values]
    shape = tuple(sum(sizes) if i == axis else n for i, n in enumerate(values[0].shape))
    for value in values:
        if (*value.shape[:axis], *value.shape[axis + 1 :]) != (*shape[:axis], *shape[axis + 1 :]):
            builder.refuse(f"shapes {[v.shape for v in values]} do not join along axis {axis}")
    # In the natural layout the axes of an image lie in the order n, h, w, c.
    order = (0, 2, 3, 1) if rank == 4 else tuple(range(rank))
    physical = [shape[i] for i in order]
    place = order.index(axis)
    outer, inner = prod(physical[:place]), prod(physical[place + 1 :])
    y = builder.add_tensor(natural_shape(shape), builder.node.outputs[0])
    stride = physical[place] * inner
    parts, offset = [], 0
    for value, size in zip(values, sizes, strict=True):
        run = size * inner
        loops = (1, 1, outer, run)
        moved = Part(value.tensor, loops, 0, (0, 0, run, 1), offset, (0, 0, stride, 1))
        parts.append(moved)
        offset += run
    builder.emit(AssembleLayer(builder.origin, y, tuple(parts)))
    return Value(y, shape)


def pad(builder: Builder) -> None:
    """Convert Pad with a constant; a window that follows takes height and width over."""
    value = builder.natural(builder.value())
    mode = builder.attribute("mode", "constant")
    if mode != "constant":
        builder.refuse(f"mode '{mode}' is not supported; only 'constant' is")
    pads = builder.integers(1, "pads") or []
    rank = len(value.shape)
    if builder.node.has_input(3):
        axes = [int(a) % rank for a in builder.constant(3)]
        full = [0] * (2 * rank)
        for i, axis in enumerate(axes):
            full[axis], full[rank + axis] = pads[i], pads[len(axes) + i]
        pads = full
    has_fill = builder.node.has_input(2)
    fill = float(builder.constant(2).ravel()[0] if has_fill else builder.attribute("value", 0.0))
    if rank != 4 or len(pads) != 8 or min(pads) < 0 or pads[0] or pads[4]:
        builder.refuse(f"pads {pads} on {value.shape}: only images can grow, and not their batch")
    if not any(pads):
        builder.set_output(value)
        return
    padded = _emit_pad(builder, value, pads, fill)
    if not pads[1] and not pads[5]:
        builder.padded[padded.tensor] = (value, (pads[2], pads[3], pads[6], pads[7]), fill)
    builder.set_output(padded)


def _emit_pad(builder: Builder, value: Value, pads: list[int], fill: float) -> Value:
    shape = tuple(n + pads[i] + pads[4 + i] for i, n in enumerate(value.shape))
    height, width, channels = value.shape[2], value.shape[3], value.shape[1]
    row = shape[3] * shape[1]
    y = builder.add_tensor(natural_shape(shape), builder.node.outputs[0], like=value.tensor)
    part = Part(
        value.tensor,
        (1, height, width, channels),
        0,
        (0, width * channels, channels, 1),
        pads[2] * row + pads[3] * shape[1] + pads[1],
        (0, row, shape[1], 1),
    )
    builder.emit(AssembleLayer(builder.origin, y, (part,), fill, is_covered=False))
    return replace(value, tensor=y, shape=shape)


def end(builder: Builder) -> None:
    """Drop a Softmax or ArgMax at the graph's end: neither moves the largest value."""
    name = builder.node.op
    builder.notes.append(
        f"{name} '{builder.node.name}' at the end is left out: the largest output stays the largest"
    )
    builder.after_end.update(builder.node.outputs)
    builder.set_output(builder.value())


LAYOUTS: dict[str, Handler] = {
    **dict.fromkeys(_NO_OPERATION, identity),
    "Cast": cast,
    "Transpose": transpose,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Shape": shape_of,
    "Slice": slice_,
    "Split": split,
    "Gather": gather,
    "Concat": concat,
    "Pad": pad,
    **dict.fromkeys(("Softmax", "LogSoftmax", "ArgMax"), end),
}
