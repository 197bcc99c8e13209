"""What the chain says of an account's transactions."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from web3.exceptions import TransactionNotFound

from infernet.store.journal import Inclusion

from .connection import Chain, translated
from .records import Address


def inclusion_of(chain: Chain, hashes: Iterable[bytes]) -> Inclusion | None:
    """Return what became of the first of these transactions that a block holds."""
    eth = chain.web3.eth
    for hash_ in hashes:
        with suppress(TransactionNotFound), translated("looking for a receipt", chain.name):
            receipt = eth.get_transaction_receipt(hash_)
            block = eth.get_block(receipt["blockNumber"])
            gas = int(receipt["gasUsed"])
            return Inclusion(
                int(receipt["blockNumber"]),
                hash_,
                int(block["timestamp"]),
                gas,
                gas * int(receipt["effectiveGasPrice"]),
                receipt["status"] == 1,
                receipt["contractAddress"],
            )
    return None


def is_known(chain: Chain, hash_: bytes) -> bool:
    """Return whether a node has a transaction, in a block or waiting for one."""
    with suppress(TransactionNotFound), translated("looking for a transaction", chain.name):
        chain.web3.eth.get_transaction(hash_)
        return True
    return False


def transaction_count(chain: Chain, account: Address) -> int:
    """Return how many transactions of an account the chain holds."""
    with translated("counting transactions", chain.name):
        return int(chain.web3.eth.get_transaction_count(account, "latest"))
