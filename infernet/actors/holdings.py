"""Models that an actor holds, and how it runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from infernet.backend.footprint import machine_bytes, run_bytes
from infernet.chain.deployment import Contracts
from infernet.chain.records import ProgramRoot
from interpreter.merkle import Hash
from interpreter.program import Header, Program, Step

from .errors import ModelTooLarge, UnregisteredModel

# A run may take this part of the memory; several at once, hashes and all else share the rest.
_SHARE = 2


class Run(Protocol):
    """A run of a program on one input, as its owner tells it."""

    @property
    def output(self) -> bytes:
        """Return the output bytes."""

    @property
    def halted(self) -> bool:
        """Say whether HALT ends the run."""

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step, in the order given."""

    def proof(self, step: Step) -> bytes:
        """Return the one-step proof of `step`."""


class StartRun(Protocol):
    """Starts runs of one program."""

    def __call__(self, data: bytes, iterations: int = 1) -> Run:
        """Return a run on an input."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A model that an actor can run. `start_run`: from input bytes to a run."""

    header: Header
    start_run: StartRun


Holdings = Mapping[ProgramRoot, Holding]


def hold(contracts: Contracts, program: Program, start_run: StartRun) -> Holdings:
    """Return the holding of one program by its root; raises UnregisteredModel or ModelTooLarge."""
    require_room(program)
    root = ProgramRoot(program.root)
    if not contracts.registry.info(root).registered:
        raise UnregisteredModel(
            f"program root 0x{root.hex()} is not in the registry at {contracts.registry.address}; "
            "register this model, or take the model whose root is registered"
        )
    return {root: Holding(program.header, start_run)}


def require_room(program: Program) -> None:
    """Raise ModelTooLarge unless this machine can run a program, and dispute what it gives."""
    needed, given = run_bytes(program), machine_bytes() // _SHARE
    if needed > given:
        raise ModelTooLarge(
            f"the tensors of program root 0x{program.root.hex()} take {needed / 1e9:.1f} GB, and a "
            f"run may take {given / 1e9:.1f} GB here, half of the memory; take this model out of "
            "your settings, or run it on a larger machine"
        )
