"""Single steps with their proofs, and what may be wrong with a proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from interpreter import machine
from interpreter.errors import InvalidWitness
from interpreter.machine import OneStepProof
from interpreter.merkle import digest
from interpreter.operators import decode
from interpreter.program import Opcode, Program, Step
from interpreter.state import State, wrap_i64
from tests.programs import random_input

from .evm import Reverted, Verifier


@dataclass(frozen=True, slots=True)
class Case:
    """A step, the true states around it, and the proof that the machine made."""

    program: Program
    step: Step
    proof: OneStepProof
    before: State
    after: State
    iterations: int

    @property
    def kind(self) -> str:
        """Return the operator and the kind of step, such as `CONV reduce`."""
        index = self.proof.operator_index
        operator = self.program.operators[index]
        where = self.program.locate(self.step, self.iterations)
        return f"{operator.opcode.name} {decode(operator).note(where.index).kind}"


def cases(
    program: Program, rng: np.random.Generator, limit: int, opcode: Opcode | None = None
) -> Iterator[Case]:
    """Run a program step by step and yield at most `limit` of its steps, spread at random.

    The steps around each boundary between operators are always among them while `limit` allows.
    With `opcode` only steps of such operators are.
    """
    iterations = program.header.max_iterations
    total = program.header.steps_per_iteration * iterations
    firsts = [operator.first_step for operator in program.operators]
    wanted = {at for first in firsts for at in (first - 1, first, total - 1) if at >= 0}
    wanted = set(sorted(wanted)[:limit])
    spare = min(limit, total) - len(wanted)
    others = [at for at in range(total) if at not in wanted]
    wanted |= {int(at) for at in rng.permutation(others)[: max(spare, 0)]}
    if opcode is not None:
        own = [at for at in range(total) if _opcode_at(program, iterations, at) == opcode]
        wanted = {int(at) for at in rng.permutation(own)[:limit]}
    memory = machine.start(program, random_input(program, rng))
    accumulator, halted = 0, False
    for number in range(total):
        at = Step(number)
        if number not in wanted:
            if not halted:
                accumulator, halted = machine.step(program, iterations, at, memory, accumulator)
            continue
        held = accumulator
        proof = machine.prove(program, iterations, at, memory, held, halted)
        before = State(at, halted, proof.memory_root, held)
        _, after = machine.verify(program.root, iterations, at, proof)
        assert after.memory_root == memory.root
        yield Case(program, at, proof, before, after, iterations)
        accumulator, halted = after.accumulator, after.halted


def _opcode_at(program: Program, iterations: int, at: int) -> Opcode:
    return program.operators[program.locate(Step(at), iterations).operator].opcode


def flip(data: bytes, start: int, stop: int, rng: np.random.Generator) -> bytes:
    """Return `data` with one byte of `[start, stop)` changed."""
    at = int(rng.integers(start, stop))
    return data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1 :]


def forgeries(case: Case, rng: np.random.Generator) -> dict[str, tuple[Step, OneStepProof]]:
    """Return wrong proofs of a step by what is wrong: each differs from the true one."""
    step, proof = case.step, case.proof
    header = case.program.header
    total = header.steps_per_iteration * case.iterations
    count = case.program.header.operator_count
    witness = proof.witness
    changed: dict[str, OneStepProof] = {
        "header": replace(proof, header=flip(proof.header, 0, len(proof.header), rng)),
        "descriptor": replace(proof, descriptor=flip(proof.descriptor, 0, 240, rng)),
        "accumulator": replace(
            proof, accumulator=wrap_i64(proof.accumulator + int(rng.integers(1, 1 << 40)))
        ),
        "memory root": replace(proof, memory_root=digest(proof.memory_root)),
        "operator": replace(
            proof, operator_index=(proof.operator_index + int(rng.integers(1, count + 1))) % 2**32
        ),
        "longer": replace(proof, witness=witness + bytes(int(rng.integers(1, 300)))),
        "halted": replace(proof, halted=not proof.halted),
    }
    if witness:
        size = len(witness)
        changed["operand"] = replace(proof, witness=flip(witness, 0, 32, rng))
        changed["sibling"] = replace(proof, witness=flip(witness, size - 32, size, rng))
        changed["witness"] = replace(proof, witness=flip(witness, 0, size, rng))
        changed["shorter"] = replace(proof, witness=witness[: -int(rng.integers(1, size + 1))])
    forged = {name: (step, wrong) for name, wrong in changed.items()}
    forged["step"] = (Step(int(rng.integers(0, total + 2))), proof)
    return forged


def solidity(
    contracts: Verifier, case: Case, step: Step, proof: OneStepProof
) -> tuple[bytes, bytes] | None:
    """Return the two state hashes that the contract computes, or None if it reverts."""
    try:
        return contracts.prove(case.program.root, case.iterations, step, proof.encode())[:2]
    except Reverted:
        return None


def python(case: Case, step: Step, proof: OneStepProof) -> tuple[bytes, bytes] | None:
    """Return the two state hashes that the reference computes, or None if it refuses."""
    try:
        before, after = machine.verify(case.program.root, case.iterations, step, proof)
    except InvalidWitness:
        return None
    return before.hash, after.hash


def require_harmless(contracts: Verifier, case: Case, rng: np.random.Generator) -> int:
    """Check that no forgery of a case proves a lie, and that both verifiers judge it alike.

    A forgery may start from another state, which the game refuses, or end in the true one. Returns
    how many forgeries were tried.
    """
    forged = forgeries(case, rng)
    for name, (step, proof) in forged.items():
        answer = solidity(contracts, case, step, proof)
        assert answer == python(case, step, proof), f"{case.kind}, {name}: twins differ"
        if answer is None or step != case.step:
            continue
        is_lie = answer[0] == case.before.hash and answer[1] != case.after.hash
        assert not is_lie, f"{case.kind}, {name}: a false post-state is proven"
    return len(forged)
