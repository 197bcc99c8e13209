"""A program of several HALTs whose input says in which iteration which of them ends the run."""

from __future__ import annotations

import numpy as np

from interpreter.operators import Copy, Halt, Token
from interpreter.program import Program
from interpreter.tensors import DType, TensorType

from .builder import ProgramBuilder

ITERATIONS, HALTS = 4, 3
_FIRST_TOKEN, _NEVER = 70, 1
_LENGTH, _EARLIEST, _PROMPT = 0, 1, 2
_WORDS = _PROMPT + ITERATIONS


def halting_program() -> Program:
    """Return the program: it copies its token into the output before and after each HALT."""
    builder = ProgramBuilder(TensorType(DType.I32, _WORDS), slot_depth=2, input_slot=3)
    output = builder.keep(TensorType(DType.I32, ITERATIONS * (HALTS + 1)))
    token = builder.begin(TensorType(DType.I32, 1))
    count = ITERATIONS * (HALTS + 1)
    builder.add(Token(token, 3, output, _WORDS, _LENGTH, _PROMPT, count))
    for number in range(HALTS + 1):
        place = (0, (0, 0, 0, 1), number, (0, 0, 0, 1), 0, HALTS + 1)
        builder.add(Copy(output, token, DType.I32, 1, count, (1, 1, 1, 1), *place))
        if number < HALTS:
            builder.add(Halt(token, 3, _WORDS, _EARLIEST, (_FIRST_TOKEN + number,)))
    builder.free(token)
    return builder.finish(output, ITERATIONS)


def halting_input(iteration: int | None, halt: int = 0, earliest: int = 0) -> np.ndarray:
    """Return an input whose run meets the end token of a HALT in an iteration, or never.

    `earliest`: the first iteration in which any HALT may end the run.
    """
    words = np.full(_WORDS, _NEVER, "<i4")
    words[_LENGTH], words[_EARLIEST] = ITERATIONS, earliest + 1
    if iteration is not None:
        words[_PROMPT + iteration] = _FIRST_TOKEN + halt
    return words.view(np.uint8)
