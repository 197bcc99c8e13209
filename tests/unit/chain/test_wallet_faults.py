"""A node that loses, repeats and fails answers costs a wallet time, never a second transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from infernet.chain.connection import connect
from infernet.chain.errors import ChainUnavailable, RetryableChainError
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import Address, Wei
from infernet.chain.wallet import KeySigner, Wallet
from tests.anvil import Anvil, needs_anvil, running
from tests.proxy import faulty

pytestmark = needs_anvil
SENDS = 2


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running() as anvil:
        yield anvil


@pytest.mark.parametrize(
    "faults",
    [
        {"lose": 0.5},
        {"drop": 0.5},
        {"duplicate": 1},
        {"fail": 0.4, "truncate": 0.2},
        {"lose": 1, "methods": ("eth_sendRawTransaction",)},
    ],
    ids=["lost answers", "dropped", "duplicates", "errors", "no send is ever answered"],
)
def test_each_transfer_arrives_once(node: Anvil, faults: dict[str, object]) -> None:
    sink = KeySigner.create().address
    with faulty(node.url) as proxy:
        chain = connect(proxy.url)
        told: list[object] = []
        policy = SendPolicy(confirmations=2, replace_seconds=1, wait_seconds=5)
        wallet = Wallet(chain, KeySigner.create(), told.append, policy=policy)
        node.fund(wallet.address)
        proxy.set(**faults)
        for number in range(SENDS):
            pay(wallet, sink, number)
        proxy.heal()
        wallet.recover()
        node.mine(2)
        wallet.tend()
    assert node.balance(sink) == sum(2**number for number in range(SENDS))
    assert int(node.rpc("eth_getTransactionCount", wallet.address, "latest"), 16) == SENDS
    assert len(told) == SENDS
    assert wallet.journal is not None
    assert wallet.journal.unsettled() == []


def pay(wallet: Wallet, sink: Address, number: int) -> None:
    """Repeat a transfer, as an actor would, until its slot has come to an end."""
    for _ in range(10):
        with suppress(ChainUnavailable, RetryableChainError):
            wallet.transfer(sink, Wei(2**number))
            return
    raise AssertionError("the transfer never came to an end")
