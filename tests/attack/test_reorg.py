"""Blocks that are replaced while they are read: the index is always that of the present chain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infernet.chain.contract import create
from infernet.chain.errors import RetryableChainError
from infernet.chain.feed import Feed
from infernet.chain.records import Address
from infernet.chain.stake import Vault
from infernet.chain.wallet import Wallet, faucet
from infernet.store.database import Database, open_database
from tests.anvil import Anvil, needs_anvil, running
from tests.proxy import faulty

pytestmark = needs_anvil

GROWTH = st.lists(st.sampled_from(["deposit", "mine", "look"]), max_size=8)
STORIES = st.lists(st.tuples(GROWTH, st.integers(1, 20)), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running() as node:
        yield node


@pytest.fixture(scope="module")
def vault(node: Anvil) -> Vault:
    chain = node.connect()
    address = create(Wallet(chain, faucet(chain)), "StakeManager")
    # No reorganisation of the tests reaches the contract itself.
    node.mine(30)
    return Vault.named(chain, "StakeManager", address)


def seen_by(node: Anvil, address: Address, database: Database | None = None) -> Vault:
    chain = node.connect()
    return Vault.named(chain, "StakeManager", address, Feed(chain, [address], 0, database))


def deposit(node: Anvil, vault: Vault) -> None:
    (account, *_) = node.rpc("eth_accounts")
    call = {"from": account, "to": vault.address, "value": "0x1", "data": "0xd0e30db0"}
    sent = node.rpc("eth_sendTransaction", call)
    # The node answers before it has mined.
    while node.rpc("eth_getTransactionReceipt", sent) is None:
        time.sleep(0.005)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(stories=STORIES)
def test_after_any_reorganisation_the_index_equals_a_fresh_one(
    node: Anvil, vault: Vault, stories: list[tuple[list[str], int]]
) -> None:
    watcher = seen_by(node, vault.address)
    for growth, depth in stories:
        for deed in growth:
            if deed == "deposit":
                deposit(node, vault)
            elif deed == "mine":
                node.mine()
            else:
                watcher.events("Deposited")
        node.mine(20)
        watcher.events("Deposited")
        deposit(node, vault)
        watcher.events("Deposited")
        node.reorg(depth)
        fresh = seen_by(node, vault.address)
        assert watcher.events("Deposited") == fresh.events("Deposited")


@pytest.mark.parametrize("depth", [1, 5, 20])
def test_a_deposit_that_is_reorganised_away_is_forgotten(
    node: Anvil, vault: Vault, depth: int
) -> None:
    node.mine(depth)
    watcher = seen_by(node, vault.address)
    before = watcher.events("Deposited")
    deposit(node, vault)
    assert len(watcher.events("Deposited")) == len(before) + 1
    node.reorg(depth)
    assert watcher.events("Deposited") == before
    deposit(node, vault)
    assert len(watcher.events("Deposited")) == len(before) + 1


def test_a_chain_that_fell_back_is_followed(node: Anvil, vault: Vault) -> None:
    snapshot = node.rpc("evm_snapshot")
    watcher = seen_by(node, vault.address)
    before = watcher.events("Deposited")
    for _ in range(5):
        deposit(node, vault)
        watcher.events("Deposited")
    node.rpc("evm_revert", snapshot)
    assert watcher.events("Deposited") == before


def test_an_index_is_mended_after_a_restart(node: Anvil, vault: Vault, tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    database = open_database(file)
    watcher = seen_by(node, vault.address, database)
    deposit(node, vault)
    count = len(watcher.events("Deposited"))
    database.close()
    node.reorg(1)
    database = open_database(file)
    assert len(seen_by(node, vault.address, database).events("Deposited")) == count - 1
    database.close()


def test_logs_that_come_later_than_their_block_are_found(
    node: Anvil, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infernet.chain.feed._REREAD_SECONDS", 0.3)
    with faulty(node.url) as proxy:
        late = Anvil(int(proxy.url.rsplit(":", 1)[1]))
        watcher = seen_by(late, vault.address)
        before = len(watcher.events("Deposited"))
        proxy.set(stale_blocks=2, methods=frozenset({"eth_getLogs"}))
        deposit(node, vault)
        assert len(watcher.events("Deposited")) == before
        proxy.heal()
        assert len(watcher.events("Deposited")) == before
        monkeypatch.setattr("infernet.chain.feed._REREAD_SECONDS", 0.0)
        assert len(watcher.events("Deposited")) == before + 1
        assert len(watcher.events("Deposited")) == before + 1


def test_blocks_are_read_twice_at_most(node: Anvil, vault: Vault) -> None:
    with faulty(node.url) as proxy:
        watcher = seen_by(Anvil(int(proxy.url.rsplit(":", 1)[1])), vault.address)
        watcher.events("Deposited")
        asked = proxy.counts["eth_getLogs"]
        for _ in range(10):
            watcher.events("Deposited")
        assert proxy.counts["eth_getLogs"] == asked


def test_data_that_was_given_up_comes_from_the_chain(node: Anvil, vault: Vault) -> None:
    watcher = seen_by(node, vault.address)
    deposit(node, vault)
    before = watcher.events("Deposited")
    feed = watcher._feed
    feed.index._database.execute("UPDATE logs SET data = NULL")
    assert watcher.events("Deposited") == before
    feed.index._database.execute("UPDATE logs SET data = NULL, block_hash = x'00'")
    with pytest.raises(RetryableChainError, match="keeps the whole history"):
        watcher.events("Deposited")
