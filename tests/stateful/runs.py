"""The programs that are run in the stateful tests, their inputs, and what is true of each run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from infernet.backend.engine import ReferenceEngine
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter.merkle import Hash, tree_of_bytes
from interpreter.program import Program, Step
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder
from tests.programs import random_input, random_program
from tests.runs import random_request, random_run_program

INPUTS = 2
LIES = 6


@cache
def programs() -> tuple[Program, ...]:
    """Return a program of two steps, one of one iteration, one of several with caches and halts."""
    builder = ProgramBuilder(TensorType(DType.U8, 40), slot_depth=2)
    shortest = builder.finish(builder.begin(TensorType(DType.U8, 40)))
    rng = np.random.default_rng(14)
    plain = random_program(rng, "plain", operators=4, max_count=40, max_steps=400)
    return shortest, plain, random_run_program(np.random.default_rng(11))


@dataclass(frozen=True)
class Run:
    """A program on an input for some iterations."""

    program: Program
    data: bytes
    iterations: int

    @cached_property
    def input_root(self) -> bytes:
        """Return the root that a request names."""
        return tree_of_bytes(np.frombuffer(self.data, np.uint8)).root

    @cached_property
    def truth(self) -> Trace:
        """Return the true run."""
        return Trace(self.program, self.data, ReferenceEngine(self.program), self.iterations)

    @cached_property
    def lies(self) -> tuple[TamperedTrace, ...]:
        """Return runs with a false step each, from the first to the last."""
        places = {self.truth.steps * part // LIES for part in range(LIES)}
        places.add(self.truth.steps - 1)
        return tuple(TamperedTrace(self.truth, Step(at), Mutation(3, at)) for at in sorted(places))

    @cached_property
    def final(self) -> Hash:
        """Return the true final state hash."""
        return self.truth.final.hash


@cache
def run_of(number: int, data: bytes, iterations: int) -> Run:
    """Return the one run of a program on an input, with all that was found out about it."""
    return Run(programs()[number], data, iterations)


@cache
def runs() -> tuple[Run, ...]:
    """Return every run that may be asked for."""
    found = []
    for place, program in enumerate(programs()):
        rng = np.random.default_rng(5)
        most = program.header.max_iterations
        for number in range(INPUTS):
            draw = random_request if most > 1 else None
            data = draw(rng) if draw else random_input(program, rng)
            iterations = most if number else (most + 1) // 2
            found.append(run_of(place, data.tobytes(), iterations))
    return tuple(found)


Belief = Trace | TamperedTrace
"""A run as a player believes it to be."""


def traces(run: Run) -> list[Belief]:
    """Return what a player may believe of a run, the truth first."""
    return [run.truth, *run.lies]
