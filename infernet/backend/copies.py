"""COPYs as graph nodes: a concatenation or a transpose where the elements lie so, else a gather.

What is recognised is compared with the true index of every element, so it can only be right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from interpreter.operators import Copy
from interpreter.tensors import TensorType

from .nodes import Nodes, Value

Index = npt.NDArray[np.int64]


@dataclass(slots=True)
class Filling:
    """A destination that COPYs are still filling; it becomes one node when it is read."""

    kind: TensorType
    base: Value | None
    copies: list[tuple[int, Copy, Value]] = field(default_factory=list)


def place(nodes: Nodes, name: str, copy: Copy, parts: list[Value], index: Index) -> Value:
    """Add the node that makes element `i` the element `index[i]` of the joined parts.

    `copy`: the last COPY of the destination, which hints at a transpose.
    """
    return (
        _concat(nodes, name, parts, index)
        or _transpose(nodes, name, copy, parts, index)
        or _gather(nodes, name, parts, index)
    )


def _concat(nodes: Nodes, name: str, parts: list[Value], index: Index) -> Value | None:
    """Return a concatenation along the last axis, if that is what the index says."""
    sizes = [int(np.prod(part.shape)) for part in parts]
    if len(parts) < 2 or sum(sizes) != len(index):
        return None
    # The first source's channels are the elements before the first jump.
    jumps = np.flatnonzero(np.diff(index) != 1)
    width = int(jumps[0]) + 1 if len(jumps) else sizes[0]
    if sizes[0] % width:
        return None
    rows = sizes[0] // width
    if any(size % rows for size in sizes):
        return None
    ends = np.cumsum(sizes)
    blocks = [
        np.arange(end - size, end).reshape(rows, -1) for size, end in zip(sizes, ends, strict=True)
    ]
    if not np.array_equal(np.concatenate(blocks, axis=1).ravel(), index):
        return None
    names = [
        nodes.shaped(part, (rows, size // rows)).name
        for part, size in zip(parts, sizes, strict=True)
    ]
    nodes.node("Concat", names, name, axis=1)
    return Value(name, (rows, len(index) // rows), parts[0].dtype)


def _transpose(
    nodes: Nodes, name: str, copy: Copy, parts: list[Value], index: Index
) -> Value | None:
    """Return a transpose, if the index is one of two or three axes."""
    if len(parts) != 1 or int(np.prod(parts[0].shape)) != len(index) or len(index) < 2:
        return None
    axes = [i for i in range(4) if copy.sizes[i] > 1]
    order = sorted(axes, key=lambda i: -copy.a_strides[i])
    shape = tuple(copy.sizes[i] for i in order)
    if int(np.prod(shape)) != len(index):
        return None
    permutation = [order.index(i) for i in axes]
    expected = np.arange(len(index)).reshape(shape).transpose(permutation)
    if not np.array_equal(expected.ravel(), index):
        return None
    nodes.node("Transpose", [nodes.shaped(parts[0], shape).name], name, perm=permutation)
    return Value(name, expected.shape, parts[0].dtype)


def _gather(nodes: Nodes, name: str, parts: list[Value], index: Index) -> Value:
    flat = [nodes.shaped(part, (int(np.prod(part.shape)),)).name for part in parts]
    source = flat[0]
    if len(flat) > 1:
        source = f"{name}_parts"
        nodes.node("Concat", flat, source, axis=0)
    places = nodes.constant(f"{name}_index", index)
    nodes.node("Gather", [source, places], name)
    return Value(name, (len(index),), parts[0].dtype)
