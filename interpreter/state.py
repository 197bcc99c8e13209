"""The machine's state and its hash (spec: state.md; twin: libraries/StateLib.sol)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .merkle import Hash, digest, empty_root, fold
from .program import Header, Step

_STATE = struct.Struct(">QB32sq")


@dataclass(frozen=True, slots=True)
class State:
    """All that a state hash commits to. `accumulator`: i64."""

    step: Step
    halted: bool
    memory_root: Hash
    accumulator: int

    def encode(self) -> bytes:
        """Return the 49 bytes that are hashed."""
        return _STATE.pack(self.step, self.halted, self.memory_root, self.accumulator)

    @property
    def hash(self) -> Hash:
        """Return the state hash."""
        return digest(self.encode())


def initial_state(header: Header, input_root: Hash) -> State:
    """Return the state before step 0: only the input (and persistent slots) in memory."""
    root = fold(input_root, header.input_slot, header.initial_siblings)
    return State(Step(0), False, root, 0)


def final_state(header: Header, output_root: Hash, steps: int, halted: bool) -> State:
    """Return the state after the last step: only the output in memory."""
    siblings = [empty_root(depth) for depth in range(header.slot_depth)]
    return State(Step(steps), halted, fold(output_root, header.output_slot, siblings), 0)


def wrap_i64(value: int) -> int:
    """Return `value` modulo 2**64 as a signed 64-bit integer."""
    return ((value + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)
