"""Play the tamper matrix.

    python -m tests.tamper [--only PATTERN] [--write]

Prints the table, a line of progress for each row beside it; fails where a row shows a fault.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from time import perf_counter

from .case import Outcome
from .lie import Lie
from .matrix import ROWS, play
from .page import PAGE, table, text


def main(arguments: Sequence[str] | None = None) -> int:
    """Play rows; return how many are at fault, 2 where they cannot be played."""
    parser = argparse.ArgumentParser(prog="python -m tests.tamper")
    parser.add_argument("--only", metavar="PATTERN", help="play lies whose name has it, a regex")
    parser.add_argument("--write", action="store_true", help=f"write docs/security/{PAGE.name}")
    given = parser.parse_args(arguments)
    if given.only and given.write:
        parser.error("--write needs all rows: leave --only out")
    if "INFERNET_TEST_DATA" not in os.environ:
        parser.error("INFERNET_TEST_DATA is not set: name the folder of real models")
    lies = [lie for lie in ROWS if not given.only or re.search(given.only, lie.name)]
    if not lies:
        parser.error(f"no lie's name has {given.only!r} in it")
    played = _played(lies)
    print(table(played.values()))
    faulty = [lie.name for lie, outcome in played.values() if outcome.faults]
    if given.write and not faulty:
        PAGE.write_text(text(played))
    print(f"{len(played)} lies, {len(faulty)} at fault", *faulty, sep="\n  ", file=sys.stderr)
    return 1 if faulty else 0


def _played(lies: Sequence[Lie]) -> dict[str, tuple[Lie, Outcome]]:
    found, began = {}, perf_counter()
    for number, (lie, outcome) in enumerate(play(lies), 1):
        found[lie.name] = lie, outcome
        said = "; ".join(outcome.faults) or outcome.verdict
        seconds = perf_counter() - began
        print(f"{number}/{len(lies)} {seconds:4.0f} s  {lie.name}: {said}", file=sys.stderr)
    return found


if __name__ == "__main__":
    sys.exit(main())
