"""Trees and memories too large to hold: only the leaves that a step touches exist.

A first pass finds what a step touches and gives it content; a second one puts that under trees
whose other nodes are noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from interpreter.memory import leaves_of
from interpreter.merkle import Hash, digest
from interpreter.tensors import LEAF_BYTES, TensorType

Leaf = Callable[[int], bytes]
# Stands for the constants where a slot is meant.
CONSTANTS = -1


@dataclass(frozen=True)
class SparseTree:
    """A tree of a given depth whose unknown nodes are noise; `leaves`: the hashes known."""

    depth: int
    salt: bytes
    leaves: dict[int, bytes]
    _known: dict[tuple[int, int], bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        level = dict(self.leaves)
        for height in range(self.depth + 1):
            self._known.update({(height, index): node for index, node in level.items()})
            level = {
                index: digest(self.node(height, 2 * index) + self.node(height, 2 * index + 1))
                for index in {index >> 1 for index in level}
            }

    def node(self, height: int, index: int) -> bytes:
        """Return a node; it is noise unless a known leaf lies under it."""
        found = self._known.get((height, index))
        return found or digest(self.salt + bytes([height]) + index.to_bytes(8))

    @property
    def root(self) -> Hash:
        """Return the root."""
        return Hash(self.node(self.depth, 0))

    def path(self, index: int) -> list[bytes]:
        """Return the siblings of a leaf, leaf upwards."""
        return [self.node(height, (index >> height) ^ 1) for height in range(self.depth)]


@dataclass
class SparseMemory:
    """A memory that makes up what a step touches, keeps it and writes its witness.

    `slot_leaf`: returns so many bytes for a leaf of any tensor. `constant_leaf`: returns the
    constants' leaf of an index. `content`: what is there before, by slot and leaf.
    """

    slot_depth: int
    slot_leaf: Leaf
    constant_leaf: Leaf
    content: dict[tuple[int, int], bytes] = field(default_factory=dict)
    touched: list[tuple[int, TensorType | None, int]] = field(default_factory=list)

    def read(self, slot: int, kind: TensorType, start: int, stop: int) -> bytes:
        return self._bytes(slot, kind, start, stop)

    def read_constant(self, start: int, stop: int) -> bytes:
        return self._bytes(CONSTANTS, None, start, stop)

    def store(self, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        self._leaf(slot, kind, start // LEAF_BYTES)

    def begin(self, slot: int, kind: TensorType) -> None:
        self.touched.append((slot, None, 0))

    def free(self, slot: int) -> None:
        self.touched.append((slot, None, 0))

    def keep_only(self, slot: int) -> None:
        self.touched.append((slot, None, 0))

    def _bytes(self, slot: int, kind: TensorType | None, start: int, stop: int) -> bytes:
        found = b"".join(self._leaf(slot, kind, leaf) for leaf in leaves_of(start, stop))
        return found[start % LEAF_BYTES :][: stop - start]

    def _leaf(self, slot: int, kind: TensorType | None, leaf: int) -> bytes:
        self.touched.append((slot, kind, leaf))
        if (slot, leaf) not in self.content:
            is_constant = slot == CONSTANTS
            made = self.constant_leaf(leaf) if is_constant else self.slot_leaf(LEAF_BYTES)
            self.content[slot, leaf] = made
        return self.content[slot, leaf]

    @property
    def constants(self) -> dict[int, bytes]:
        """Return the hashes of the constant leaves that were touched."""
        return {
            leaf: digest(self.content[CONSTANTS, leaf])
            for slot, _, leaf in self.touched
            if slot == CONSTANTS
        }

    def witness(self, constants: SparseTree) -> tuple[bytes, Hash]:
        """Return the witness and the memory root; `constants` knows the touched leaves."""
        tensors, slots = self._trees()
        items: list[bytes] = []
        for slot, kind, leaf in self.touched:
            if slot == CONSTANTS:
                items += [self.content[slot, leaf], *constants.path(leaf)]
            elif kind is None:
                items += [slots.leaves[slot], *slots.path(slot)]
            else:
                items += [self.content[slot, leaf], *tensors[slot].path(leaf), *slots.path(slot)]
        return b"".join(items), slots.root

    def _trees(self) -> tuple[dict[int, SparseTree], SparseTree]:
        """Return the tree of each touched tensor, and the one of the slots."""
        kinds: dict[int, TensorType] = {}
        leaves: dict[int, dict[int, bytes]] = {}
        roots: dict[int, bytes] = {}
        for slot, kind, leaf in self.touched:
            if slot != CONSTANTS:
                roots[slot] = digest(bytes([slot]))
            if kind is not None:
                kinds[slot] = kind
                leaves.setdefault(slot, {})[leaf] = digest(self.content[slot, leaf])
        tensors = {
            slot: SparseTree(kind.depth, bytes([slot]), leaves[slot])
            for slot, kind in kinds.items()
        }
        roots |= {slot: tree.root for slot, tree in tensors.items()}
        return tensors, SparseTree(self.slot_depth, b"slots", roots)
