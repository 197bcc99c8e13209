"""The chain's time: never this machine's, and never late."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from infernet.chain.connection import connect
from tests.anvil import Anvil, needs_anvil, running
from tests.proxy import faulty

pytestmark = needs_anvil

HOUR = 3600


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running() as node:
        yield node


@pytest.fixture(params=[False, True], ids=["pending", "no pending"])
def url(node: Anvil, request: pytest.FixtureRequest) -> Iterator[str]:
    with faulty(node.url, no_pending=request.param) as proxy:
        yield proxy.url


def test_time_follows_the_blocks(node: Anvil, url: str) -> None:
    chain = connect(url)
    before = chain.next_timestamp()
    node.skip(HOUR)
    assert HOUR <= chain.next_timestamp() - before <= HOUR + 2


def test_time_goes_on_without_blocks(node: Anvil, url: str) -> None:
    chain = connect(url)
    node.mine()
    before, height = chain.next_timestamp(), chain.block_number()
    time.sleep(2.1)
    assert 2 <= chain.next_timestamp() - before <= 3
    assert chain.block_number() == height


def test_the_time_of_the_next_block_is_known_before_it_comes(node: Anvil) -> None:
    chain = connect(node.url)
    later = chain.next_timestamp() + 500
    node.rpc("evm_setNextBlockTimestamp", later)
    assert chain.next_timestamp() == later
    node.mine()
    assert chain.next_timestamp() in (later, later + 1)


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_the_clock_of_this_machine_does_not_matter(
    node: Anvil, url: str, skew: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = connect(url)
    node.mine()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    assert abs(chain.next_timestamp() - node.now()) <= 1


def test_one_endpoint_of_three_cannot_shift_the_time(node: Anvil) -> None:
    with faulty(node.url) as one, faulty(node.url) as two, faulty(node.url) as liar:
        chain = connect([liar.url, one.url, two.url])
        liar.set(lie=True)
        assert abs(chain.next_timestamp() - node.now()) <= 1


def test_an_estimate_is_never_late(node: Anvil) -> None:
    with faulty(node.url, no_pending=True) as proxy:
        chain = connect(proxy.url)
        for _ in range(20):
            estimate = chain.next_timestamp()
            node.mine()
            assert estimate <= int(
                node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16
            )
            time.sleep(0.1)
