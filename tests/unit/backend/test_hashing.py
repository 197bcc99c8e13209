"""The compiled trees equal the reference's, in every width that this processor has."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from infernet.backend.hashing import (
    COARSE_BYTES,
    hash_bytes,
    hash_constants,
    hashing_status,
    is_native,
)
from interpreter.merkle import CoarseTree, tree_of_bytes, zero_root

PADDING = b"".join(zero_root(height) for height in range(40))
SIZES = (1, 31, 255, 256, 257, 512, 1000, 15 * 256, 16 * 256, 17 * 256 + 1, 33 * 256, 100_003)


@pytest.fixture
def native() -> Iterator[ModuleType]:
    if not is_native():
        pytest.skip("no C compiler was at hand when the package was installed")
    module = import_module("infernet.backend.native._sha256")
    yield module
    module.use_lanes(16)


@pytest.mark.parametrize("size", SIZES)
def test_trees_equal_the_references(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    assert hash_bytes(data) == tree_of_bytes(data)
    assert hash_bytes(np.zeros(size, np.uint8)) == tree_of_bytes(np.zeros(size, np.uint8))


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("size", SIZES)
def test_every_width_gives_the_same_levels(native: ModuleType, lanes: int, size: int) -> None:
    native.use_lanes(lanes)
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    assert native.levels(data, PADDING) == tree_of_bytes(data).levels


def test_a_kernel_can_be_named(native: ModuleType) -> None:
    assert native.use_lanes(4) == "4 lanes"
    assert hashing_status().startswith("compiled")


def test_malformed_arguments_are_refused(native: ModuleType) -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        native.levels(b"", PADDING)
    with pytest.raises(ValueError, match="too few hashes"):
        native.levels(bytes(1000), PADDING[:32])


def test_large_constants_have_the_same_tree_in_memory_and_on_disk(tmp_path: Path) -> None:
    data = np.random.default_rng(4).integers(0, 256, COARSE_BYTES + 70_000, dtype=np.uint8)
    (tmp_path / "constants").write_bytes(data.tobytes())
    mapped = np.memmap(tmp_path / "constants", np.uint8, mode="r").view(np.ndarray)
    tree = hash_constants(data)
    assert isinstance(tree, CoarseTree)
    assert tree.root == hash_constants(mapped).root == hash_bytes(data).root
    assert hash_constants(data[:5000]) == hash_bytes(data[:5000])
