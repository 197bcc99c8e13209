"""Show which branches of the provers the differential run takes: `python -m tests.twin.coverage`.

Runs steps of the kinds that `differential` runs, in an EVM that notes every branch. Prints a table
of all sources and every side of a branch that was not taken, with the reason why it cannot be.
Exits 1 if one has no reason, and if a reason is given for a side that was taken. Needs npm's solc.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from infernet.chain.artifacts import PROVERS
from interpreter.program import Opcode
from tests import sequences
from tests.programs import random_instruction_program, random_program

from .branches import Branch, Compiled, compile_branches, prover_sources
from .bulk import Report, draw
from .evm import Verifier
from .extremes import draw_extreme, extreme_step
from .refusals import require_refused, require_starved
from .sequence_extremes import RECIPES
from .steps import cases
from .watched import Taken, Watched

STEPS = 400
FORGE_EACH = 8
PER_PROGRAM = 20
PURSUITS = 40
PURSUIT_FORGE_EACH = 4
REFUSALS = 5
# Unoptimised, a proof of a small program takes less.
STARVING_GAS = 600_000
STARVING_CALLS = 150

FAMILIES: dict[str, tuple[Opcode, ...]] = {
    "prover/ConvProver.sol": (Opcode.CONV,),
    "libraries/Float32Lib.sol": (Opcode.CONV,),
    "libraries/WindowLib.sol": (Opcode.CONV, Opcode.MAXPOOL),
    "prover/MapProver.sol": (Opcode.ADD, Opcode.CLIP),
    "prover/CopyProver.sol": (Opcode.COPY,),
    "prover/MatmulProver.sol": (Opcode.MATMUL,),
    "libraries/DotLib.sol": (Opcode.MATMUL, Opcode.CONV),
    "prover/PoolProver.sol": (Opcode.MAXPOOL,),
    "prover/ReduceProver.sol": (Opcode.REDUCE,),
    "prover/RowProver.sol": (Opcode.SCALE, Opcode.COMBINE, Opcode.ROOT, Opcode.MASK),
    "prover/TableProver.sol": (Opcode.ROTATE, Opcode.LOOKUP, Opcode.EMBED),
    "prover/TokenProver.sol": (Opcode.TOKEN, Opcode.DRAW, Opcode.HALT),
}
"""Operators whose steps reach the branches of a source."""

STARVED = (
    "SHA-256 fails only for want of gas: the call had 63/64 of it, and what is left, a few units, "
    "does not reach this check (EIP-150); the transaction runs out of gas and decides nothing"
)
# One each: of calldata, of memory, of two words, of a path.
REASONS: dict[tuple[str, str, bool], str] = {("Sha256Lib.sol", "!ok", True): STARVED}
"""Why a side of a branch is never taken, by file, condition and what it would have to be."""


def contracts() -> list[Compiled]:
    """Return the verifier and its provers, compiled to be watched."""
    compiled = compile_branches(prover_sources())
    return [compiled[name] for name in ("OneStepProof", *PROVERS)]


def prove_some(verifier: Verifier, count: int, seed: int, forge_each: int = FORGE_EACH) -> Report:
    """Prove `count` steps of the kinds of `differential`, fewer of each program."""
    report, rng = Report(), np.random.default_rng(seed)
    while report.steps < 2 * count // 5:
        program = draw(report.programs, rng)
        report.programs += 1
        for case in cases(program, rng, PER_PROGRAM):
            report.prove(verifier, case, rng, forge_each)
    while report.steps < 4 * count // 5:
        opcode = sequences.OPCODES[report.programs % len(sequences.OPCODES)]
        report.programs += 1
        program = sequences.random_sequence_program(rng, opcode)
        for case in cases(program, rng, PER_PROGRAM, opcode):
            report.prove(verifier, case, rng, forge_each)
    while report.steps < count:
        drawn = draw_extreme(rng, RECIPES) if report.steps % 2 else draw_extreme(rng)
        is_zero = report.steps % 8 == 0
        report.prove_extreme(verifier, extreme_step(*drawn, rng, is_zero))
    return report


def pursue(
    watched: Watched, report: Report, rng: np.random.Generator, most: int = PURSUITS
) -> None:
    """Prove steps of operators that can reach what was not taken yet, `most` programs at most."""
    for _ in range(most):
        left = {
            branch.source
            for branch, side in missing(watched.branches, watched.taken)
            if reason_of(branch, side) is None
        }
        wanted = [
            FAMILIES[s.removeprefix("src/")]
            for s in sorted(left)
            if s.removeprefix("src/") in FAMILIES
        ]
        if not wanted:
            return
        for opcode in {code for codes in wanted for code in codes}:
            is_sequence = opcode in sequences.OPCODES
            program = (
                sequences.random_sequence_program(rng, opcode)
                if is_sequence
                else random_instruction_program(rng, opcode, "hostile")
            )
            report.programs += 1
            for case in cases(program, rng, PER_PROGRAM // 2, opcode):
                report.prove(watched, case, rng, PURSUIT_FORGE_EACH)
        _say(f"{report.steps} steps", watched)


def refuse(verifier: Verifier, rng: np.random.Generator) -> None:
    """Send what is no proof, and proofs with too little gas."""
    program = random_program(rng, "hostile")
    for number, case in enumerate(cases(program, rng, REFUSALS)):
        require_refused(verifier, case, rng)
        if number == 0:
            require_starved(verifier, case, STARVING_GAS, STARVING_CALLS)


def missing(branches: Iterable[Branch], taken: Taken) -> list[tuple[Branch, bool]]:
    """Return the sides that were not taken, in order of the source."""
    sides = {(branch, side) for branch in branches for side in (False, True)}
    return sorted(sides - taken)


def table(branches: set[Branch], taken: Taken) -> list[str]:
    """Return a row for each source: its branches, and how many sides were taken."""
    lines = ["| source | branches | sides | taken |", "|---|---|---|---|"]
    for source in sorted({branch.source for branch in branches}):
        own = {branch for branch in branches if branch.source == source}
        left = len(missing(own, taken))
        name = source.removeprefix("src/")
        lines.append(f"| `{name}` | {len(own)} | {2 * len(own)} | {2 * len(own) - left} |")
    left = len(missing(branches, taken))
    total = 2 * len(branches)
    return [*lines, f"| all | {len(branches)} | {total} | {total - left} |"]


def reason_of(branch: Branch, side: bool) -> str | None:
    """Return why a side cannot be taken, or None."""
    return REASONS.get((Path(branch.source).name, branch.condition, side))


def _say(what: str, watched: Watched) -> None:
    left = len(missing(watched.branches, watched.taken))
    print(f"{what}: {left} sides left", file=sys.stderr, flush=True)


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Show which branches the differential run takes.")
    parser.add_argument("--count", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    watched, began = Watched(contracts()), time.monotonic()
    report, rng = (
        prove_some(watched, options.count, options.seed),
        np.random.default_rng(options.seed),
    )
    _say(f"{report.steps} steps", watched)
    refuse(watched, rng)
    _say("refusals", watched)
    pursue(watched, report, rng)
    branches = watched.branches
    for line in table(branches, watched.taken):
        print(line)
    print(f"\n{report.steps:,} steps of {len(report.kinds)} kinds, {report.forgeries:,} forgeries")
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    left = missing(branches, watched.taken)
    unexplained = [(branch, side) for branch, side in left if reason_of(branch, side) is None]
    print("\n| place | never | because |\n|---|---|---|")
    for branch, side in left:
        why = reason_of(branch, side) or "UNEXPLAINED"
        print(f"| `{branch.place}` | `{branch.condition}` is {str(side).lower()} | {why} |")
    given = {(Path(b.source).name, b.condition, side) for b, side in left}
    stale = REASONS.keys() - given
    for entry in sorted(stale):
        print(f"stale reason: {entry}", file=sys.stderr)
    print(f"{len(unexplained)} side(s) neither taken nor explained", file=sys.stderr)
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
