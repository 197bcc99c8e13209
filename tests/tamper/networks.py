"""The networks that are lied about, each with a run, another input, and another revision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from infernet.backend.engine import open_engine
from infernet.backend.hashing import hash_bytes
from infernet.backend.trace import Trace
from infernet.models.images import read_input
from infernet.models.sequence.pieces import BEGIN_OF_TEXT, END_OF_TEXT
from infernet.models.store import load_model, shipped_dir
from interpreter.operators import Instruction, decode
from interpreter.program import Program, assemble
from tests.e2e.sequence_disputes import Told
from tests.e2e.test_sequence_disputes import FULL_STOP, bert_tiny, story

ENDS = (BEGIN_OF_TEXT, END_OF_TEXT, FULL_STOP)
GOES_ON = (BEGIN_OF_TEXT, END_OF_TEXT)


@dataclass(frozen=True, slots=True)
class Network:
    """A true run, and the run of another input."""

    name: str
    family: str
    truth: Trace
    other: Trace

    @property
    def program(self) -> Program:
        """Return the program that both run."""
        return self.truth.program

    def told(self, seed: str) -> Told:
        """Return the run with the places where it can be lied about, drawn by a seed."""
        return Told(self.truth, int.from_bytes(seed.encode()[-8:]))


def _digits() -> Network:
    model = load_model("digits")
    engine = open_engine(model.program)
    pictures = [shipped_dir() / "digits" / f"digit-{number}.png" for number in (3, 7)]
    runs = [Trace(model.program, read_input(model, each), engine) for each in pictures]
    return Network("digits", "CNN", *runs)


def _bert() -> Network:
    return Network("BERT-Tiny", "encoder", bert_tiny(31).truth, bert_tiny(10).truth)


def _story_that_ends() -> Network:
    truth, other = story(ENDS).truth, story(ENDS, text="One day, a little dog").truth
    return Network("stories260K, ends", "decoder", truth, other)


def _story_that_goes_on() -> Network:
    tom = story(GOES_ON, temperature=0.8, text="Tom").truth
    return Network("stories260K, sampled", "decoder", tom, story(GOES_ON, text="Lily").truth)


NETWORKS: dict[str, Callable[[], Network]] = {
    "digits": cache(_digits),
    "bert": cache(_bert),
    "ends": cache(_story_that_ends),
    "goes on": cache(_story_that_goes_on),
}


@dataclass(frozen=True, slots=True)
class Constant:
    """Another byte in the constants of operators with an opcode, at a place that a field names."""

    opcode: str
    field: str
    amount: int = 128
    nth: int = 0

    def apply(self, program: Program) -> Program:
        """Return the program with other constants."""
        constants = program.constants.copy()
        for _, instruction in _instructions(program, self.opcode):
            start = int(_field(instruction, self.field))
            if start >= 0:
                place = start + self.nth
                constants[place] = (int(constants[place]) + self.amount) % 256
        return assembled(program, [decode(op) for op in program.operators], constants)


@dataclass(frozen=True, slots=True)
class Number:
    """Another number in the descriptor of the first operators of an opcode."""

    opcode: str
    field: str
    amount: int

    def apply(self, program: Program) -> Program:
        """Return the program with other descriptors."""
        found = [decode(op) for op in program.operators]
        for index, instruction in _instructions(program, self.opcode):
            value = int(_field(instruction, self.field)) + self.amount
            found[index] = replace(instruction, **{self.field: value})  # type: ignore[type-var]
        return assembled(program, found, program.constants)


def _instructions(program: Program, opcode: str) -> list[tuple[int, Instruction]]:
    operators = enumerate(program.operators)
    return [(index, decode(op)) for index, op in operators if op.opcode.name == opcode]


def _field(instruction: object, path: str) -> int:
    for name in path.split("."):
        instruction = getattr(instruction, name)
    assert isinstance(instruction, int)
    return instruction


def assembled(program: Program, instructions: list[Instruction], constants: np.ndarray) -> Program:
    """Return a program of the same shapes with other instructions and constants."""
    header = program.header
    return assemble(
        [each.encode() for each in instructions],
        [each.steps for each in instructions],
        constants,
        slot_depth=header.slot_depth,
        input_slot=header.input_slot,
        output_slot=header.output_slot,
        input_dtype=header.input_dtype,
        output_dtype=header.output_dtype,
        input_shape=header.input_shape,
        output_shape=header.output_shape,
        max_iterations=header.max_iterations,
        hash_bytes=hash_bytes,
    )


def run_of(program: Program, truth: Trace) -> Trace:
    """Return a program's run of another's input."""
    return Trace(program, truth.data, open_engine(program), truth.iterations)
