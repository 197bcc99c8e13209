"""Models on chain: registration by validation, and what was registered (ModelRegistry.sol)."""

from __future__ import annotations

from collections.abc import Callable

from interpreter.program import Program

from .contract import Contract
from .errors import DeploymentError
from .records import Address, ModelInfo, ProgramRoot, Wei
from .wallet import Wallet

# Few enough for the gas cap of one transaction, whatever the descriptors hold.
CHUNK_DESCRIPTORS = 64

Progress = Callable[[int, int], None]


class Registry(Contract):
    """The programs that may serve."""

    def info(self, root: ProgramRoot) -> ModelInfo:
        """Return what the registry knows of a program."""
        return self.view_struct(ModelInfo, "model", root)

    def deposit(self) -> Wei:
        """Return what a registration costs, for good."""
        return Wei(self.view("depositWei"))

    def floor(self, program: Program) -> Wei:
        """Return the least stake behind a task of a program, registered or not."""
        return Wei(self.view("minimumStakeOf", program.header.most_steps))

    def checked(self, registrant: Address, root: ProgramRoot) -> int | None:
        """Return how many descriptors of a begun registration are checked; None: not begun."""
        begun, operators, _ = self.view("progress", registrant, root)
        return int(operators) if begun else None

    def register(
        self,
        wallet: Wallet,
        program: Program,
        weights_uri: str = "",
        on_progress: Progress | None = None,
    ) -> ModelInfo:
        """Register a program unless it is, chunk by chunk, and return what the registry keeps.

        Goes on where an interrupted registration of the same wallet stopped.
        """
        root = ProgramRoot(program.root)
        total = len(program.operators)
        header = program.header.encode()
        done = self.checked(wallet.address, root)
        while not (info := self.info(root)).registered:
            if done is not None and done >= total:
                raise DeploymentError(
                    f"the registry at {self.address} checked all of program 0x{root.hex()} "
                    "but did not register it; use contracts of this version"
                )
            first = done or 0
            chunk = program.operators[first : first + CHUNK_DESCRIPTORS]
            data = b"".join(operator.encode() for operator in chunk)
            if done is None:
                cost = self.deposit()
                self.send(wallet, "register", header, weights_uri, data, value=cost)
            else:
                self.send(wallet, "extend", header, data)
            done = first + len(chunk)
            if on_progress:
                on_progress(done, total)
        return info
