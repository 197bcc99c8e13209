"""Fuzz decoders and print what came of it: python -m tests.fuzz [NAME ...] [--seconds N]."""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import dataclass
from pathlib import Path

from . import session
from .table import HARNESSES

_FOLDER = Path("build") / "fuzz"
# `#2048 pulse cov: 210 ft: 460 corp: 61/14Kb exec/s: ...`, of which the last line counts.
_PROGRESS = re.compile(r"^#(\d+)\s+\w+.*?cov: (\d+) ft: (\d+) corp: (\d+)/(\S+)", re.MULTILINE)
_DONE = re.compile(r"^Done \d+ runs in", re.MULTILINE)
_ENDED = re.compile(r"ERROR: libFuzzer: ([\w -]+)|SUMMARY: (.*)")


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one harness. `ended`: what ended the process before its time, or nothing."""

    name: str
    executions: int
    edges: int
    corpus: int
    found: tuple[str, ...]
    seconds: float
    ended: str


def main() -> int:
    """Run the harnesses that are asked for, one after another; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(HARNESSES))
    parser.add_argument("--seconds", type=int, default=60, help="for each harness")
    given = parser.parse_args()
    if unknown := set(given.names) - set(HARNESSES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(HARNESSES)}")
    print(f"{'decoder':<20} {'inputs':>9} {'edges':>6} {'corpus':>6} {'found':>5} {'seconds':>7}")
    rows = []
    for name in given.names or HARNESSES:
        rows.append(row := _run(name, given.seconds))
        shown = f"{row.executions:>9,} {row.edges:>6,} {row.corpus:>6,} {len(row.found):>5}"
        print(f"{name:<20} {shown} {row.seconds:>7.0f}", flush=True)
        for what in (*row.found, *([row.ended] if row.ended else [])):
            print(f"  {what}", flush=True)
    total = sum(row.executions for row in rows)
    print(f"{len(rows)} decoders, {total:,} inputs, {sum(len(r.found) for r in rows)} found")
    return int(any(row.found or row.ended for row in rows))


def _run(name: str, seconds: int) -> Row:
    began = time.monotonic()
    output = session.run(name, seconds, _FOLDER / name)
    executions, edges, _, corpus, _ = (_PROGRESS.findall(output) or [("0",) * 5])[-1]
    return Row(
        name,
        int(executions),
        int(edges),
        int(corpus),
        tuple(line for line in output.splitlines() if line.startswith("FOUND ")),
        time.monotonic() - began,
        # Whatever comes after that is a library that misses the threads of the first process.
        "" if _DONE.search(output) else _reason(output),
    )


def _reason(output: str) -> str:
    """Return why a process ended before its time."""
    said = [one or other for one, other in _ENDED.findall(output)]
    return f"ended: {'; '.join(said) or output[-400:]}"


if __name__ == "__main__":
    raise SystemExit(main())
