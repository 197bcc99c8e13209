"""Trees, paths and padding (docs/spec/program.md, "Trees")."""

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreter.errors import InvalidProgram
from interpreter.merkle import (
    COARSE_HEIGHT,
    EMPTY,
    HASH_BYTES,
    PART_BYTES,
    coarse_tree,
    digest,
    empty_root,
    fold,
    leaf_at,
    tree_of_bytes,
    tree_of_hashes,
    zero_root,
)
from interpreter.tensors import DType, TensorType, depth_of


def naive_root(data: bytes) -> bytes:
    leaves = [data[i : i + 256].ljust(256, b"\0") for i in range(0, len(data), 256)]
    width = 1
    while width < len(leaves):
        width *= 2
    leaves += [bytes(256)] * (width - len(leaves))
    level = [sha256(leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = [sha256(level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    return level[0]


@given(st.integers(1, 5000), st.integers(0, 2**32 - 1))
def test_tree_equals_the_definition_with_explicit_padding(size: int, seed: int) -> None:
    data = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    assert tree_of_bytes(data).root == naive_root(data.tobytes())


@given(st.integers(1, 3000), st.integers(0, 2**32 - 1))
def test_every_leaf_folds_to_the_root_and_to_no_other_place(size: int, seed: int) -> None:
    data = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    tree = tree_of_bytes(data)
    count = -(-size // 256)
    for index in range(count):
        leaf = digest(leaf_at(data, index))
        assert fold(leaf, index, tree.path(index)) == tree.root
        if count > 1:
            wrong = (index + 1) % count
            same = leaf_at(data, wrong) == leaf_at(data, index)
            assert same or fold(leaf, wrong, tree.path(wrong)) != tree.root


def test_zero_tensor_has_the_zero_root_at_every_depth() -> None:
    for depth in range(8):
        assert tree_of_bytes(np.zeros(256 << depth, np.uint8)).root == zero_root(depth)


def test_empty_entries_are_not_zero_leaves() -> None:
    assert empty_root(0) == EMPTY
    assert empty_root(3) != zero_root(3)
    assert tree_of_hashes(EMPTY * 3, empty_root).root == empty_root(2)


@pytest.mark.parametrize(
    ("leaves", "depth"),
    [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1 << 24, 24), (2**24 + 1, 25)],
)
def test_depth_is_the_least_that_holds_the_leaves(leaves: int, depth: int) -> None:
    assert depth_of(leaves) == depth


def test_leaf_counts_round_up_by_bytes_not_elements() -> None:
    assert TensorType(DType.I64, 32).leaf_count == 1
    assert TensorType(DType.I64, 33).leaf_count == 2
    assert TensorType(DType.U8, 257).depth == 1


@pytest.mark.parametrize("size", [PART_BYTES + 1, 3 * PART_BYTES, 260 * PART_BYTES + 777])
def test_a_coarse_tree_is_the_tree_without_its_lower_hashes(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    tree, coarse = tree_of_bytes(data), coarse_tree(data)
    assert (coarse.root, coarse.depth) == (tree.root, tree.depth)
    leaves = -(-size // 256)
    for index in (0, 1, 255, 256, leaves // 2, leaves - 1):
        assert coarse.path(index) == tree.path(index)
    roots = coarse.top.levels[0]
    assert len(roots) == HASH_BYTES * -(-leaves >> COARSE_HEIGHT)
    assert coarse_tree(data, roots=roots) == coarse


def test_a_coarse_tree_proves_no_bytes_but_its_own() -> None:
    data = np.zeros(2 * PART_BYTES, np.uint8)
    tree = coarse_tree(data)
    data[PART_BYTES + 5] = 1
    assert tree.path(3) == tree_of_bytes(np.zeros(2 * PART_BYTES, np.uint8)).path(3)
    with pytest.raises(InvalidProgram, match="bytes 65536 to 131072 of the constants"):
        tree.path(256)
