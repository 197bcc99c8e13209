"""The real contracts on an embedded chain: accounts, transactions, time and events.

The chain is py-evm with the Prague rules, so receipts hold the calldata floor of EIP-7623.
"""

from __future__ import annotations

import ast
import json
import warnings
from dataclasses import dataclass
from importlib import resources
from itertools import count
from typing import Any

from eth_tester.exceptions import TransactionFailed
from web3 import EthereumTesterProvider, Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError, Web3Exception
from web3.logs import DISCARD

from bisection.game import Assertion, Player
from infernet.chain.artifacts import PROVERS
from tests.steady import steady_tester

GAS_LIMIT = 16_700_000
ETHER, GWEI = 10**18, 10**9
DEPOSIT_WEI = ETHER // 20
OPEN_SECONDS = 3600
GRACE_SECONDS = 60
PRODUCTION_ARITY = 28


@dataclass(frozen=True)
class Sent:
    """A transaction that was mined."""

    kind: str
    sender: str
    gas: int
    calldata_bytes: int


class Refused(Exception):
    """The chain refused a transaction; nothing changed."""


class Chain:
    """A chain with the contracts on it and a few funded accounts."""

    def __init__(self, arity: int = PRODUCTION_ARITY, clock_seconds: int = 600) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.provider = EthereumTesterProvider(steady_tester())
            self.web3 = Web3(self.provider)
        self.deployer, self.requester, self.executor, self.challenger, *_ = self.web3.eth.accounts
        self.accounts = {Player.EXECUTOR: self.executor, Player.CHALLENGER: self.challenger}
        self.errors: dict[str, str] = {}
        self.nonces = count()
        self.arity = arity
        self.gas_limit = GAS_LIMIT
        self.receipts: list[Any] = []
        self.assertions: dict[bytes, Assertion] = {}
        self._deploy(clock_seconds)

    def _deploy(self, clock_seconds: int) -> None:
        self.vault = self._create("StakeManager")
        provers = [self._create(name).address for name in PROVERS]
        self.verifier = self._create("OneStepProof", provers)
        self.registry = self._create("ModelRegistry", DEPOSIT_WEI, 0, ETHER // 50)
        hour, window = 3600, 10**7
        market = (window, hour, hour, 1000, 100 * GWEI)
        terms = (OPEN_SECONDS, clock_seconds, GRACE_SECONDS, 50_000_000)
        game = (self.arity, *terms, ETHER // 50, ETHER // 200, 83_000, 300_000)
        vault, registry = self.vault.address, self.registry.address
        self.market = self._create("TaskMarket", vault, registry, self.deployer, market)
        addresses = (vault, self.market.address, self.verifier.address)
        self.game = self._create("DisputeGame", *addresses, game)
        self.send("initialise", self.deployer, self.vault, self.market.address, self.game.address)
        self.send("initialise", self.deployer, self.market, self.game.address)
        for account in (self.requester, self.executor, self.challenger):
            self.send("deposit", account, self.vault, value=100_000 * ETHER)

    def _create(self, name: str, *arguments: object) -> Contract:
        path = resources.files("infernet.chain") / "artifacts" / f"{name}.json"
        artifact = json.loads(path.read_text())
        for entry in artifact["abi"]:
            if entry["type"] == "error":
                types = ",".join(each["type"] for each in entry["inputs"])
                signature = f"{entry['name']}({types})"
                self.errors[Web3.keccak(text=signature)[:4].hex()] = entry["name"]
        factory = self.web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        call = factory.constructor(*arguments)
        digest = call.transact({"from": self.deployer, "gas": GAS_LIMIT})
        receipt = self.web3.eth.get_transaction_receipt(digest)
        assert receipt["status"] == 1, f"{name} was not deployed"
        return self.web3.eth.contract(receipt["contractAddress"], abi=artifact["abi"])

    # Transactions and time

    def send(
        self, name: str, sender: str, contract: Contract, *arguments: object, value: int = 0
    ) -> Sent:
        """Send one transaction; raise Refused with the contract's error if it reverts."""
        call = contract.functions[name](*arguments)
        settings = {"from": sender, "gas": self.gas_limit, "value": value}
        try:
            digest = call.transact(settings)
        except (TransactionFailed, ContractLogicError, Web3Exception) as error:
            raise Refused(self._explain(error)) from None
        receipt = self.web3.eth.get_transaction_receipt(digest)
        if receipt["status"] != 1:
            raise Refused(self._reason(call, settings))
        self.receipts.append(receipt)
        data = bytes.fromhex(contract.encode_abi(name, arguments)[2:])
        return Sent(name, sender, receipt["gasUsed"], len(data))

    def _reason(self, call: Any, settings: dict[str, Any]) -> str:
        try:
            call.call(settings)
        except (TransactionFailed, ContractLogicError, Web3Exception) as error:
            return self._explain(error)
        return "reverted without a reason"

    def _explain(self, error: Exception) -> str:
        """Return the name of the custom error, or the message as it came."""
        text = str(error)
        _, found, raw = text.partition("execution reverted: ")
        data = ast.literal_eval(raw) if found and raw.startswith("b") else b""
        return self.errors.get(data[:4].hex(), text[:200])

    @property
    def now(self) -> int:
        """Return the time that the next block will have at least."""
        return int(self.web3.eth.get_block("latest")["timestamp"]) + 1

    def pass_until(self, second: int) -> None:
        """Mine one block whose time is later than `second`."""
        if second >= self.now:
            self.provider.ethereum_tester.time_travel(second + 1)
            self.provider.ethereum_tester.mine_block()

    def events(self, contract: Contract, name: str, **filters: object) -> list[Any]:
        """Return the logged events of one name since `mark` was last called."""
        event = contract.events[name]()
        logs = [
            each for receipt in self.receipts for each in event.process_receipt(receipt, DISCARD)
        ]
        return [each for each in logs if all(each["args"][k] == v for k, v in filters.items())]

    def mark(self) -> None:
        """Forget older events: reading a long history again and again is slow."""
        self.receipts.clear()
