"""A builder language for programs: slots, constants and typed instructions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from interpreter.operators import Begin, End, Free, Instruction, Keep
from interpreter.program import Program, assemble
from interpreter.tensors import LEAF_BYTES, TensorType
from interpreter.validate import validate


@dataclass
class ProgramBuilder:
    """Collects instructions and constants, and keeps the table of slot types."""

    input_kind: TensorType
    slot_depth: int = 3
    input_slot: int = 0
    instructions: list[Instruction] = field(default_factory=list)
    constants: bytearray = field(default_factory=bytearray)
    table: dict[int, TensorType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table[self.input_slot] = self.input_kind

    @property
    def free_slots(self) -> list[int]:
        """Return the empty slots."""
        return [slot for slot in range(1 << self.slot_depth) if slot not in self.table]

    @property
    def steps(self) -> int:
        """Return the steps so far."""
        return sum(instruction.steps for instruction in self.instructions)

    def place(self, data: bytes, alignment: int = 1) -> int:
        """Append constants and return their byte offset."""
        self.constants.extend(bytes(-len(self.constants) % alignment))
        self.constants.extend(data)
        return len(self.constants) - len(data)

    def place_params(self, bias: np.ndarray, scale_bits: np.ndarray) -> int:
        """Append `(bias i32, scale f32)` pairs and return their byte offset."""
        pairs = np.stack([bias.astype("<i4").view("<u4"), scale_bits.astype("<u4")], axis=1)
        return self.place(pairs.tobytes(), 8)

    def begin(self, kind: TensorType, slot: int | None = None) -> int:
        """Begin a tensor and return its slot."""
        slot = self.free_slots[0] if slot is None else slot
        self.instructions.append(Begin(slot, kind))
        self.table[slot] = kind
        return slot

    def keep(self, kind: TensorType, slot: int | None = None) -> int:
        """Begin a tensor that lives across iterations and return its slot."""
        slot = self.free_slots[0] if slot is None else slot
        kept = sum(isinstance(each, Keep) for each in self.instructions)
        self.instructions.insert(kept, Keep(slot, kind))
        self.table[slot] = kind
        return slot

    def free(self, slot: int) -> None:
        """Empty a slot."""
        self.instructions.append(Free(slot))
        del self.table[slot]

    def add(self, instruction: Instruction) -> None:
        """Append an operator whose slots are ready."""
        self.instructions.append(instruction)

    def finish(self, output_slot: int, max_iterations: int = 1) -> Program:
        """Close the program and return it, validated."""
        self.instructions.append(End())
        self.constants.extend(bytes(-len(self.constants) % LEAF_BYTES))
        if not self.constants:
            self.constants.extend(bytes(LEAF_BYTES))
        output_kind = self.table[output_slot]
        program = assemble(
            [instruction.encode() for instruction in self.instructions],
            [instruction.steps for instruction in self.instructions],
            np.frombuffer(bytes(self.constants), np.uint8),
            slot_depth=self.slot_depth,
            input_slot=self.input_slot,
            output_slot=output_slot,
            input_dtype=self.input_kind.dtype,
            output_dtype=output_kind.dtype,
            input_shape=(1, 1, 1, self.input_kind.count),
            output_shape=(1, 1, 1, output_kind.count),
            max_iterations=max_iterations,
        )
        validate(program)
        return program
