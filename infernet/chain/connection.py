"""Reach a chain: one inside this process, or any node by URL."""

from __future__ import annotations

import logging
import re
import sys
from ast import literal_eval
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from web3 import EthereumTesterProvider, Web3
from web3.exceptions import (
    BadFunctionCallOutput,
    BadResponseFormat,
    ContractLogicError,
    RequestTimedOut,
    TimeExhausted,
    TransactionNotFound,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware

from .clock import Clock
from .endpoints import EndpointStatus, safe_name
from .errors import ChainError, ChainUnavailable, DeploymentError, RetryableChainError
from .panel import QuorumFailure
from .quorum import QuorumProvider
from .records import Address, Seconds, Wei
from .reverts import explain

# The most gas that one transaction may take on public networks (EIP-7825).
GAS_CEILING = 16_777_216
BLOCK_GAS = 60_000_000
_CALL_OVERHEAD_GAS = 20_000
# The embedded chain raises the limit so far that a node's brackets in brackets overrun the stack.
sys.setrecursionlimit(5_000)
_KEPT_TIMES = 1_024
_BYTES_LITERAL = re.compile(r"""b'(?:[^'\\]|\\.)*'|b"(?:[^"\\]|\\.)*\"""")


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header, as far as anybody asks."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: Seconds


@dataclass(frozen=True, slots=True)
class Chain:
    """A connection. `tester` is the chain itself when it runs inside this process."""

    web3: Any
    name: str
    chain_id: int
    tester: Any = None
    _clock: Clock | None = field(init=False, repr=False, compare=False)
    _times: dict[bytes, Seconds] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        provider = self._quorum
        object.__setattr__(self, "_clock", Clock(provider) if provider else None)

    @property
    def is_embedded(self) -> bool:
        """Return whether the chain lives and dies with this process."""
        return self.tester is not None

    @property
    def is_agreed(self) -> bool:
        """Return whether what is read was agreed on by several endpoints."""
        return self._quorum is not None and self._quorum.quorum > 1

    @property
    def endpoints(self) -> list[EndpointStatus]:
        """Return how each endpoint fares; an embedded chain has none."""
        return self._quorum.statuses() if self._quorum else []

    @property
    def _quorum(self) -> QuorumProvider | None:
        provider = self.web3.provider
        return provider if isinstance(provider, QuorumProvider) else None

    def next_timestamp(self) -> Seconds:
        """Return the earliest time that the next block can carry, by the chain's own clock."""
        with translated("reading the chain's time", self.name):
            if self._clock:
                return self._clock.now()
            return Seconds(self.web3.eth.get_block("pending")["timestamp"])

    def ask(self, method: str, *parameters: object) -> Any:
        """Return a node's answer with its own types, for `integer` and `octets`; None for nothing.

        web3's calls convert every field there and back, which costs more than the question.
        """
        return self.web3.manager.request_blocking(method, list(parameters))

    def head(self) -> tuple[int, bytes]:
        """Return number and hash of the latest block."""
        block = self.block("latest")
        return block.number, block.hash

    def block(self, which: str | int | bytes) -> Block:
        """Return a block by name, number or hash; raise RetryableChainError if there is none."""
        kind = "eth_getBlockByHash" if isinstance(which, bytes) else "eth_getBlockByNumber"
        named = f"0x{which.hex()}" if isinstance(which, bytes) else which
        with translated("reading a block", self.name):
            found = self.ask(kind, hex(named) if isinstance(named, int) else named, False)
        if found is None or found.get("number") is None or found.get("hash") is None:
            raise RetryableChainError(f"{self.name} has no block {named}; look again later")
        return Block(
            integer(found["number"]),
            octets(found["hash"]),
            octets(found["parentHash"]),
            Seconds(integer(found["timestamp"])),
        )

    def time_of(self, block_hash: bytes) -> Seconds:
        """Return the time of a block, asked once."""
        known = self._times.get(block_hash)
        if known is None:
            known = self.block(block_hash).timestamp
            if len(self._times) >= _KEPT_TIMES:
                self._times.clear()
            self._times[block_hash] = known
        return known

    def block_number(self) -> int:
        """Return the number of the latest block."""
        return self.head()[0]

    def balance(self, account: Address) -> Wei:
        """Return what an account holds outside the contracts."""
        with translated("reading a balance", self.name):
            return Wei(integer(self.ask("eth_getBalance", account, "latest")))

    def travel_to(self, timestamp: Seconds) -> None:
        """Let the next block of an embedded chain carry `timestamp`, or raise ChainError."""
        if not self.is_embedded:
            raise ChainError(f"only an embedded chain can travel in time; {self.name} is not one")
        if timestamp > self.next_timestamp():
            self.tester.time_travel(timestamp)

    def simulate(self, call: str, transaction: dict[str, Any]) -> int:
        """Return a gas limit that suffices for a transaction, or raise Reverted."""
        with translated(call, self.name):
            if self.is_embedded:
                self.web3.eth.call({**transaction, "gas": GAS_CEILING}, "pending")
                return GAS_CEILING
            # The pending block has the time that the transaction will meet; the latest is past.
            return gas_limit(int(self.web3.eth.estimate_gas(transaction, "pending")))


def gas_limit(estimate: int) -> int:
    """Return the limit for a transaction that takes so much gas; its sender must hold all of it."""
    # An inner call gets 63/64 of what is left, and the state may move before inclusion.
    return min(estimate * 5 // 4 + _CALL_OVERHEAD_GAS, GAS_CEILING)


def embedded_chain() -> Chain:
    """Return a fresh chain inside this process: rules of Prague, ten funded accounts."""
    logging.getLogger("eth").setLevel(logging.WARNING)
    parameters = PyEVMBackend.generate_genesis_params(overrides={"gas_limit": BLOCK_GAS})
    tester = EthereumTester(PyEVMBackend(genesis_parameters=parameters))
    web3 = Web3(EthereumTesterProvider(tester))
    # Without a sender each view would look through all accounts for one.
    web3.eth.default_account = web3.eth.accounts[0]
    return Chain(web3, "the embedded chain", int(web3.eth.chain_id), tester)


def connect(urls: str | Sequence[str], quorum: int | None = None) -> Chain:
    """Return a connection to the nodes at `urls`, or raise ChainUnavailable.

    `quorum`: how many of them must agree, by default more than half; see ADR 0007.
    """
    urls = [urls] if isinstance(urls, str) else list(dict.fromkeys(urls))
    for url in urls:
        if not _is_web_url(url):
            raise ChainUnavailable(f"{safe_name(url)} is not an http(s) URL of a node; check it")
    try:
        provider = QuorumProvider(urls, quorum)
    except ValueError as error:
        raise ChainUnavailable(f"{error}; name more endpoints, or ask for fewer") from None
    web3 = Web3(provider)
    # Chains of known validators put more into a block's extra data than web3 expects.
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    # They look up names, check chain ids and copy answers, at twice the call's own cost.
    for unused in (
        "gas_price_strategy",
        "ens_name_to_address",
        "attrdict",
        "validation",
        "gas_estimate",
    ):
        web3.middleware_onion.remove(unused)
    with translated("asking for the chain id", provider.name):
        chain_id = int(web3.eth.chain_id)
    return Chain(web3, provider.name, chain_id)


@contextmanager
def translated(call: str, chain: str) -> Iterator[None]:
    """Turn what the libraries raise during `call` into a ChainError."""
    try:
        yield
    except QuorumFailure as failure:
        if failure.is_absent:
            raise ChainUnavailable(
                f"{call}: no chain answers at {chain}; start it or check its address ({failure})"
            ) from None
        raise RetryableChainError(f"{call}: {failure}; look again later") from None
    except BadResponseFormat:
        raise ChainUnavailable(
            f"{call}: {chain} does not answer as a chain's node does; check its address"
        ) from None
    except (ContractLogicError, TransactionFailed) as error:
        raise explain(call, revert_data(error)) from None
    except BadFunctionCallOutput:
        raise DeploymentError(
            f"{call}: {chain} has no such contract at that address; check the deployment"
        ) from None
    except (TimeExhausted, RequestTimedOut):
        raise RetryableChainError(
            f"{call}: {chain} has not included the transaction in time; look again later"
        ) from None
    except TransactionNotFound:
        # An answer, not a failure.
        raise
    except Web3RPCError as error:
        data = revert_data(error)
        if data:
            raise explain(call, data) from None
        raise RetryableChainError(f"{call}: {chain} failed: {_message(error)}") from None


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def integer(value: Any) -> int:
    """Return a number of an answer: nodes write hexadecimal digits, the embedded chain an int."""
    return int(value, 16) if isinstance(value, str) else int(value)


def octets(value: Any) -> bytes:
    """Return bytes of an answer: nodes write hexadecimal digits."""
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)


def revert_data(error: Exception) -> bytes:
    """Return the bytes that a refusing contract gave, empty if there are none."""
    data = getattr(error, "data", None)
    if data is None:
        data = error.args[0] if error.args else b""
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        return b""
    data = data.removeprefix("execution reverted: ")
    try:
        # Nodes give hexadecimal digits, the embedded chain the text of a bytes literal.
        if data.startswith("0x"):
            return bytes.fromhex(data[2:])
        # Only what is one literal: brackets in brackets of a stranger can end the parser.
        return bytes(literal_eval(data)) if _BYTES_LITERAL.fullmatch(data) else b""
    except (ValueError, SyntaxError):
        return b""


def _message(error: Web3RPCError) -> str:
    response = getattr(error, "rpc_response", None) or {}
    detail = response.get("error", {})
    return str(detail.get("message", error) if isinstance(detail, dict) else error)
