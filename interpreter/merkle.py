"""SHA-256 Merkle trees over 256-byte leaves, descriptors and slots (spec: program.md, "Trees")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import NewType

import numpy as np
import numpy.typing as npt

from .errors import InvalidProgram
from .tensors import LEAF_BYTES, depth_of

Hash = NewType("Hash", bytes)
HASH_BYTES = 32
EMPTY = Hash(bytes(HASH_BYTES))

# A coarse tree keeps no hash below this height: one of 32 bytes for each 64 KiB.
COARSE_HEIGHT = 8
PART_BYTES = LEAF_BYTES << COARSE_HEIGHT
# What is hashed at a time.
STRIDE_BYTES = 256 * PART_BYTES


def digest(data: bytes | memoryview) -> Hash:
    """Return the SHA-256 of `data`."""
    return Hash(sha256(data).digest())


@cache
def zero_root(depth: int) -> Hash:
    """Return `Z(depth)`: the root of a tensor tree whose bytes are all zero."""
    if depth == 0:
        return digest(bytes(LEAF_BYTES))
    return digest(zero_root(depth - 1) * 2)


@cache
def empty_root(depth: int) -> Hash:
    """Return `E(depth)`: the root of a tree whose entries are all empty."""
    return EMPTY if depth == 0 else digest(empty_root(depth - 1) * 2)


def fold(node: bytes, index: int, path: Sequence[bytes]) -> Hash:
    """Return the root that `node` at `index` has under the siblings `path`, leaf upwards."""
    for sibling in path:
        node = digest(sibling + node if index & 1 else node + sibling)
        index >>= 1
    return Hash(node)


@dataclass(frozen=True, slots=True)
class Tree:
    """A Merkle tree that keeps its levels, leaves first; missing right parts are padding.

    `levels[i]` holds the concatenated hashes at height i; `padding(i)` is the root of an all
    padding subtree of height i.
    """

    levels: tuple[bytes, ...]
    padding: Callable[[int], Hash]

    @property
    def root(self) -> Hash:
        """Return the root hash."""
        return Hash(self.levels[-1][:HASH_BYTES])

    @property
    def depth(self) -> int:
        """Return the number of levels above the leaves."""
        return len(self.levels) - 1

    def node(self, height: int, index: int) -> Hash:
        """Return the hash at `height` and `index`, padding included."""
        found = self.levels[height][HASH_BYTES * index : HASH_BYTES * (index + 1)]
        return Hash(found) if found else self.padding(height)

    def path(self, index: int) -> list[Hash]:
        """Return the siblings of leaf `index`, leaf upwards."""
        return [self.node(height, (index >> height) ^ 1) for height in range(self.depth)]


def tree_of_hashes(leaf_hashes: bytes, padding: Callable[[int], Hash]) -> Tree:
    """Build the tree over concatenated leaf hashes, padded on the right."""
    levels = [leaf_hashes]
    for height in range(depth_of(len(leaf_hashes) // HASH_BYTES)):
        below = levels[-1]
        if len(below) % (2 * HASH_BYTES):
            below += padding(height)
        view = memoryview(below)
        levels.append(b"".join(sha256(view[i : i + 64]).digest() for i in range(0, len(below), 64)))
    return Tree(tuple(levels), padding)


def leaf_at(data: npt.NDArray[np.uint8], index: int) -> bytes:
    """Return the zero-padded leaf `index` of a byte string."""
    return data[LEAF_BYTES * index : LEAF_BYTES * (index + 1)].tobytes().ljust(LEAF_BYTES, b"\0")


def tree_of_bytes(data: npt.NDArray[np.uint8]) -> Tree:
    """Build the tensor tree over `data: u8[n]`, n > 0."""
    count = -(-len(data) // LEAF_BYTES)
    hashes = b"".join(sha256(leaf_at(data, i)).digest() for i in range(count))
    return tree_of_hashes(hashes, zero_root)


HashBytes = Callable[[npt.NDArray[np.uint8]], Tree]
"""Builds a tensor tree: `tree_of_bytes`, or a faster equal of it."""


@dataclass(frozen=True, slots=True)
class CoarseTree:
    """The tensor tree of a long byte string; hashes below `COARSE_HEIGHT` are made when asked for.

    `data: u8[n]`. `top`: the tree over the roots of its parts of `PART_BYTES`.
    """

    data: npt.NDArray[np.uint8]
    top: Tree
    hash_bytes: HashBytes

    @property
    def root(self) -> Hash:
        """Return the root hash."""
        return self.top.root

    @property
    def depth(self) -> int:
        """Return the number of levels above the leaves."""
        return self.top.depth + COARSE_HEIGHT

    def path(self, index: int) -> list[Hash]:
        """Return the siblings of leaf `index`, leaf upwards.

        Raises InvalidProgram if the bytes around it are not those that the tree was made of.
        """
        part, inside = divmod(index, 1 << COARSE_HEIGHT)
        start = part * PART_BYTES
        tree = self.hash_bytes(_whole_parts(self.data[start : start + PART_BYTES]))
        if tree.root != self.top.node(0, part):
            raise InvalidProgram(
                f"bytes {start} to {start + PART_BYTES} of the constants have changed on disk"
            )
        return tree.path(inside) + self.top.path(part)


AnyTree = Tree | CoarseTree


def coarse_tree(
    data: npt.NDArray[np.uint8], hash_bytes: HashBytes = tree_of_bytes, roots: bytes = b""
) -> CoarseTree:
    """Return the coarse tree over `data: u8[n]`, n above `PART_BYTES`.

    `roots`: of its parts, one after another, where they are known; nothing is read then.
    """
    if not roots:
        starts = range(0, len(data), STRIDE_BYTES)
        strides = (data[start : start + STRIDE_BYTES] for start in starts)
        roots = b"".join(part_roots(stride, hash_bytes) for stride in strides)
    return CoarseTree(data, tree_of_hashes(roots, _padding_of_parts), hash_bytes)


def part_roots(data: npt.NDArray[np.uint8], hash_bytes: HashBytes = tree_of_bytes) -> bytes:
    """Return the roots of the parts of `data`, one after another; zeros fill the last part."""
    return hash_bytes(_whole_parts(data)).levels[COARSE_HEIGHT]


def _whole_parts(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return bytes with zeros up to the end of their last part."""
    missing = -len(data) % PART_BYTES
    return np.pad(data, (0, missing)) if missing else data


def _padding_of_parts(height: int) -> Hash:
    return zero_root(height + COARSE_HEIGHT)
