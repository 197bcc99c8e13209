"""Totality: whatever passes registration runs, and `step` and `whole` agree on it.

Every descriptor field of valid programs is replaced by special values. Either registration refuses
the program, or each of its steps is defined.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.errors import InvalidProgram
from interpreter.operators import decode
from interpreter.program import FIELD_COUNT, Opcode, Operator, Program, load, operators_tree
from interpreter.tensors import DType
from interpreter.validate import validate
from tests.programs import random_input, random_program
from tests.property.test_fold import require_fold
from tests.property.test_sequences import require_fold as require_sequence_fold
from tests.sequences import OPCODES, random_sequence_program

SMALL = (0, 1, 2, 3, 7, 8, 31, 32, 33, 127, 128, 255, 256, 257, 511, 512, 1023, 1024)
POWERS = [(1 << power) + near for power in (20, 24, 29, 31, 32, 62, 63) for near in (-1, 0, 1)]
SPECIAL = [*SMALL, *(value for value in POWERS if value < 1 << 63)]
MAX_STEPS = 20_000
MAX_ELEMENTS = 1 << 16
NAMES = ("dst", "a", "b", "dst_dtype", "a_dtype", "b_dtype")


def mutate(operator: Operator, rng: np.random.Generator) -> Operator:
    """Return the operator with one field replaced."""
    if rng.random() < 0.2:
        name = NAMES[int(rng.integers(len(NAMES)))]
        value: int = int(rng.integers(0, 5 if name.endswith("dtype") else 256))
        return replace(operator, **{name: DType(value) if name.endswith("dtype") else value})
    fields = list(operator.padded_fields())
    at = int(rng.integers(max(len(operator.fields), 1)) if rng.random() < 0.9 else FIELD_COUNT - 1)
    special = SPECIAL[int(rng.integers(len(SPECIAL)))]
    near = fields[at] + int(rng.integers(-2, 3))
    fields[at] = [special, -special, near][int(rng.integers(3))]
    return replace(operator, fields=tuple(fields))


def mutated_program(base: Program, rng: np.random.Generator) -> Program:
    """Return `base` with one mutated operator, its header and numbering made consistent."""
    operators = list(base.operators)
    at = int(rng.integers(len(operators)))
    operators[at] = mutate(operators[at], rng)
    step, numbered = 0, []
    for operator in operators:
        numbered.append(replace(operator, first_step=step % (1 << 63)))
        try:
            step += max(0, decode(operator).steps)
        except ZeroDivisionError:
            step += 1
    tree = operators_tree(numbered)
    header = replace(base.header, operators_root=tree.root, steps_per_iteration=step % (1 << 63))
    return load(header, numbered, base.constants, base.constants_tree, tree)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_mutated_programs_are_refused_or_defined_at_every_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = mutated_program(random_program(rng, "hostile", operators=3, max_steps=800), rng)
    try:
        validate(program)
    except InvalidProgram:
        return
    sizes = [
        operand.kind.count for operator in program.operators for operand in decode(operator).sources
    ]
    if program.header.steps_per_iteration <= MAX_STEPS and max(sizes, default=0) <= MAX_ELEMENTS:
        require_fold(program, random_input(program, rng))


@pytest.mark.parametrize("opcode", OPCODES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_mutated_sequence_programs_are_refused_or_defined(opcode: Opcode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = mutated_program(random_sequence_program(rng, opcode), rng)
    try:
        validate(program)
    except InvalidProgram:
        return
    header = program.header
    decoded = [decode(operator) for operator in program.operators]
    sizes = [operand.kind.count for one in decoded for operand in one.sources]
    sizes += [one.destination.kind.count for one in decoded if one.destination is not None]
    if header.steps_per_iteration <= MAX_STEPS and max(sizes, default=0) <= MAX_ELEMENTS:
        require_sequence_fold(program, random_input(program, rng))
