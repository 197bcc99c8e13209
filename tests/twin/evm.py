"""The shipped bytecode in an in-process EVM: one call, one answer, nothing kept between calls.

Contracts.deploy() → .prove(...), .register(...), .model(...)
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from eth_abi.abi import decode, encode
from eth_utils.abi import function_signature_to_4byte_selector
from pyrevm import EVM, BlockEnv

from infernet.chain.artifacts import PROVERS
from interpreter.merkle import digest

SPEC = "PRAGUE"
SENDER = "0x" + "11" * 20
BALANCE_WEI = 10**24
DEPOSIT_WEI = 7
STAKE_BASE_WEI, STAKE_PER_BIT_WEI = 700, 1000
CALL_GAS = 16_777_216
# A revert carries data, running out of gas none; whatever else fails is a fault of the test.
FAILURE = re.compile(r"Revert \{.*output: 0x(?P<output>[0-9a-f]*)|Halt \{ reason: OutOfGas")


class Reverted(Exception):
    """A call reverted; `data` is what it returned."""

    def __init__(self, data: bytes) -> None:
        super().__init__(f"reverted with {data.hex() or 'no data'}")
        self.data = data


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned and what its transaction cost: calldata floor and base cost included."""

    data: bytes
    gas: int


@cache
def artifact(name: str) -> dict[str, Any]:
    """Return a shipped artifact."""
    text = files("infernet.chain").joinpath(f"artifacts/{name}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def selector(signature: str) -> bytes:
    """Return the four bytes that name a function or an error."""
    return bytes(function_signature_to_4byte_selector(signature))


def proof_call(root: bytes, iterations: int, step: int, proof: bytes) -> bytes:
    """Return the calldata of a one-step proof."""
    words = root + iterations.to_bytes(32) + step.to_bytes(32) + (128).to_bytes(32)
    tail = len(proof).to_bytes(32) + proof + bytes(-len(proof) % 32)
    return selector("prove(bytes32,uint32,uint64,bytes)") + words + tail


class Verifier(Protocol):
    """Whatever executes a one-step proof as the contract does."""

    def prove(
        self, root: bytes, iterations: int, step: int, proof: bytes, gas: int = CALL_GAS
    ) -> tuple[bytes, bytes, int]:
        """Return the pre- and post-state hash and the gas; raise Reverted if it is refused."""


class Contracts:
    """The verifier with its provers, and the registry."""

    def __init__(self, spec: str = SPEC) -> None:
        self.spec = spec
        self.evm = EVM(spec_id=spec)
        self.evm.set_block_env(BlockEnv(gas_limit=10**9))
        self.evm.set_balance(SENDER, BALANCE_WEI)
        provers = [self.deploy(name) for name in PROVERS]
        self.verifier = self.deploy("OneStepProof", ["address[10]"], [provers])
        self.registry = self.deploy(
            "ModelRegistry",
            ["uint256", "uint96", "uint96"],
            [DEPOSIT_WEI, STAKE_BASE_WEI, STAKE_PER_BIT_WEI],
        )

    def deploy(self, name: str, types: list[str] | None = None, values: Any = ()) -> str:
        """Deploy a shipped contract and return its address."""
        code = bytes.fromhex(artifact(name)["bytecode"][2:]) + encode(types or [], list(values))
        address: str = self.evm.deploy(SENDER, code)
        return address

    def call(self, to: str, data: bytes, value: int = 0, gas: int = CALL_GAS) -> Answer:
        """Send a transaction; raise Reverted if it fails."""
        try:
            output = bytes(self.evm.message_call(SENDER, to, calldata=data, value=value, gas=gas))
        except RuntimeError as error:
            failure = FAILURE.match(str(error))
            if failure is None:
                raise
            raise Reverted(bytes.fromhex(failure["output"] or "")) from None
        result = self.evm.result
        assert result is not None
        return Answer(output, max(result.gas_used, self.floor(data)))

    def floor(self, data: bytes) -> int:
        """Return the least gas of a transaction with this calldata (EIP-7623); 0 before Prague."""
        nonzero = len(data) - data.count(0)
        return 21_000 + 10 * len(data) + 30 * nonzero if self.spec == SPEC else 0

    def prove(
        self, root: bytes, iterations: int, step: int, proof: bytes, gas: int = CALL_GAS
    ) -> tuple[bytes, bytes, int]:
        """Return the pre- and post-state hash and the gas of a one-step proof."""
        answer = self.call(self.verifier, proof_call(root, iterations, step, proof), gas=gas)
        assert len(answer.data) == 64
        return answer.data[:32], answer.data[32:], answer.gas

    def register(self, header: bytes, descriptors: bytes, value: int = DEPOSIT_WEI) -> Answer:
        """Begin a registration with its first descriptors."""
        data = encode(["bytes", "string", "bytes"], [header, "test:", descriptors])
        return self.call(self.registry, selector("register(bytes,string,bytes)") + data, value)

    def extend(self, header: bytes, descriptors: bytes) -> Answer:
        """Check further descriptors."""
        data = encode(["bytes", "bytes"], [header, descriptors])
        return self.call(self.registry, selector("extend(bytes,bytes)") + data)

    def accepts(self, header: bytes, descriptors: Sequence[bytes]) -> bool:
        """Say whether the registry registers a program; nothing is kept."""
        checkpoint = self.evm.snapshot()
        try:
            self.register(header, b"".join(descriptors))
            return bool(self.model(digest(header))["registered"])
        except Reverted:
            return False
        finally:
            self.evm.revert(checkpoint)

    def model(self, root: bytes) -> dict[str, Any]:
        """Return what the registry tells the market of a program."""
        data = self.call(self.registry, selector("model(bytes32)") + root).data
        function = next(e for e in artifact("ModelRegistry")["abi"] if e.get("name") == "model")
        parts = function["outputs"][0]["components"]
        kind = "(" + ",".join(part["type"] for part in parts) + ")"
        (values,) = decode([kind], data)
        return {part["name"]: value for part, value in zip(parts, values, strict=True)}
