"""Compiled contracts that ship with the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from .errors import ArtifactError

CORE = ("ModelRegistry", "StakeManager", "TaskMarket", "DisputeGame", "OneStepProof")
# In the order of OneStepProof's arguments.
PROVERS = ("ControlProver", "ConvProver", "PoolProver", "MapProver", "CopyProver")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: its interface and the code that creates it."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: str


@cache
def load(name: str) -> Artifact:
    """Return the artifact of a contract, or raise ArtifactError."""
    source = files(__package__).joinpath("artifacts", f"{name}.json")
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        return Artifact(name, tuple(content["abi"]), content["bytecode"])
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"the compiled contract {name} cannot be read ({error}); reinstall the package"
        ) from None
