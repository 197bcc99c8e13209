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
PROVERS = (
    "ControlProver",
    "ConvProver",
    "PoolProver",
    "MapProver",
    "CopyProver",
    "MatmulProver",
    "ReduceProver",
    "RowProver",
    "TableProver",
    "TokenProver",
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: its interface, the code that creates it and the code that stays.

    `immutables`: where in `code` the values fixed at deployment stand, as (start, bytes).
    """

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: str
    code: bytes
    immutables: tuple[tuple[int, int], ...]

    def masked(self, code: bytes) -> bytes:
        """Return deployed code without the values fixed at deployment."""
        parts = bytearray(code)
        for start, size in self.immutables:
            parts[start : start + size] = bytes(size)
        return bytes(parts)


@cache
def load(name: str) -> Artifact:
    """Return the artifact of a contract, or raise ArtifactError."""
    source = files(__package__).joinpath("artifacts", f"{name}.json")
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        return Artifact(
            name,
            tuple(content["abi"]),
            content["bytecode"],
            bytes.fromhex(content["deployedBytecode"][2:]),
            tuple((start, size) for start, size in content["immutables"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"the compiled contract {name} cannot be read ({error}); reinstall the package"
        ) from None
