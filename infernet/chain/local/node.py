"""A node of one's own: py-evm's chain with the wall clock's time, asked as any node is."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from eth.db.atomic import AtomicDB
from eth.exceptions import CanonicalHeadNotFound
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.backends.pyevm.main import EVMSpoofTransaction, _execute_and_revert_transaction
from eth_tester.exceptions import TransactionFailed
from web3 import EthereumTesterProvider, Web3

from infernet.chain.connection import BLOCK_GAS, GAS_CEILING, revert_data

from .ledger import SqliteLedger

Answer = dict[str, Any]

_BASE_GAS = 21_000
_REVERTED, _REFUSED, _UNKNOWN_METHOD = 3, -32000, -32601


class _Backend(PyEVMBackend):  # type: ignore[misc]
    """py-evm with an estimate for the next block, where deadlines are those that count."""

    def estimate_gas(self, transaction: dict[str, Any], block_number: Any = "pending") -> int:
        whole = {**transaction, "gas": GAS_CEILING}
        unsigned = self._get_normalized_and_unsigned_evm_transaction(whole, block_number)
        call = EVMSpoofTransaction(unsigned, from_=transaction["from"])
        done = _execute_and_revert_transaction(self.chain, call, block_number)
        if done.is_error:
            raise TransactionFailed(str(done.error))
        data = transaction.get("data", b"")
        zeros = data.count(0)
        # The least that data costs (EIP-7623).
        floor = _BASE_GAS + 10 * (zeros + 4 * (len(data) - zeros))
        return int(max(call.intrinsic_gas + done.get_gas_used(), floor))


class LocalNode:
    """A chain that mines each transaction at once. `path`: a file that it lives in, else memory.

    Threads may ask it; it answers one after another.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        backend = _Backend(
            genesis_parameters=PyEVMBackend.generate_genesis_params(
                overrides={"gas_limit": BLOCK_GAS}
            )
        )
        self._ledger = None if path is None else SqliteLedger(path)
        if self._ledger is not None:
            backend.chain = _chain_in(self._ledger, backend)
        self._backend = backend
        self._tester = EthereumTester(backend)
        self._web3 = Web3(EthereumTesterProvider(self._tester))
        self._web3.eth.default_account = self._web3.eth.accounts[0]

    def answer(self, method: str, parameters: list[Any]) -> Answer:
        """Return the result or the error of one call, as JSON-RPC has them."""
        with self._lock:
            self._follow_the_clock()
            try:
                found = self._ask(method, parameters)
            except TransactionFailed as error:
                data = f"0x{revert_data(error).hex()}"
                return _error(_REVERTED, "execution reverted", data)
            except Exception as error:  # noqa: BLE001 - py-evm and web3 refuse in many ways
                return _error(_REFUSED, f"{method}: {type(error).__name__}: {error}")
            if self._ledger is not None:
                self._ledger.commit()
        if "error" in found:
            return _error(_UNKNOWN_METHOD, str(found["error"]["message"]))
        return {"result": _json(found.get("result"))}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()

    def _ask(self, method: str, parameters: list[Any]) -> Answer:
        if method == "eth_estimateGas":
            return {"result": self._estimate(parameters[0])}
        ask = self._web3.provider.request_func(self._web3, self._web3.middleware_onion)
        return dict(ask(method, parameters))

    def _estimate(self, call: dict[str, Any]) -> int:
        """Return the gas of a call in the next block; web3's way to py-evm lacks that question."""
        wanted: dict[str, Any] = {n: call[n] for n in ("from", "to", "data") if n in call}
        wanted |= {n: int(call[n], 16) for n in ("gas", "value") if n in call}
        return int(self._tester.estimate_gas(wanted, "pending"))

    def _follow_the_clock(self) -> None:
        """Let the next block carry the time of now, or the second after its parent's."""
        chain = self._backend.chain
        # Mining adds a second.
        now = int(time.time()) - 1
        if chain.header.timestamp < now:
            chain.header = chain.header.copy(timestamp=now)


def _chain_in(ledger: SqliteLedger, backend: Any) -> Any:
    """Return the chain that lives in a file; a new one begins as the backend's own did."""
    kind = type(backend.chain)
    database = AtomicDB(ledger)
    try:
        return kind(database)
    except CanonicalHeadNotFound:
        memory = backend.chain.chaindb.db
        for key in memory.wrapped_db:
            ledger[key] = memory[key]
        ledger.commit()
        return kind(database)


def _error(code: int, message: str, data: str | None = None) -> Answer:
    error: Answer = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"error": error}


def _json(value: Any) -> Any:
    """Return a value as JSON-RPC writes it: quantities and bytes in hexadecimal digits."""
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item) for item in value]
    fields = dict(value)
    if {"nonce", "data"} <= fields.keys():
        # py-evm's name for what nodes tell as a transaction's input.
        fields["input"] = fields.pop("data")
    return {str(name): _json(item) for name, item in fields.items()}
