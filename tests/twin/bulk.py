"""Prove many random steps on chain and forge each: `python -m tests.twin.bulk --count 100000`.

Prints, for each kind of step, how many ran, and the most gas and calldata that a proof took.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field

import numpy as np

from interpreter import machine
from interpreter.program import Program
from tests import sequences
from tests.programs import OPCODES, Style, random_instruction_program, random_program

from .evm import Contracts, Verifier
from .extremes import Extreme
from .steps import Case, cases, require_harmless

STYLES: tuple[Style, ...] = ("plain", "hostile", "fast")
# The EVM keeps a journal of every call, so a chain is left behind after some programs.
PROGRAMS_PER_CHAIN = 20


@dataclass
class Tally:
    """What was proven of one kind of step."""

    steps: int = 0
    most_gas: int = 0
    most_bytes: int = 0


@dataclass
class Report:
    """Counts of a bulk run."""

    steps: int = 0
    forgeries: int = 0
    programs: int = 0
    kinds: dict[str, Tally] = field(default_factory=dict)

    def prove(
        self, contracts: Verifier, case: Case, rng: np.random.Generator, forge_each: int = 1
    ) -> None:
        """Prove a step and count it; forge every `forge_each`-th."""
        proof = case.proof.encode()
        before, after, gas = contracts.prove(case.program.root, case.iterations, case.step, proof)
        same = (before, after) == (case.before.hash, case.after.hash)
        assert same, f"{case.kind}, step {case.step}: twins differ"
        if self.steps % forge_each == 0:
            self.forgeries += require_harmless(contracts, case, rng)
        self.count(case.kind, gas, len(proof))

    def prove_extreme(self, contracts: Verifier, case: Extreme) -> None:
        """Prove a step of a program as large as registration allows, and count it."""
        proof = case.proof.encode()
        states = machine.verify(case.root, case.iterations, case.step, case.proof)
        *found, gas = contracts.prove(case.root, case.iterations, case.step, proof)
        assert found == [state.hash for state in states], f"{case.kind}, extreme: twins differ"
        self.count(case.kind, gas, len(proof))

    def count(self, kind: str, gas: int, size: int) -> None:
        """Count a proof of a step."""
        tally = self.kinds.setdefault(kind, Tally())
        tally.steps += 1
        tally.most_gas = max(tally.most_gas, gas)
        tally.most_bytes = max(tally.most_bytes, size)
        self.steps += 1

    def add(self, other: Report) -> None:
        """Add the counts of another run."""
        self.steps += other.steps
        self.forgeries += other.forgeries
        self.programs += other.programs
        for kind, theirs in other.kinds.items():
            ours = self.kinds.setdefault(kind, Tally())
            ours.steps += theirs.steps
            ours.most_gas = max(ours.most_gas, theirs.most_gas)
            ours.most_bytes = max(ours.most_bytes, theirs.most_bytes)

    def show(self, seconds: float) -> None:
        """Print the counts, and the most that a proof of each kind of step took."""
        print(
            f"{self.steps:,} steps of {self.programs:,} program(s) equal, "
            f"{self.forgeries:,} forgeries harmless, {seconds:.0f} s"
        )
        for kind, tally in sorted(self.kinds.items()):
            print(
                f"{kind:16} {tally.steps:7} steps {tally.most_gas:7} gas {tally.most_bytes} bytes"
            )


def draw(number: int, rng: np.random.Generator) -> Program:
    """Return the `number`-th program: mixed ones and ones about a single operator, in turns."""
    if number % 2 == 0:
        opcode = sequences.OPCODES[number // 2 % len(sequences.OPCODES)]
        return sequences.random_sequence_program(rng, opcode)
    number //= 2
    style = STYLES[number % len(STYLES)]
    if number % 2:
        return random_instruction_program(rng, OPCODES[number // 2 % len(OPCODES)], style)
    return random_program(rng, style, max_count=1200 if number % 4 else 400)


def prove_many(
    count: int,
    seed: int,
    per_program: int = 150,
    forge_each: int = 1,
    only_sequences: bool = False,
) -> Report:
    """Prove `count` steps of random programs, and forge every `forge_each`-th of them.

    `only_sequences`: only steps of operators of sequence models, each operator in turn.

    Every program is first registered on chain, so only what registration lets through is run.
    """
    rng, contracts, report = np.random.default_rng(seed), Contracts(), Report()
    while report.steps < count:
        if report.programs % PROGRAMS_PER_CHAIN == 0:
            contracts = Contracts()
        opcode = None
        if only_sequences:
            opcode = sequences.OPCODES[report.programs % len(sequences.OPCODES)]
            program = sequences.random_sequence_program(rng, opcode)
        else:
            program = draw(report.programs, rng)
        report.programs += 1
        descriptors = b"".join(operator.encode() for operator in program.operators)
        contracts.register(program.header.encode(), descriptors)
        for case in cases(program, rng, min(per_program, count - report.steps), opcode):
            report.prove(contracts, case, rng, forge_each)
    return report


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Prove random steps on chain.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--forge-each", type=int, default=1, help="forge every N-th step")
    parser.add_argument("--sequences", action="store_true", help="only operators of sequences")
    arguments = parser.parse_args()
    began = time.monotonic()
    report = prove_many(
        arguments.count,
        arguments.seed,
        forge_each=arguments.forge_each,
        only_sequences=arguments.sequences,
    )
    report.show(time.monotonic() - began)


if __name__ == "__main__":
    main()
