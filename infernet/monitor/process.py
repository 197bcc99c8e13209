"""What the system knows of a process: whether it runs a player, and how much memory it takes."""

from __future__ import annotations

import os
from pathlib import Path


def holder_of(lock: Path) -> int | None:
    """Return the process that holds a lock file, None if nobody does or the system does not tell.

    Only looks, so that a player which starts at this moment gets its lock.
    """
    try:
        inode = lock.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        # Number, kind, mode, access, process, major:minor:inode, range.
        fields = line.split()
        if fields[1] == "FLOCK" and int(fields[5].rsplit(":", 1)[1]) == inode:
            return int(fields[4])
    return None


def memory_bytes(process: int | None = None) -> int | None:
    """Return the memory that a process occupies (default: this one), None where nobody tells."""
    try:
        text = Path(f"/proc/{process or 'self'}/statm").read_text(encoding="ascii")
    except OSError:
        return None
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
