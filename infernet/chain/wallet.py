"""Accounts that sign, and a wallet that sends and keeps account of gas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from infernet.store.database import open_database
from infernet.store.journal import Action, Inclusion, Journal, Slot, SlotState

from .connection import GAS_CEILING, Chain, translated
from .errors import InsufficientBalance, Overtaken
from .fees import Fees, Prices
from .outbox import Outbox, SendPolicy
from .records import NO_WEI, Address, Seconds, Wei


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

    def sign(self, transaction: dict[str, Any]) -> tuple[bytes, bytes]:
        """Return a complete transaction's signed bytes and their hash; the same each time."""
        signed = self._account.sign_transaction(transaction)
        return bytes(signed.raw_transaction), bytes(signed.hash)

    def sign_typed(self, typed: dict[str, Any]) -> bytes:
        """Return the 65-byte signature of EIP-712 typed data."""
        return bytes(self._account.sign_typed_data(full_message=typed).signature)

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
    """Leaves signing to the node: for the unlocked accounts of a development chain.

    What it sends has no bytes to journal beforehand, so a crash may leave it in doubt.
    """

    address: Address

    def submit(self, chain: Chain, transaction: dict[str, Any]) -> bytes:
        """Let the node sign and send a complete transaction, and return its hash."""
        return bytes(chain.web3.eth.send_transaction(transaction))


Signer = KeySigner | NodeSigner


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
    """Sends one account's transactions; threads may share it.

    `on_sent`: told once of each transaction that succeeds. `journal`: None keeps it in memory, so
    nothing survives this process.
    """

    chain: Chain
    signer: Signer
    on_sent: Callable[[Sent], None] | None = None
    journal: Journal | None = None
    policy: SendPolicy = field(default_factory=SendPolicy)
    _prices: Prices = field(init=False)
    _outbox: Outbox | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._prices = Prices(self.chain)
        if isinstance(self.signer, KeySigner):
            if self.journal is None:
                self.journal = Journal(open_database(None), self.address)
            self._outbox = Outbox(
                self.chain,
                self.address,
                self.signer.sign,
                self.journal,
                self._prices,
                self.policy,
                self._tell,
            )

    @property
    def address(self) -> Address:
        """Return the account's address."""
        return self.signer.address

    @property
    def balance(self) -> Wei:
        """Return what the account holds outside the contracts."""
        return self.chain.balance(self.address)

    def recover(self) -> None:
        """Finish what an earlier process left unfinished; do this before looking at the chain.

        Raises RetryableChainError while the chain does not get there; then repeat it.
        """
        if self._outbox:
            self._outbox.recover()

    def tend(self) -> None:
        """Look after transactions that nobody waits for: late ones, and ones that a block lost.

        Raises NonceTaken where another program has used the key, once for each time.
        """
        if self._outbox:
            self._outbox.tend()

    def send(self, kind: str, data: bytes, to: Address | None, value: Wei = NO_WEI) -> Sent:
        """Simulate a transaction, send it, and wait until it is in a block.

        `to`: None creates a contract. Raises Reverted, InsufficientBalance or FeeAboveCap (nothing
        sent), Overtaken (sent, refused), NonceTaken (not done) or RetryableChainError (it stays in
        the journal and is looked after by `tend`).
        """
        fees = self._prices.below(self.policy.cap(kind), kind)
        held = self.balance
        # An embedded chain simulates with the ceiling, so the sender must be able to pay that.
        bound = GAS_CEILING if self.chain.is_embedded else 0
        self._require(kind, int(value) + bound * fees.max_fee, held)
        transaction: dict[str, Any] = {"from": self.address, "value": value, "data": data}
        if to is not None:
            transaction["to"] = to
        gas = self.chain.simulate(kind, transaction)
        needed = int(value) + gas * fees.max_fee
        if isinstance(self.signer, NodeSigner):
            self._require(kind, needed, held)
            return self._send_by_node(self.signer, kind, {**transaction, "gas": gas}, fees)
        assert self._outbox is not None
        action = Action(kind, data, to, int(value))
        if needed > held:
            less = self._outbox.offers.first(action, gas, fees)
            if less is None:
                raise self._lacks(kind, needed, held)
            fees = less
        slot = self._outbox.post(action, gas, fees)
        assert slot.inclusion is not None
        if not slot.inclusion.has_succeeded:
            raise Overtaken(kind)
        return self._sent(slot, slot.inclusion)

    def is_sending(self, kind: str) -> bool:
        """Return whether an action of a kind is on its way, also if nobody waits for it."""
        unsettled = self.journal.unsettled() if self.journal else []
        return any(slot.kind == kind and slot.state is SlotState.OPEN for slot in unsettled)

    def require_gas(self, kind: str, gas: int, beside: Wei = NO_WEI) -> None:
        """Raise InsufficientBalance unless the account can pay so much gas at today's price.

        `beside`: what else it could pay with.
        """
        needed = gas * self._prices.now().max_fee - beside
        self._require(kind, max(0, needed), self.balance)

    def transfer(self, to: Address, value: Wei) -> Sent:
        """Send ether to an account."""
        return self.send("transfer", b"", to, value)

    def _send_by_node(
        self, signer: NodeSigner, kind: str, transaction: dict[str, Any], fees: Fees
    ) -> Sent:
        offer = {"maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.tip}
        with translated(kind, self.chain.name):
            eth = self.chain.web3.eth
            tx_hash = signer.submit(self.chain, {**transaction, **offer})
            receipt = eth.wait_for_transaction_receipt(
                tx_hash, timeout=self.policy.wait_seconds, poll_latency=0.02
            )
            timestamp = self.chain.block(int(receipt["blockNumber"])).timestamp
        if receipt["status"] != 1:
            raise Overtaken(kind)
        gas = int(receipt["gasUsed"])
        sent = Sent(
            kind,
            self.address,
            tx_hash,
            gas,
            Wei(gas * int(receipt["effectiveGasPrice"])),
            len(transaction["data"]),
            int(receipt["blockNumber"]),
            Seconds(timestamp),
            receipt["contractAddress"],
        )
        if self.on_sent:
            self.on_sent(sent)
        return sent

    def _tell(self, slot: Slot) -> None:
        if self.on_sent and slot.inclusion and slot.inclusion.has_succeeded:
            self.on_sent(self._sent(slot, slot.inclusion))

    def _sent(self, slot: Slot, found: Inclusion) -> Sent:
        return Sent(
            slot.kind,
            self.address,
            found.hash,
            found.gas_used,
            Wei(found.fee_wei),
            slot.data_bytes,
            found.block,
            Seconds(found.timestamp),
            Address(found.contract) if found.contract else None,
        )

    def _require(self, kind: str, needed: int, held: Wei) -> None:
        if held < needed:
            raise self._lacks(kind, needed, held)

    def _lacks(self, kind: str, needed: int, held: Wei) -> InsufficientBalance:
        return InsufficientBalance(
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
