"""Arguments of any function: what exists, what does not, ends of ranges."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from .runs import programs, runs
from .stage import ADDRESS, Stage
from .world import ETHER, Function

UINT = re.compile(r"uint(\d+)")


def draw_arguments(function: Function, stage: Stage, rng: Random) -> list[Any]:
    """Return arguments of the right types."""
    pairs = zip(function.inputs, function.names, strict=True)
    return [draw(kind, name, stage, rng) for kind, name in pairs]


def draw(kind: str, name: str, stage: Stage, rng: Random) -> Any:
    """Return a value of an ABI type, by its name one that may mean something."""
    if kind.endswith("[]"):
        return [draw(kind[:-2], name, stage, rng) for _ in range(rng.randrange(5))]
    if kind.startswith("("):
        return tuple(draw(part, "", stage, rng) for part in kind[1:-1].split(","))
    if kind == "bytes32":
        return rng.choice(_hashes(name, stage) or [rng.randbytes(32)])
    if kind == "address":
        return rng.choice([*ADDRESS.values(), *stage.world.address.values()])
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "bytes":
        return rng.choice([b"", rng.randbytes(rng.randrange(100)), rng.choice(runs()).data])
    if kind == "string":
        return "x" * rng.randrange(40)
    width = UINT.fullmatch(kind)
    assert width is not None, kind
    most = 2 ** int(width[1]) - 1
    now = stage.world.now
    return min(rng.choice([0, 1, 2, 3, now, now + 1000, ETHER, 10 * ETHER, most]), most)


def _hashes(name: str, stage: Stage) -> list[bytes]:
    """Return what a parameter's name means, or anything that is known."""
    known: dict[str, list[bytes]] = {
        "taskId": list(stage.tasks),
        "assertionId": list(stage.assertions),
        "gameId": list(stage.mirror.matches),
        "programRoot": [program.root for program in programs()],
    }
    return known.get(name) or [bytes(32), *(one for ids in known.values() for one in ids)]
