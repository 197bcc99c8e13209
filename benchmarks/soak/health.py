"""Memory and open files of processes over time, and the rule by which they are flat."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_SAMPLE_SECONDS = 5.0
# What the line through the second half of the samples may rise over that half.
LARGEST_GROWTH = 0.03
MORE_FILES = 4
_FIELD = re.compile(r"^(Rss|Pss):\s+(\d+) kB", re.MULTILINE)


@dataclass(slots=True)
class Health:
    """Samples of one process: memory in KiB, resident and as its share of what is shared."""

    rss: list[int] = field(default_factory=list)
    pss: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self, pid: int) -> None:
        """Note how the process does; one that has ended adds nothing."""
        proc = Path(f"/proc/{pid}")
        try:
            found = dict(_FIELD.findall((proc / "smaps_rollup").read_text()))
            files = len(list((proc / "fd").iterdir()))
        except OSError:
            return
        if found:
            self.rss.append(int(found["Rss"]))
            self.pss.append(int(found["Pss"]))
            self.files.append(files)

    @property
    def is_flat(self) -> bool:
        """Say whether memory and files stayed as they were in the second half."""
        half = len(self.files) // 2
        if half < 2:
            return False
        more = max(self.files[half:]) - max(self.files[:half])
        return growth(self.rss) <= LARGEST_GROWTH and more <= MORE_FILES


def growth(samples: list[int]) -> float:
    """Return by which share the line fitted to the second half of samples rises over it."""
    late = samples[len(samples) // 2 :]
    slope, start = np.polyfit(np.arange(len(late)), late, 1)
    return float(slope * (len(late) - 1) / start)


def watch(processes: Iterable[tuple[int, Health]], stop: threading.Event) -> None:
    """Sample processes until `stop` is set."""
    watched = list(processes)
    while not stop.wait(_SAMPLE_SECONDS):
        for pid, health in watched:
            health.sample(pid)
