"""Accounts that sign, and a wallet that sends and keeps account of gas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from .connection import GAS_CEILING, Chain, translated
from .errors import InsufficientBalance, Overtaken
from .records import NO_WEI, Address, Seconds, Wei

_TIP_WEI = 1_000_000_000
_RECEIPT_SECONDS = 120


class Signer(Protocol):
    """Something that can make an account's transactions."""

    @property
    def address(self) -> Address:
        """Return the account's address."""

    def submit(self, chain: Chain, transaction: dict[str, Any]) -> bytes:
        """Sign and send a complete transaction, and return its hash."""


@dataclass(frozen=True, slots=True, repr=False)
class KeySigner:
    """Signs with a key held in this process; shows its address alone."""

    _account: LocalAccount

    @classmethod
    def create(cls) -> KeySigner:
        """Return a signer with a fresh random key."""
        return cls(Account.create())

    @classmethod
    def of_key(cls, key: bytes) -> KeySigner:
        """Return the signer of a 32-byte private key."""
        return cls(Account.from_key(key))

    @classmethod
    def of_keystore(cls, keystore: str, password: str) -> KeySigner:
        """Return the signer in an encrypted keystore (JSON); raise ValueError if it won't open."""
        return cls.of_key(Account.decrypt(keystore, password))

    @property
    def address(self) -> Address:
        return Address(self._account.address)

    def submit(self, chain: Chain, transaction: dict[str, Any]) -> bytes:
        signed = self._account.sign_transaction(transaction)
        return bytes(chain.web3.eth.send_raw_transaction(signed.raw_transaction))

    def secret(self, label: bytes) -> bytes:
        """Return 32 bytes that only this key can make, the same each time for a label.

        Signatures are deterministic (RFC 6979), so a restarted player finds its salts again.
        """
        signature = self._account.sign_message(encode_defunct(primitive=keccak(label)))
        return bytes(keccak(bytes(signature.signature)))

    def __repr__(self) -> str:
        return f"KeySigner({self.address})"


@dataclass(frozen=True, slots=True)
class NodeSigner:
    """Leaves signing to the node: for the unlocked accounts of a development chain."""

    address: Address

    def submit(self, chain: Chain, transaction: dict[str, Any]) -> bytes:
        return bytes(chain.web3.eth.send_transaction(transaction))


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that succeeded. `kind` is the function; sizes in bytes, gas in units."""

    kind: str
    sender: Address
    hash: bytes
    gas_used: int
    fee: Wei
    calldata_bytes: int
    block_number: int
    timestamp: Seconds
    contract: Address | None


@dataclass(slots=True)
class Wallet:
    """Sends one account's transactions and remembers them in `sent`."""

    chain: Chain
    signer: Signer
    on_sent: Callable[[Sent], None] | None = None
    sent: list[Sent] = field(default_factory=list)

    @property
    def address(self) -> Address:
        """Return the account's address."""
        return self.signer.address

    @property
    def balance(self) -> Wei:
        """Return what the account holds outside the contracts."""
        return self.chain.balance(self.address)

    def send(self, kind: str, data: bytes, to: Address | None, value: Wei = NO_WEI) -> Sent:
        """Simulate a transaction, send it, and wait until it is in a block.

        `to`: None creates a contract. Raises Reverted or InsufficientBalance (nothing sent), or
        Overtaken (sent, refused).
        """
        transaction: dict[str, Any] = {"from": self.address, "value": value, "data": data}
        if to is not None:
            transaction["to"] = to
        with translated(kind, self.chain.name):
            fees = self._fees()
        # An embedded chain simulates with the ceiling, so the sender must be able to pay that.
        bound = GAS_CEILING if self.chain.is_embedded else 0
        self._require(kind, int(value) + bound * fees["maxFeePerGas"])
        gas = self.chain.simulate(kind, transaction)
        self._require(kind, int(value) + gas * fees["maxFeePerGas"])
        with translated(kind, self.chain.name):
            web3 = self.chain.web3
            nonce = web3.eth.get_transaction_count(self.address, "pending")
            complete = {**transaction, **fees, "gas": gas, "nonce": nonce}
            identity = {"chainId": self.chain.chain_id, "type": 2}
            tx_hash = self.signer.submit(self.chain, {**complete, **identity})
            receipt = web3.eth.wait_for_transaction_receipt(
                tx_hash, timeout=_RECEIPT_SECONDS, poll_latency=0.02
            )
            block = web3.eth.get_block(receipt["blockNumber"])
        if receipt["status"] != 1:
            raise Overtaken(kind)
        return self._record(kind, len(data), receipt, block["timestamp"])

    def require_gas(self, kind: str, gas: int) -> None:
        """Raise InsufficientBalance unless the account can pay so much gas at today's price."""
        with translated(kind, self.chain.name):
            fees = self._fees()
        self._require(kind, gas * fees["maxFeePerGas"])

    def transfer(self, to: Address, value: Wei) -> Sent:
        """Send ether to an account."""
        return self.send("transfer", b"", to, value)

    def _record(self, kind: str, size: int, receipt: Any, timestamp: int) -> Sent:
        gas = int(receipt["gasUsed"])
        sent = Sent(
            kind,
            self.address,
            bytes(receipt["transactionHash"]),
            gas,
            Wei(gas * int(receipt["effectiveGasPrice"])),
            size,
            int(receipt["blockNumber"]),
            Seconds(timestamp),
            receipt["contractAddress"],
        )
        self.sent.append(sent)
        if self.on_sent:
            self.on_sent(sent)
        return sent

    def _fees(self) -> dict[str, int]:
        base = int(self.chain.web3.eth.get_block("latest").get("baseFeePerGas", 0))
        return {"maxFeePerGas": 2 * base + _TIP_WEI, "maxPriorityFeePerGas": _TIP_WEI}

    def _require(self, kind: str, needed: int) -> None:
        held = self.balance
        if held < needed:
            raise InsufficientBalance(
                f"{kind}: account {self.address} holds {in_ether(held)}, "
                f"but up to {in_ether(Wei(needed))} are needed; send it the difference"
            )


def faucet(chain: Chain) -> NodeSigner:
    """Return a funded account that the node signs for; only development chains have one."""
    with translated("looking for unlocked accounts", chain.name):
        accounts = chain.web3.eth.accounts
    if not accounts:
        raise InsufficientBalance(
            f"{chain.name} signs for no account; use a development node, or bring a keystore"
        )
    return NodeSigner(Address(accounts[0]))


def in_ether(amount: Wei) -> str:
    """Return an amount for people to read, exact to the wei."""
    whole, rest = divmod(abs(amount), 10**18)
    digits = f"{rest:018d}".rstrip("0")
    return f"{'-' if amount < 0 else ''}{whole}{'.' + digits if digits else ''} ETH"
