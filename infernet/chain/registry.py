"""Models on chain: registration by validation, and what was registered (ModelRegistry.sol)."""

from __future__ import annotations

from .contract import Contract
from .records import ModelInfo, ProgramRoot


class Registry(Contract):
    """The programs that may serve."""

    def info(self, root: ProgramRoot) -> ModelInfo:
        """Return what the registry knows of a program."""
        return self.view_struct(ModelInfo, "model", root)
