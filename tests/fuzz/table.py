"""All harnesses, in one table."""

from __future__ import annotations

from . import chain, files, local, machine, native, service
from .harness import Harness

HARNESSES: dict[str, Harness] = {
    each.name: each
    for room in (machine, native, chain, files, service, local)
    for each in room.HARNESSES
}
