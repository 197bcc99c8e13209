"""The operators: one table from opcode to instruction."""

from __future__ import annotations

from ..program import Opcode, Operator
from .base import Instruction, Operand, StepNote
from .combine import Combine, CombineKind, Mask, Root
from .control import Begin, End, Free, Halt, Keep
from .conv import Conv
from .copy import Copy
from .elementwise import Add, Clip, Table
from .lookup import Embed, Lookup
from .matmul import MatMul, Walk
from .pool import MaxPool
from .reduce import Reduce, ReduceKind
from .rotate import Rotate
from .scale import Scale, ScaleMode
from .token import Draw, Token
from .window import Window

INSTRUCTIONS: dict[Opcode, type[Instruction]] = {
    Opcode.BEGIN: Begin,
    Opcode.FREE: Free,
    Opcode.END: End,
    Opcode.KEEP: Keep,
    Opcode.HALT: Halt,
    Opcode.CONV: Conv,
    Opcode.MAXPOOL: MaxPool,
    Opcode.MATMUL: MatMul,
    Opcode.REDUCE: Reduce,
    Opcode.ADD: Add,
    Opcode.CLIP: Clip,
    Opcode.TABLE: Table,
    Opcode.SCALE: Scale,
    Opcode.COMBINE: Combine,
    Opcode.ROOT: Root,
    Opcode.MASK: Mask,
    Opcode.ROTATE: Rotate,
    Opcode.COPY: Copy,
    Opcode.LOOKUP: Lookup,
    Opcode.EMBED: Embed,
    Opcode.TOKEN: Token,
    Opcode.DRAW: Draw,
}

__all__ = [
    "INSTRUCTIONS",
    "Add",
    "Begin",
    "Clip",
    "Combine",
    "CombineKind",
    "Conv",
    "Copy",
    "Draw",
    "Embed",
    "End",
    "Free",
    "Halt",
    "Instruction",
    "Keep",
    "Lookup",
    "Mask",
    "MatMul",
    "MaxPool",
    "Operand",
    "Reduce",
    "ReduceKind",
    "Root",
    "Rotate",
    "Scale",
    "ScaleMode",
    "StepNote",
    "Table",
    "Token",
    "Walk",
    "Window",
    "decode",
]


def decode(operator: Operator) -> Instruction:
    """Return the typed view of an operator."""
    return INSTRUCTIONS[operator.opcode].decode(operator)
