"""The verifier in an EVM that notes which way every branch goes.

It answers as `evm.Contracts.prove` does; its code is the unoptimised one of `branches`.
"""

from __future__ import annotations

from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.exceptions import OutOfGas, Revert
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.state import PragueState
from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext

from .branches import JUMPI, Branch, Compiled
from .evm import Reverted, proof_call

SENDER = b"\x11" * 20
# Unoptimised code takes several times the gas of what ships.
GAS = 100_000_000

Taken = set[tuple[Branch, bool]]
"""Branches with what their condition was."""


def address_of(number: int) -> bytes:
    """Return the address of the `number`-th contract."""
    return (0xC0DE00 + number).to_bytes(20)


class Watched:
    """Contracts whose branches are noted; the first one's immutables are the others' addresses."""

    def __init__(self, compiled: list[Compiled]) -> None:
        self.compiled = compiled
        self.taken: Taken = set()
        context = ExecutionContext(b"\0" * 20, 1, 1, 0, b"\0" * 32, 10**9, (), 1, 0, 0)  # type: ignore[arg-type]
        self.state = PragueState(AtomicDB(), context, BLANK_ROOT_HASH)
        contracts = {}
        for number, contract in enumerate(compiled):
            code = bytearray(contract.code)
            for place, starts in enumerate(contract.immutables, 1):
                for start in starts:
                    code[start : start + 32] = bytes(12) + address_of(place)
            self.state.set_code(address_of(number), bytes(code))  # type: ignore[arg-type]
            contracts[address_of(number)] = contract
        self.computation = watching(self.state.computation_class, contracts, self.taken)

    @property
    def branches(self) -> set[Branch]:
        """Return every branch of the contracts."""
        every = (branch for one in self.compiled for branch in one.branches.values())
        return {branch for branch in every if branch is not None}

    def call(self, data: bytes, gas: int = GAS) -> bytes:
        """Return what the first contract answers; raise Reverted if it reverts."""
        first: Any = address_of(0)
        code = self.state.get_code(first)
        message = Message(gas, first, SENDER, 0, data, code)  # type: ignore[arg-type]
        origin: Any = SENDER
        done = self.computation.apply_message(
            self.state, message, BaseTransactionContext(0, origin)
        )
        if done.is_error:
            if not isinstance(done.error, Revert | OutOfGas):
                raise done.error
            raise Reverted(bytes(done.output))
        return bytes(done.output)

    def prove(
        self, root: bytes, iterations: int, step: int, proof: bytes, gas: int = GAS
    ) -> tuple[bytes, bytes, int]:
        """Return the pre- and post-state hash of a one-step proof, and 0 for its gas."""
        data = self.call(proof_call(root, iterations, step, proof), gas)
        return data[:32], data[32:], 0


def watching(base: Any, contracts: dict[bytes, Compiled], taken: Taken) -> Any:
    """Return a kind of computation that adds each branch of the contracts to `taken`."""
    jumpi = base.opcodes[JUMPI]

    def watch(computation: Any) -> None:
        after = computation.code.program_counter
        jumpi(computation=computation)
        branch = contracts[computation.msg.code_address].branches[after - 1]
        if branch is not None:
            has_jumped = computation.code.program_counter != after
            taken.add((branch, has_jumped == branch.jumps_if))

    return type("Watching", (base,), {"opcodes": {**base.opcodes, JUMPI: watch}})
