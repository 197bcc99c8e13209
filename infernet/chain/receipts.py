"""What the chain says of an account's transactions."""

from __future__ import annotations

from collections.abc import Iterable

from infernet.store.journal import Inclusion

from .abi import checksummed
from .connection import Chain, integer, octets, translated
from .records import Address


def inclusion_of(chain: Chain, hashes: Iterable[bytes]) -> Inclusion | None:
    """Return what became of the first of these transactions that a block holds."""
    for hash_ in hashes:
        with translated("looking for a receipt", chain.name):
            receipt = chain.ask("eth_getTransactionReceipt", f"0x{hash_.hex()}")
        if receipt is None:
            continue
        gas, created = integer(receipt["gasUsed"]), receipt.get("contractAddress")
        return Inclusion(
            integer(receipt["blockNumber"]),
            hash_,
            chain.time_of(octets(receipt["blockHash"])),
            gas,
            gas * integer(receipt["effectiveGasPrice"]),
            integer(receipt["status"]) == 1,
            checksummed(created) if created else None,
        )
    return None


def is_known(chain: Chain, hash_: bytes) -> bool:
    """Return whether a node has a transaction, in a block or waiting for one."""
    with translated("looking for a transaction", chain.name):
        return chain.ask("eth_getTransactionByHash", f"0x{hash_.hex()}") is not None


def transaction_count(chain: Chain, account: Address) -> int:
    """Return how many transactions of an account the chain holds."""
    with translated("counting transactions", chain.name):
        return integer(chain.ask("eth_getTransactionCount", account, "latest"))
