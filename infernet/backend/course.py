"""A run that stops before any operator wanted, with memory as it lies there.

It takes what a run takes: nothing is kept for later. Where whole insides would be too large, states
are told from here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from interpreter import machine
from interpreter.operators import Halt, decode
from interpreter.program import Program

Bytes = npt.NDArray[np.uint8]


class Course(ABC):
    """A run on its way; it begins before the first operator and goes forward only."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.iteration = self.operator = 0

    def enter(self, iteration: int) -> bool:
        """Go to the beginning of an iteration; return False if the run halts before it."""
        while self.iteration < iteration:
            if not self.advance(len(self.program.operators)):
                return False
            self.iteration, self.operator = self.iteration + 1, 0
        return True

    def advance(self, operator: int) -> bool:
        """Go before an operator of this iteration; return False if the run halts before it."""
        if self.operator < operator and not self.apply(range(self.operator, operator)):
            return False
        self.operator = operator
        return True

    @abstractmethod
    def apply(self, operators: range) -> bool:
        """Execute the operators that come next; return False if one halts the run."""

    @abstractmethod
    def content(self, slot: int) -> Bytes:
        """Return the bytes of a slot that something was stored in, not copied."""


@runtime_checkable
class Stopping(Protocol):
    """An engine whose runs can stop."""

    def course(self, data: Bytes, iterations: int) -> Course:
        """Return a run that has not begun."""


class ReferenceCourse(Course):
    """By the interpreter's whole-tensor operators."""

    def __init__(self, program: Program, data: Bytes) -> None:
        super().__init__(program)
        self._memory = machine.start(program, data)

    def apply(self, operators: range) -> bool:
        for index in operators:
            instruction = decode(self.program.operators[index])
            if isinstance(instruction, Halt) and instruction.fires(self.iteration, self._memory):
                return False
            machine.apply_whole(instruction, self.iteration, self._memory)
        return True

    def content(self, slot: int) -> Bytes:
        register = self._memory.slots[slot]
        assert register is not None
        return register.data
