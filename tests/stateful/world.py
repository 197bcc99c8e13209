"""The shipped contracts in an in-process EVM: accounts, time, calls by name.

World() → .send(sender, "commit", ...) → what the function returned, or Refused
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from pyrevm import EVM, BlockEnv

from infernet.chain.artifacts import PROVERS
from interpreter.program import Program
from tests.twin.evm import CALL_GAS, artifact

ETHER, GWEI = 10**18, 10**9
FUNDS_WEI = 1000 * ETHER
BEGINNING = 1_700_000_000
# Refunds follow it; what the transactions themselves cost is left out.
BASE_FEE_WEI = 20 * GWEI
# A legal move is made or refused by the contract alone; gas below the floor is the node's matter.
FAILED = re.compile(r"Revert \{.*output: 0x([0-9a-f]*)|Halt \{ reason: (OutOfGas)")
CONTRACTS = ("StakeManager", "TaskMarket", "DisputeGame", "ModelRegistry")
# windowSeconds, assertSeconds, revealSeconds, claimPenaltyBps, revealBaseFeeWei
MARKET = (600, 300, 200, 1000, 100 * GWEI)
# arity, openSeconds, clockSeconds, graceSeconds, stepsPerClockSecond, bonds, gas of refunds
ARITY, OPEN, CLOCK, GRACE = 4, 120, 200, 20
GAME = (ARITY, OPEN, CLOCK, GRACE, 50_000_000, ETHER // 50, ETHER // 200, 83_000, 300_000)
REGISTRATION_WEI = ETHER // 10
STAKE_BASE_WEI, STAKE_PER_BIT_WEI = 3 * ETHER // 10, ETHER // 20
DEPLOYER = "0x" + "dd" * 20


class Refused(Exception):
    """The contract refused a call by `name`, and changed nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def kind_of(part: dict[str, Any]) -> str:
    """Return a parameter's ABI type, tuples written out."""
    kind: str = part["type"]
    if kind.startswith("tuple"):
        inner = ",".join(kind_of(each) for each in part["components"])
        return f"({inner}){kind[5:]}"
    return kind


class Function:
    """A function of a contract."""

    def __init__(self, contract: str, entry: dict[str, Any]) -> None:
        self.contract, self.name = contract, entry["name"]
        self.inputs = [kind_of(part) for part in entry["inputs"]]
        self.outputs = [kind_of(part) for part in entry["outputs"]]
        self.names = [part["name"] for part in entry["inputs"]]
        self.fields = [part.get("components", []) for part in entry["outputs"]]
        self.selector = keccak(text=f"{self.name}({','.join(self.inputs)})")[:4]
        self.is_view = entry["stateMutability"] in ("view", "pure")
        self.is_payable = entry["stateMutability"] == "payable"


@cache
def functions() -> dict[str, Function]:
    """Return the contracts' functions by name; a name that two have stands for the first's."""
    found: dict[str, Function] = {}
    for contract in CONTRACTS:
        for entry in artifact(contract)["abi"]:
            if entry["type"] == "function":
                found.setdefault(entry["name"], Function(contract, entry))
                found[f"{contract}.{entry['name']}"] = Function(contract, entry)
    return found


@cache
def errors() -> dict[bytes, str]:
    """Return the names of the contracts' errors by their first four bytes."""
    entries = [e for name in (*CONTRACTS, "OneStepProof", *PROVERS) for e in artifact(name)["abi"]]
    signatures = {
        f"{e['name']}({','.join(kind_of(part) for part in e['inputs'])})": e["name"]
        for e in entries
        if e["type"] == "error"
    }
    return {keccak(text=text)[:4]: name for text, name in signatures.items()}


class World:
    """A deployment, its clock, and how often each function was called and succeeded."""

    def __init__(self, guardian: str) -> None:
        self.evm = EVM(spec_id="PRAGUE")
        self.now, self.block = BEGINNING, 1
        self.called: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._set_block()
        self.evm.set_balance(DEPLOYER, FUNDS_WEI)
        provers = [self._deploy(name) for name in PROVERS]
        verifier = self._deploy("OneStepProof", provers)
        registry = self._deploy(
            "ModelRegistry", REGISTRATION_WEI, STAKE_BASE_WEI, STAKE_PER_BIT_WEI
        )
        vault = self._deploy("StakeManager")
        market = self._deploy("TaskMarket", vault, registry, guardian, MARKET)
        game = self._deploy("DisputeGame", vault, market, verifier, GAME)
        addresses = (vault, market, game, registry)
        self.address = dict(zip(CONTRACTS, addresses, strict=True))
        self.send(DEPLOYER, "StakeManager.initialise", market, game)
        self.send(DEPLOYER, "TaskMarket.initialise", game)

    def register(self, program: Program) -> None:
        """Have a program checked and registered by the contract."""
        descriptors = b"".join(operator.encode() for operator in program.operators)
        arguments = program.header.encode(), "", descriptors
        self.send(DEPLOYER, "register", *arguments, value=REGISTRATION_WEI)

    def fund(self, account: str, deposited_wei: int) -> None:
        """Give an account its money, some of it in the vault."""
        self.evm.set_balance(account, FUNDS_WEI)
        self.send(account, "deposit", value=deposited_wei)

    def pass_time(self, seconds: int) -> None:
        """Let the next transaction be in a later block."""
        self.now += seconds
        self.block += 1
        self._set_block()

    def send(
        self, sender: str, name: str, *arguments: Any, value: int = 0, gas: int | None = None
    ) -> Any:
        """Send a transaction and return what the function returns; raise Refused if it reverts.

        `gas`: for the call itself, above what the transaction costs by its bytes.
        """
        function = functions()[name]
        data = function.selector + encode(function.inputs, list(arguments))
        zeros = data.count(0)
        least = 21_000 + max(10 * zeros + 40 * (len(data) - zeros), 0)
        limit = CALL_GAS if gas is None else least + gas
        self.called[f"{function.contract}.{function.name}"] += 1
        answer = self._call(sender, function, data, value, limit)
        self.done[f"{function.contract}.{function.name}"] += 1
        return answer

    def view(self, name: str, *arguments: Any) -> Any:
        """Return what a view returns; a struct comes as a dict."""
        function = functions()[name]
        data = function.selector + encode(function.inputs, list(arguments))
        found = self._call(DEPLOYER, function, data, 0, CALL_GAS)
        if len(function.fields) == 1 and function.fields[0]:
            return {part["name"]: one for part, one in zip(function.fields[0], found, strict=True)}
        return found

    def balance(self, account: str) -> int:
        """Return the wei that an account has outside the vault."""
        return int(self.evm.get_balance(account))

    def _call(self, sender: str, function: Function, data: bytes, value: int, gas: int) -> Any:
        to = self.address[function.contract]
        try:
            output = self.evm.message_call(sender, to, calldata=data, value=value, gas=gas)
        except RuntimeError as error:
            failed = FAILED.search(str(error))
            if failed is None:
                raise
            reason = bytes.fromhex(failed[1] or "")
            raise Refused(errors().get(reason[:4], failed[2] or reason.hex())) from None
        found = decode(function.outputs, bytes(output))
        return found[0] if len(found) == 1 else found

    def _deploy(self, name: str, *values: Any) -> str:
        entries = artifact(name)["abi"]
        inputs = [e["inputs"] for e in entries if e["type"] == "constructor"]
        kinds = [kind_of(part) for part in inputs[0]] if inputs else []
        if kinds == ["address[10]"]:
            values = (list(values[0]),)
        code = bytes.fromhex(artifact(name)["bytecode"][2:]) + encode(kinds, values)
        address: str = self.evm.deploy(DEPLOYER, code)
        return address

    def _set_block(self) -> None:
        block = BlockEnv(
            number=self.block, timestamp=self.now, gas_limit=10**9, basefee=BASE_FEE_WEI
        )
        self.evm.set_block_env(block)
