"""All harnesses, in one table."""

from __future__ import annotations

from . import machine
from .harness import Harness

HARNESSES: dict[str, Harness] = {each.name: each for each in (*machine.HARNESSES,)}
