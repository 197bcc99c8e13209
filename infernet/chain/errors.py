"""Errors of the chain seam, split by consequence.

ChainError
├── ChainUnavailable      no chain answers; nothing was sent
├── RetryableChainError   the node failed in passing; what was sent may or may not arrive
│   ├── FeeAboveCap       gas is dearer than the operator allows for what can wait; nothing sent
│   └── NonceTaken        another program sent with the same key; ours was not done
├── InsufficientBalance   an account cannot pay; nothing was sent
├── Reverted              a contract refused; nothing changed
│   └── Overtaken         refused in its block though not before: the chain moved on between
├── DeploymentError       the contracts are not where they should be
└── ArtifactError         the installed package lacks a compiled contract
"""

from __future__ import annotations

from typing import ClassVar


class ChainError(Exception):
    """Root of everything that `infernet.chain` raises. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 4


class ChainUnavailable(ChainError):
    """No chain answers at the given address."""


class RetryableChainError(ChainError):
    """The node failed; look at the chain again before repeating."""


class FeeAboveCap(RetryableChainError):
    """Gas costs more than the limit for what can wait; nothing was sent."""


class NonceTaken(RetryableChainError):
    """A foreign transaction of this account has the nonce: another program uses the key."""


class InsufficientBalance(ChainError):
    """An account holds less than a call needs."""


class DeploymentError(ChainError):
    """An address holds no contract, or other contracts than expected."""


class ArtifactError(ChainError):
    """A compiled contract is missing from the package, or cannot be read."""


class Reverted(ChainError):
    """A contract refused a call. `error` is its custom error's name, empty if it gave none."""

    def __init__(self, call: str, error: str, operands: dict[str, object], advice: str) -> None:
        listed = ", ".join(f"{name} {_show(value)}" for name, value in operands.items())
        reason = f"{error}({listed})" if error else "no reason given"
        super().__init__(f"{call} was refused: {reason}. {advice}")
        self.call = call
        self.error = error
        self.operands = operands
        self.advice = advice


class Overtaken(Reverted):
    """A contract refused in its block what it had allowed before; the gas is spent."""

    def __init__(self, call: str) -> None:
        super().__init__(call, "", {}, "It failed on chain though it passed before; look again.")


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
