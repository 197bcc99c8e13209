"""The Solidity verifier and the Python machine execute the same steps from the same bytes."""

import numpy as np
import pytest

from interpreter.machine import OneStepProof
from interpreter.program import Opcode
from tests.programs import random_program

from .bulk import prove_many
from .evm import Contracts, Reverted, selector
from .steps import Case, cases

ORDINARY_STEPS = 2_000
NIGHTLY_STEPS = 100_000


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    return Contracts()


@pytest.fixture(scope="module")
def some_cases() -> list[Case]:
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found += list(cases(random_program(rng, "hostile"), rng, 25))
    return found


def test_random_steps_agree_and_their_forgeries_prove_nothing() -> None:
    report = prove_many(ORDINARY_STEPS, seed=3, forge_each=3)
    assert report.steps == ORDINARY_STEPS and report.forgeries > ORDINARY_STEPS
    assert {kind.split()[0] for kind in report.kinds} == {code.name for code in Opcode}


@pytest.mark.slow
def test_many_random_steps_agree_and_their_forgeries_prove_nothing() -> None:
    report = prove_many(NIGHTLY_STEPS, seed=4)
    assert report.steps == NIGHTLY_STEPS


def test_a_proof_with_too_little_gas_decides_nothing(some_cases: list[Case]) -> None:
    # Before Prague calldata had no floor price, so small gas limits reach the contracts.
    contracts, rng, starved = Contracts("CANCUN"), np.random.default_rng(1), 0
    for case in some_cases:
        proof, root = case.proof.encode(), case.program.root
        truth = case.before.hash, case.after.hash
        *answer, needed = contracts.prove(root, 1, case.step, proof)
        assert tuple(answer) == truth
        words = 16 * (len(proof) + 200)
        for gas in rng.integers(21_000 + words, needed + 2_000, 8):
            try:
                *answer, _ = contracts.prove(root, 1, case.step, proof, gas=int(gas))
                assert tuple(answer) == truth
            except Reverted:
                starved += 1
    assert starved > len(some_cases)


def test_headers_of_another_slot_depth_are_refused(
    contracts: Contracts, some_cases: list[Case]
) -> None:
    for case in some_cases[::10]:
        proof = bytearray(case.proof.encode())
        for depth in (0, 7, 200, 255):
            proof[2] = depth
            with pytest.raises(Reverted):
                contracts.prove(case.program.root, 1, case.step, bytes(proof))


def test_cut_and_grown_proofs_are_refused(contracts: Contracts, some_cases: list[Case]) -> None:
    rng = np.random.default_rng(2)
    for case in some_cases[::6]:
        proof = case.proof.encode()
        wrong = [proof[: int(at)] for at in rng.integers(0, len(proof), 20)]
        for bad in (*wrong, b"", proof + b"\0", proof + proof):
            with pytest.raises(Reverted):
                contracts.prove(case.program.root, 1, case.step, bad)


def test_a_halted_state_only_counts_on(contracts: Contracts, some_cases: list[Case]) -> None:
    for case in some_cases[::10]:
        p = case.proof
        halted = OneStepProof(
            p.header,
            True,
            p.memory_root,
            p.accumulator,
            p.operator_index,
            p.descriptor,
            p.operator_path,
            b"",
        )
        before, after, _ = contracts.prove(case.program.root, 1, case.step, halted.encode())
        assert before != case.before.hash and before != after
        encoded = bytearray(halted.encode())
        encoded[len(p.header)] = 2
        with pytest.raises(Reverted) as error:
            contracts.prove(case.program.root, 1, case.step, bytes(encoded))
        assert error.value.data[:4] == selector("InvalidHalted(uint256)")


def test_steps_of_later_iterations_belong_to_longer_runs_only(
    contracts: Contracts, some_cases: list[Case]
) -> None:
    for case in some_cases[::10]:
        total = case.program.header.steps_per_iteration
        proof = case.proof.encode()
        with pytest.raises(Reverted) as error:
            contracts.prove(case.program.root, 1, case.step + total, proof)
        assert error.value.data[:4] == selector("StepPastEnd(uint64)")
        before, _, _ = contracts.prove(case.program.root, 2, case.step + total, proof)
        assert before != case.before.hash
