"""A soak: 1,000 results by honest miners and liars, two fishermen, everybody a process of its own.

Honest players are the commands that users run: `infernet miner run`, `infernet fisherman run`. The
liars are the same programs with lies put in. Needs anvil: `npm ci` in contracts/ installs it.
`python -m benchmarks soak --tasks 40 --share 0.2` plays fewer tasks with more lies.
"""

from .play import main

__all__ = ["main"]
