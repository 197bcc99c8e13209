"""Prove everything, or what is named: `python -m tests.formal [NAME …] [--table]`.

Exits with 1 if a goal is not proven or a planted fault not refuted.
"""

from __future__ import annotations

import argparse
import sys
import time

from .solidity import Node
from .theorem import Outcome, Theorem, is_refuted, prove, trees_of
from .theorems import THEOREMS


def table() -> str:
    """Return the theorems as the table of docs/security/formal.md."""
    lines = ["| theorem | source | says | proven for |", "|---|---|---|---|"]
    lines += [f"| {t.name} | `{t.source}` | {t.says} | {t.ranges} |" for t in THEOREMS]
    return "\n".join(lines)


def main() -> int:
    """Prove and print; return the exit status."""
    parser = argparse.ArgumentParser(description="Prove the arithmetic of the contracts.")
    parser.add_argument("names", nargs="*", help="theorems; all if none is named")
    parser.add_argument("--table", action="store_true", help="print the theorems and prove nothing")
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
        return 0
    chosen = [t for t in THEOREMS if not arguments.names or t.name in arguments.names]
    trees = trees_of(chosen)
    sound = [_is_sound(theorem, trees) for theorem in chosen]
    return 0 if all(sound) else 1


def _is_sound(theorem: Theorem, trees: dict[str, Node]) -> bool:
    begun = time.monotonic()
    findings = prove(theorem, trees[theorem.unit])
    open_goals = [f for f in findings if f.outcome is not Outcome.PROVEN]
    survivors = [
        mutant
        for index, mutant in enumerate(theorem.mutants)
        if not is_refuted(theorem, trees[theorem.mutant_unit(index)])
    ]
    seconds = time.monotonic() - begun
    proven, refuted = len(findings) - len(open_goals), len(theorem.mutants) - len(survivors)
    print(
        f"{theorem.name:13} {proven:3}/{len(findings):<3} goals proven  "
        f"{refuted}/{len(theorem.mutants)} planted faults refuted  {seconds:6.1f} s",
        flush=True,
    )
    for finding in open_goals:
        print(f"  {finding.outcome.value}: {finding.goal.about}")
    for mutant in survivors:
        print(f"  survives: {mutant.planted}")
    return not open_goals and not survivors


if __name__ == "__main__":
    sys.exit(main())
