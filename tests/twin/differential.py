"""Execute 1,000,000 instructions in Python and in Solidity: `python -m tests.twin.differential`.

The run is made of parts, each with a seed of its own, so that whatever fails can be repeated alone.
Prints a line for each part, and at the end what ran of each kind of step. Exits 1 on a mismatch.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from interpreter.errors import InvalidWitness

from .bulk import Report, prove_many
from .evm import Contracts, Reverted
from .extremes import draw_extreme, extreme_step
from .sequence_extremes import RECIPES

RANDOM_STEPS = 6_000
SEQUENCE_STEPS = 3_000
EXTREME_STEPS = 1_000
PART_STEPS = RANDOM_STEPS + SEQUENCE_STEPS + EXTREME_STEPS
FORGE_EACH = 10


@dataclass(frozen=True, slots=True)
class Part:
    """What became of the part of a seed; `fault` says how the twins differed."""

    seed: int
    report: Report
    seconds: float
    fault: str | None = None

    @property
    def line(self) -> str:
        """Return what there is to say of the part."""
        if self.fault:
            return f"seed {self.seed}: {self.fault}"
        done = f"{self.report.steps:,} steps, {self.report.forgeries:,} forgeries"
        return f"seed {self.seed}: {done}, {self.seconds:.0f} s"


def prove_part(seed: int, forge_each: int = FORGE_EACH, share: int = 1) -> Report:
    """Prove the steps that a seed means, or their `share`-th part; raise if the twins differ.

    Programs of every operator in turns, programs of one sequence operator, and steps of the largest
    programs that can be registered.
    """
    report = prove_many(RANDOM_STEPS // share, seed, forge_each=forge_each)
    report.add(prove_many(SEQUENCE_STEPS // share, seed, 150, forge_each, only_sequences=True))
    contracts, rng = Contracts(), np.random.default_rng(seed)
    for number in range(EXTREME_STEPS // share):
        drawn = draw_extreme(rng, RECIPES) if number % 2 else draw_extreme(rng)
        report.prove_extreme(contracts, extreme_step(*drawn, rng, is_zero=number % 8 == 0))
    return report


def judge(seed: int, forge_each: int) -> Part:
    """Run the part of a seed; whatever it raises is its fault."""
    began = time.monotonic()
    try:
        report = prove_part(seed, forge_each)
    except (AssertionError, Reverted, InvalidWitness, RuntimeError) as error:
        fault = f"{type(error).__name__}: {error}"
        return Part(seed, Report(), time.monotonic() - began, fault)
    return Part(seed, report, time.monotonic() - began)


def run(seeds: range, forge_each: int, processes: int) -> Iterator[Part]:
    """Yield the parts as they end."""
    if processes == 1:
        yield from (judge(seed, forge_each) for seed in seeds)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        parts: list[Future[Part]] = [pool.submit(judge, seed, forge_each) for seed in seeds]
        for part in as_completed(parts):
            yield part.result()


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Execute steps in Python and in Solidity.")
    parser.add_argument("--parts", type=int, default=100, help=f"of {PART_STEPS:,} steps each")
    parser.add_argument("--seed", type=int, default=1, help="of the first part")
    parser.add_argument("--forge-each", type=int, default=FORGE_EACH, help="forge every N-th step")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began, total, failed = time.monotonic(), Report(), []
    seeds = range(options.seed, options.seed + options.parts)
    for number, part in enumerate(run(seeds, options.forge_each, options.processes), 1):
        print(f"part {number} of {options.parts}, {part.line}", flush=True)
        total.add(part.report)
        if part.fault:
            failed.append(part.seed)
    total.show(time.monotonic() - began)
    print(f"{len(failed)} of {options.parts} part(s) with a mismatch")
    for seed in failed:
        again = f"--seed {seed} --parts 1 --forge-each {options.forge_each} --processes 1"
        print(f"repeat: python -m tests.twin.differential {again}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
