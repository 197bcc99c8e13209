"""Proofs that both verifiers refuse before any operator is executed, and calls that lack gas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from interpreter import machine
from interpreter.errors import InvalidWitness
from interpreter.machine import OneStepProof
from interpreter.merkle import digest
from interpreter.program import DESCRIPTOR_BYTES, Header, Opcode, Step

from .evm import Reverted, Verifier
from .steps import Case

STATE_BYTES = 45


def unreadable(case: Case, rng: np.random.Generator) -> Iterator[bytes]:
    """Yield bytes that are no proof: cut inside each part, and with a flag that is no flag."""
    proof, header = case.proof.encode(), len(case.proof.header)
    fixed = header - 32 * proof[2]
    descriptor = header + STATE_BYTES + DESCRIPTOR_BYTES
    path = descriptor + 32 * len(case.proof.operator_path)
    for end in (fixed, descriptor, path):
        yield proof[: int(rng.integers(end))]
        yield proof[: end - 1]
    yield proof[:header] + b"\2" + proof[header + 1 :]


def unknown_opcode(case: Case, opcode: int) -> tuple[bytes, OneStepProof]:
    """Return root and proof of a program of one operator that does not exist."""
    descriptor = (
        bytes([opcode]) + case.proof.descriptor[1:8] + bytes(8) + case.proof.descriptor[16:]
    )
    old = Header.decode(case.proof.header)
    header = replace(old, operator_count=1, operators_root=digest(descriptor)).encode()
    proof = replace(
        case.proof, header=header, operator_index=0, descriptor=descriptor, operator_path=()
    )
    return digest(header), proof


def require_refused(verifier: Verifier, case: Case, rng: np.random.Generator) -> None:
    """Check that neither verifier takes what is no proof of a registrable program."""
    for data in unreadable(case, rng):
        _refuses(verifier, case.program.root, case.step, data)
    for opcode in (0, int(rng.integers(max(Opcode) + 1, 256))):
        root, proof = unknown_opcode(case, opcode)
        _refuses(verifier, root, 0, proof.encode())
        try:
            machine.verify(root, case.iterations, Step(0), proof)
        except InvalidWitness:
            continue
        raise AssertionError(f"the reference executes opcode {opcode}")


def require_starved(verifier: Verifier, case: Case, most_gas: int, calls: int) -> None:
    """Check that with any gas up to `most_gas` a proof shows the truth or nothing."""
    truth = case.before.hash, case.after.hash
    for gas in np.linspace(0, most_gas, calls).astype(int):
        try:
            answer = verifier.prove(
                case.program.root, case.iterations, case.step, case.proof.encode(), int(gas)
            )
        except Reverted:
            continue
        assert answer[:2] == truth


def _refuses(verifier: Verifier, root: bytes, step: int, proof: bytes) -> None:
    try:
        verifier.prove(root, 1, step, proof)
    except Reverted:
        return
    raise AssertionError("what is no proof is executed")
