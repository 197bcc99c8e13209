"""How much memory a run takes, and how much this machine has."""

from __future__ import annotations

import os
from pathlib import Path

from interpreter.operators import Begin, Free, decode
from interpreter.program import Program

from .pauses import shown_limit

# Where Linux says what a container may take, in its newer and its older way.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def run_bytes(program: Program) -> int:
    """Return the most bytes that the tensors of a run take at once; constants stay on disk.

    Besides what lives, a copy of what each operator of an iteration stores, as far as a dispute
    keeps those at once.
    """
    header = program.header
    sizes = {header.input_slot: header.input_type.byte_count}
    live = most = sizes[header.input_slot]
    stored = 0
    for operator in program.operators:
        instruction = decode(operator)
        match instruction:
            case Begin(dst=dst, kind=kind):
                sizes[dst] = kind.byte_count
                live += sizes[dst]
                most = max(most, live)
            case Free(dst=dst):
                live -= sizes.pop(dst)
            case _:
                if target := instruction.destination:
                    stored += target.kind.byte_count
    return most + min(stored, shown_limit(most))


def machine_bytes() -> int:
    """Return the memory of this machine, or what its container may take of it."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_limits()])


def _limits() -> list[int]:
    found = []
    for name in _LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return found
