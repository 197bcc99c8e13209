"""The operators: one table from opcode to instruction."""

from __future__ import annotations

from ..program import Opcode, Operator
from .base import Instruction, Operand, StepNote
from .control import Begin, End, Free
from .conv import Conv
from .copy import Copy
from .elementwise import Add, Clip, Table
from .pool import MaxPool
from .window import Window

INSTRUCTIONS: dict[Opcode, type[Instruction]] = {
    Opcode.BEGIN: Begin,
    Opcode.FREE: Free,
    Opcode.END: End,
    Opcode.CONV: Conv,
    Opcode.MAXPOOL: MaxPool,
    Opcode.ADD: Add,
    Opcode.CLIP: Clip,
    Opcode.TABLE: Table,
    Opcode.COPY: Copy,
}

__all__ = [
    "INSTRUCTIONS",
    "Add",
    "Begin",
    "Clip",
    "Conv",
    "Copy",
    "End",
    "Free",
    "Instruction",
    "MaxPool",
    "Operand",
    "StepNote",
    "Table",
    "Window",
    "decode",
]


def decode(operator: Operator) -> Instruction:
    """Return the typed view of an operator."""
    return INSTRUCTIONS[operator.opcode].decode(operator)
