"""Run the benchmarks: `python -m benchmarks [NAME ...]`, all but the long ones by default."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

NAMES = (
    "executor",
    "encoder",
    "prover",
    "reference",
    "imports",
    "disputes",
    "anvil",
    "miner",
    "rivals",
    "replay",
    "gas",
    "watcher",
    "economics",
    "scale",
    "gateway",
)
# Takes most of an hour.
SOAK = "soak"
# Takes gigabytes, and llama.cpp beside it.
LLAMA = "llama"
LLAMA_OPTIONS = ("layers", "threads", "rounds", "folder")
KNOWN = (*NAMES, SOAK, LLAMA)


def main(arguments: list[str]) -> int:
    """Run the named benchmarks and return the number that missed a target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(KNOWN))
    parser.add_argument("--tasks", type=int, default=1_000, help="of the soak")
    parser.add_argument("--share", type=float, default=0.03, help="of the soak's results, lies")
    parser.add_argument("--layers", type=int, default=4, help="of llama, at most 32")
    parser.add_argument("--threads", type=int, default=1, help="of llama")
    parser.add_argument("--rounds", type=int, default=3, help="of llama; the best counts")
    parser.add_argument("--folder", default="", help="of llama: where its models stay")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in KNOWN]
    if unknown:
        print(f"no benchmark named {', '.join(unknown)}; there are {', '.join(KNOWN)}")
        return 2
    missed = 0
    for name in given.names or NAMES:
        print(f"\n== {name}", flush=True)
        options = {
            SOAK: {"tasks": given.tasks, "share": given.share},
            LLAMA: {name: getattr(given, name) for name in LLAMA_OPTIONS},
        }.get(name, {})
        missed += bool(import_module(f"benchmarks.{name}").main(**options))
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
