"""Tensor trees, hashed by the compiled kernel where there is one, else by hashlib."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interpreter.merkle import (
    STRIDE_BYTES,
    AnyTree,
    Tree,
    coarse_tree,
    part_roots,
    tree_of_bytes,
    zero_root,
)

MAX_DEPTH = 40
# The tree over more constants than this would take a quarter of their room.
COARSE_BYTES = 1 << 26
_PADDING = b"".join(zero_root(height) for height in range(MAX_DEPTH))


def _load() -> tuple[Any, str]:
    try:
        module = import_module("infernet.backend.native._sha256")
    except ImportError as error:
        return None, f"hashlib (slower; no compiled kernel: {error})"
    return module, f"compiled, {module.use_lanes(16)}"


_NATIVE, _STATUS = _load()


def hashing_status() -> str:
    """Return what hashes the trees, and why when it is not the compiled kernel."""
    return _STATUS


def is_native() -> bool:
    """Say whether the compiled kernel is in use."""
    return _NATIVE is not None


def hash_bytes(data: npt.NDArray[np.uint8]) -> Tree:
    """Return `tree_of_bytes(data)`, faster. `data: u8[n]`, contiguous, n > 0."""
    if _NATIVE is None:
        return tree_of_bytes(data)
    return Tree(_NATIVE.levels(data, _PADDING), zero_root)


def hash_constants(data: npt.NDArray[np.uint8]) -> AnyTree:
    """Return the tree over constants, a coarse one where they are large.

    A file that they are mapped from is read, so that its pages do not count as this process's.
    """
    if len(data) <= COARSE_BYTES:
        return hash_bytes(data)
    if not isinstance(data.base, np.memmap) or data.base.filename is None:
        return coarse_tree(data, hash_bytes)
    roots = b"".join(part_roots(s, hash_bytes) for s in _strides(Path(data.base.filename)))
    return coarse_tree(data, hash_bytes, roots)


def _strides(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    with path.open("rb") as file:
        while len(stride := np.fromfile(file, np.uint8, STRIDE_BYTES)):
            yield stride
