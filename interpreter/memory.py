"""Memory as a step sees it: three implementations of one interface.

    Memory
    ├── LiveMemory       reads and writes tensors
    ├── RecordingMemory  live, and remembers what it touched: this is how a witness is made
    └── WitnessMemory    knows only what a witness proves; all else is an error

(spec: state.md, "Witness"; twin: libraries/WitnessReader.sol)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .errors import InvalidWitness
from .merkle import (
    EMPTY,
    HASH_BYTES,
    AnyTree,
    Hash,
    HashBytes,
    Tree,
    digest,
    empty_root,
    fold,
    leaf_at,
    tree_of_bytes,
    tree_of_hashes,
    zero_root,
)
from .tensors import LEAF_BYTES, TensorType


class Memory(Protocol):
    """What a step may do. Ranges are in bytes; a store stays inside one leaf."""

    def read(self, slot: int, kind: TensorType, start: int, stop: int) -> bytes:
        """Return bytes `[start, stop)` of a tensor; the range touches at most two leaves."""

    def read_constant(self, start: int, stop: int) -> bytes:
        """Return bytes `[start, stop)` of the constants."""

    def store(self, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        """Write `data` at byte `start` of a tensor, inside one leaf."""

    def begin(self, slot: int, kind: TensorType) -> None:
        """Make the slot the zero tensor of its type."""

    def free(self, slot: int) -> None:
        """Make the slot empty."""

    def keep_only(self, slot: int) -> None:
        """Empty every slot but one."""


def leaves_of(start: int, stop: int) -> range:
    """Return the indices of the leaves that a byte range touches; none for an empty range."""
    return range(start // LEAF_BYTES, -(-stop // LEAF_BYTES)) if stop > start else range(0)


@dataclass(slots=True)
class Register:
    """A tensor in a slot, with its tree once somebody asked for it."""

    kind: TensorType
    data: npt.NDArray[np.uint8]
    tree: Tree | None = None


@dataclass(slots=True)
class LiveMemory:
    """Tensors in slots, and constants. `slots[i]` is None when the slot is empty."""

    slots: list[Register | None]
    constants: npt.NDArray[np.uint8]
    hash_bytes: HashBytes = tree_of_bytes

    def read(self, slot: int, kind: TensorType, start: int, stop: int) -> bytes:
        return self._register(slot).data[start:stop].tobytes()

    def read_constant(self, start: int, stop: int) -> bytes:
        return self.constants[start:stop].tobytes()

    def store(self, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        register = self._register(slot)
        register.data[start : start + len(data)] = np.frombuffer(data, np.uint8)
        register.tree = None

    def begin(self, slot: int, kind: TensorType) -> None:
        self.slots[slot] = Register(kind, kind.empty())

    def free(self, slot: int) -> None:
        self.slots[slot] = None

    def keep_only(self, slot: int) -> None:
        self.slots = [kept if i == slot else None for i, kept in enumerate(self.slots)]

    def tree_of(self, slot: int) -> Tree:
        """Return the tree over a slot's tensor, built once until the next store."""
        register = self._register(slot)
        if register.tree is None:
            register.tree = self.hash_bytes(register.data)
        return register.tree

    def slot_root(self, slot: int) -> Hash:
        """Return the root of the tensor in a slot, or the empty entry."""
        return EMPTY if self.slots[slot] is None else self.tree_of(slot).root

    def slots_tree(self) -> Tree:
        """Return the tree over all slots."""
        roots = b"".join(self.slot_root(i) for i in range(len(self.slots)))
        return tree_of_hashes(roots, empty_root)

    @property
    def root(self) -> Hash:
        """Return the memory root."""
        return self.slots_tree().root

    def _register(self, slot: int) -> Register:
        register = self.slots[slot]
        if register is None:
            raise InvalidWitness(f"slot {slot} is empty; a registered program never reads it")
        return register


@dataclass(slots=True)
class RecordingMemory:
    """A live memory that appends a witness item for everything that a step touches.

    Items are proven against the memory as it was before the step, so it serves one step only.
    """

    live: LiveMemory
    constants_tree: AnyTree
    items: list[bytes] = field(default_factory=list)

    @property
    def witness(self) -> bytes:
        """Return the canonical witness of what was touched so far."""
        return b"".join(self.items)

    def read(self, slot: int, kind: TensorType, start: int, stop: int) -> bytes:
        for leaf in leaves_of(start, stop):
            self._record_leaf(slot, leaf)
        return self.live.read(slot, kind, start, stop)

    def read_constant(self, start: int, stop: int) -> bytes:
        for leaf in leaves_of(start, stop):
            content = leaf_at(self.live.constants, leaf)
            self.items.append(content + b"".join(self.constants_tree.path(leaf)))
        return self.live.read_constant(start, stop)

    def store(self, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        self._record_leaf(slot, start // LEAF_BYTES)
        self.live.store(slot, kind, start, data)

    def begin(self, slot: int, kind: TensorType) -> None:
        self._record_slot(slot)
        self.live.begin(slot, kind)

    def free(self, slot: int) -> None:
        self._record_slot(slot)
        self.live.free(slot)

    def keep_only(self, slot: int) -> None:
        self._record_slot(slot)
        self.live.keep_only(slot)

    def _record_leaf(self, slot: int, leaf: int) -> None:
        register = self.live.slots[slot]
        assert register is not None
        path = [*self.live.tree_of(slot).path(leaf), *self.live.slots_tree().path(slot)]
        self.items.append(leaf_at(register.data, leaf) + b"".join(path))

    def _record_slot(self, slot: int) -> None:
        path = self.live.slots_tree().path(slot)
        self.items.append(self.live.slot_root(slot) + b"".join(path))


@dataclass(slots=True)
class WitnessMemory:
    """A memory made of a witness alone; reading what it does not prove is InvalidWitness."""

    witness: bytes
    root: Hash
    slot_depth: int
    constants_root: Hash
    constants_depth: int
    _offset: int = 0
    _pre_root: Hash = field(init=False)

    def __post_init__(self) -> None:
        self._pre_root = self.root

    def read(self, slot: int, kind: TensorType, start: int, stop: int) -> bytes:
        leaves = leaves_of(start, stop)
        content = b"".join(self._take_leaf(slot, kind, leaf)[0] for leaf in leaves)
        return content[start - leaves.start * LEAF_BYTES :][: stop - start]

    def read_constant(self, start: int, stop: int) -> bytes:
        leaves, content = leaves_of(start, stop), b""
        for leaf in leaves:
            found = self._take(LEAF_BYTES)
            path = self._take_path(self.constants_depth)
            if fold(digest(found), leaf, path) != self.constants_root:
                raise InvalidWitness(f"constant leaf {leaf} is not under the constants root")
            content += found
        return content[start - leaves.start * LEAF_BYTES :][: stop - start]

    def store(self, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        leaf, offset = divmod(start, LEAF_BYTES)
        before, path = self._take_leaf(slot, kind, leaf)
        after = before[:offset] + data + before[offset + len(data) :]
        self.root = fold(digest(after), slot << kind.depth | leaf, path)

    def begin(self, slot: int, kind: TensorType) -> None:
        self.root = fold(zero_root(kind.depth), slot, self._take_slot(slot)[1])

    def free(self, slot: int) -> None:
        self.root = fold(EMPTY, slot, self._take_slot(slot)[1])

    def keep_only(self, slot: int) -> None:
        kept, _ = self._take_slot(slot)
        self.root = fold(kept, slot, [empty_root(depth) for depth in range(self.slot_depth)])

    def finish(self) -> Hash:
        """Return the post-memory root; raise InvalidWitness if bytes are left over."""
        if self._offset != len(self.witness):
            raise InvalidWitness(
                f"{len(self.witness) - self._offset} witness bytes are left over at {self._offset}"
            )
        return self.root

    def _take(self, count: int) -> bytes:
        if self._offset + count > len(self.witness):
            raise InvalidWitness(f"the witness ends at {len(self.witness)}, inside an item")
        self._offset += count
        return self.witness[self._offset - count : self._offset]

    def _take_path(self, depth: int) -> Sequence[bytes]:
        path = self._take(HASH_BYTES * depth)
        return [path[HASH_BYTES * i : HASH_BYTES * (i + 1)] for i in range(depth)]

    def _take_leaf(self, slot: int, kind: TensorType, leaf: int) -> tuple[bytes, Sequence[bytes]]:
        content = self._take(LEAF_BYTES)
        path = self._take_path(kind.depth + self.slot_depth)
        # One index serves the joined path: leaf bits below, slot bits above.
        if fold(digest(content), slot << kind.depth | leaf, path) != self._pre_root:
            raise InvalidWitness(f"leaf {leaf} of slot {slot} is not under the memory root")
        return content, path

    def _take_slot(self, slot: int) -> tuple[bytes, Sequence[bytes]]:
        content = self._take(HASH_BYTES)
        path = self._take_path(self.slot_depth)
        if fold(content, slot, path) != self._pre_root:
            raise InvalidWitness(f"slot {slot} is not under the memory root")
        return content, path
