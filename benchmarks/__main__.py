"""Run the benchmarks: `python -m benchmarks [NAME ...]`, all of them by default."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("executor", "prover", "reference", "imports", "disputes", "anvil", "miner", "rivals")


def main(wanted: list[str]) -> int:
    """Run the named benchmarks and return the number that missed a target."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"no benchmark named {', '.join(unknown)}; there are {', '.join(NAMES)}")
        return 2
    missed = 0
    for name in wanted or NAMES:
        print(f"\n== {name}", flush=True)
        missed += bool(import_module(f"benchmarks.{name}").main())
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
