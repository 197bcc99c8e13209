"""The operators of sequence models: folding steps equals whole, and every proof verifies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter import machine
from interpreter.errors import InvalidWitness
from interpreter.machine import OneStepProof
from interpreter.memory import LiveMemory
from interpreter.merkle import tree_of_bytes
from interpreter.operators import decode
from interpreter.program import Opcode, Program, Step
from interpreter.state import State, final_state
from tests.programs import random_input
from tests.sequences import OPCODES, random_sequence_program
from tests.twin.steps import flip

SEEDS = st.integers(0, 2**32 - 1)


def require_fold(program: Program, data: np.ndarray) -> None:
    """Compare, after every operator of every iteration, the stepped tensor with the whole one."""
    iterations = program.header.max_iterations
    wholes: dict[tuple[int, int], bytes] = {}

    def observe(iteration: int, index: int, tensor: np.ndarray) -> None:
        wholes[iteration, index] = tensor.tobytes()

    outcome = machine.complete(program, data, iterations, observe)
    memory, accumulator, halted, at = machine.start(program, data), 0, False, 0
    while at < program.header.steps_per_iteration * iterations and not halted:
        where = program.locate(at, iterations)
        accumulator, halted = machine.step(program, iterations, Step(at), memory, accumulator)
        at += 1
        instruction = decode(program.operators[where.operator])
        target = instruction.destination
        if target is not None and where.index == instruction.steps - 1:
            assert accumulator == 0
            register = memory.slots[target.slot]
            assert register is not None
            assert register.data.tobytes() == wholes[where.iteration, where.operator], instruction
    assert halted == outcome.halted
    require_final(program, memory, outcome.output, halted)


def require_final(program: Program, memory: LiveMemory, output: np.ndarray, halted: bool) -> None:
    """Check that memory is what the final state says."""
    steps = program.header.most_steps
    root = tree_of_bytes(output).root
    final = final_state(program.header, root, steps, halted)
    assert final == State(Step(steps), halted, memory.root, 0)


@pytest.mark.parametrize("opcode", OPCODES)
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_folding_steps_gives_the_whole(opcode: Opcode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_sequence_program(rng, opcode)
    require_fold(program, random_input(program, rng))


def require_no_lie(
    program: Program, at: Step, proof: OneStepProof, after: State, rng: np.random.Generator
) -> None:
    """Check that a corrupted witness proves no other post-state."""
    for _ in range(3):
        witness = flip(proof.witness, 0, len(proof.witness), rng)
        forged = OneStepProof(
            proof.header,
            proof.halted,
            proof.memory_root,
            proof.accumulator,
            proof.operator_index,
            proof.descriptor,
            proof.operator_path,
            witness,
        )
        try:
            found = machine.verify(program.root, program.header.max_iterations, at, forged)[1]
        except InvalidWitness:
            continue
        assert found == after


@pytest.mark.parametrize("opcode", OPCODES)
@settings(max_examples=4, deadline=None)
@given(seed=SEEDS)
def test_every_proof_verifies_and_no_corrupted_one_lies(opcode: Opcode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_sequence_program(rng, opcode, max_iterations=2)
    data = random_input(program, rng)
    memory, accumulator, halted = machine.start(program, data), 0, False
    after = State(Step(0), False, memory.root, 0)
    for number in range(2 * program.header.steps_per_iteration):
        at = Step(number)
        before = after
        if not halted and rng.random() < 0.8 and program.header.steps_per_iteration > 60:
            accumulator, halted = machine.step(program, 2, at, memory, accumulator)
            after = State(Step(at + 1), halted, memory.root, accumulator)
            continue
        proof = machine.prove(program, 2, at, memory, accumulator, halted)
        shown, after = machine.verify(program.root, 2, at, proof)
        assert shown == before
        assert after.memory_root == memory.root
        accumulator, halted = after.accumulator, after.halted
        if proof.witness:
            require_no_lie(program, at, proof, after, rng)
    output = machine.run(program, data, 2)
    require_final(program, memory, output, halted)
