"""Endpoints that fail, lag and lie, one among three or alone: the same answers as without."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infernet.chain import endpoints
from infernet.chain.connection import Chain, connect
from infernet.chain.contract import create
from infernet.chain.errors import ChainUnavailable, RetryableChainError, Reverted
from infernet.chain.records import Address, Wei
from infernet.chain.stake import Vault
from infernet.chain.wallet import Wallet
from tests.anvil import Anvil, free_port, needs_anvil, running
from tests.proxy import Proxy, faulty

pytestmark = needs_anvil

FAULTS: list[dict[str, Any]] = [
    {"drop": 1},
    {"lose": 1},
    {"delay": 1, "delay_seconds": 1},
    {"duplicate": 1},
    {"throttle": 1},
    {"fail": 1},
    {"truncate": 1},
    {"stale_blocks": 4},
    {"lie": True},
    {"drop": 0.3, "fail": 0.3, "duplicate": 0.3, "truncate": 0.3},
]
TRANSIENT: list[dict[str, Any]] = [
    {"drop": 0.2},
    {"lose": 0.2},
    {"delay": 0.2, "delay_seconds": 0.2},
    {"duplicate": 1},
    {"throttle": 0.2, "retry_after": 0.1},
    {"fail": 0.2},
    {"truncate": 0.2},
]


@dataclass
class Scene:
    node: Anvil
    wallet: Wallet
    vault: Address

    def act(self, chain: Chain) -> list[object]:
        """Send and read what players send and read, and return all that was seen."""
        vault = Vault.named(chain, "StakeManager", self.vault)
        wallet = Wallet(chain, self.wallet.signer)
        before, block = vault.balance(wallet.address).free, chain.block_number()
        seen: list[object] = []
        for amount in (1, 2, 3):
            sent = vault.deposit(wallet, Wei(amount))
            # A player reads what it wrote.
            seen.append(vault.balance(wallet.address).free - before)
            # A node that is sent one transaction by three ways may mine an empty block as well.
            seen.append(sent.block_number > block)
            block = sent.block_number
            seen.append([e["amount"] for e in vault.events("Deposited", sent.block_number)])
            seen.append(chain.block_number() >= sent.block_number)
        with pytest.raises(Reverted) as refused:
            vault.withdraw(wallet, Wei(10**30))
        seen.append(refused.value.error)
        seen.append(chain.balance(wallet.address) == self.node.balance(wallet.address))
        seen.append(abs(chain.next_timestamp() - self.node.now()) <= 1)
        return seen


EXPECTED: list[object] = [
    *(1, True, [1], True),
    *(3, True, [2], True),
    *(6, True, [3], True),
    "InsufficientFree",
    True,
    True,
]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with running() as node:
        wallet = node.wallet()
        node.mine(8)
        yield Scene(node, wallet, create(wallet, "StakeManager"))


@contextmanager
def behind_proxies(
    scene: Scene, count: int, quorum: int | None = None, **faults: Any
) -> Iterator[tuple[Chain, list[Proxy]]]:
    """Give a chain over proxies, the last of which has the faults once connected."""
    with ExitStack() as stack:
        proxies = [stack.enter_context(faulty(scene.node.url)) for _ in range(count)]
        chain = connect([proxy.url for proxy in proxies], quorum)
        proxies[-1].set(**faults)
        yield chain, proxies


@pytest.mark.parametrize("faults", FAULTS, ids=str)
@pytest.mark.parametrize("place", [0, 2])
def test_one_faulty_endpoint_of_three_changes_nothing(
    scene: Scene, faults: dict[str, Any], place: int
) -> None:
    with behind_proxies(scene, 3) as (chain, proxies):
        proxies[place].set(**faults)
        assert scene.act(chain) == EXPECTED
        assert sum(proxies[place].counts[name] for name in faults) > 0


@pytest.mark.parametrize("faults", TRANSIENT, ids=str)
def test_passing_faults_of_the_only_endpoint_change_nothing(
    scene: Scene, faults: dict[str, Any]
) -> None:
    with behind_proxies(scene, 1, **faults) as (chain, proxies):
        assert scene.act(chain) == EXPECTED
        assert sum(proxies[0].counts[name] for name in faults) > 0


def test_a_liar_is_counted_and_left_alone_for_a_while(scene: Scene) -> None:
    with behind_proxies(scene, 3, lie=True) as (chain, proxies):
        liar = proxies[2]
        for _ in range(3):
            chain.block_number()
            time.sleep(0.6)
        status = next(s for s in chain.endpoints if s.name == liar.url)
        assert status.is_shunned
        assert status.faults == {"disagrees": 1}
        assert [s.faults for s in chain.endpoints if s.name != liar.url] == [{}, {}]


def test_two_endpoints_that_disagree_are_both_named(scene: Scene) -> None:
    with behind_proxies(scene, 2, lie=True) as (chain, proxies):
        proxies[1].set(methods=frozenset({"eth_getBalance"}))
        with pytest.raises(RetryableChainError, match="no 2 of 2 endpoints agree") as raised:
            chain.balance(scene.wallet.address)
        assert all(proxy.url in str(raised.value) for proxy in proxies)


def test_a_quorum_of_one_is_a_failover(scene: Scene) -> None:
    with behind_proxies(scene, 2, quorum=1) as (chain, proxies):
        proxies[0].set(drop=1)
        assert scene.act(chain) == EXPECTED


@pytest.mark.parametrize("quorum", [0, 3])
def test_a_quorum_that_cannot_be_met_is_refused(scene: Scene, quorum: int) -> None:
    with pytest.raises(ChainUnavailable, match="cannot agree"):
        connect([scene.node.url, scene.node.url + "/"], quorum)


def test_the_same_address_named_twice_is_no_second_voice(scene: Scene) -> None:
    assert len(connect([scene.node.url, scene.node.url]).endpoints) == 1


def test_a_majority_that_is_gone_is_no_chain(scene: Scene) -> None:
    with behind_proxies(scene, 3) as (chain, proxies):
        for proxy in proxies[1:]:
            proxy.set(drop=1)
        with pytest.raises(RetryableChainError):
            chain.balance(scene.wallet.address)
        proxies[1].heal()
        assert chain.balance(scene.wallet.address) == scene.node.balance(scene.wallet.address)


def test_agreed_reads_cost_as_many_questions_as_must_agree(scene: Scene) -> None:
    with behind_proxies(scene, 3) as (chain, proxies):
        chain.balance(scene.wallet.address)
        assert sum(proxy.counts["eth_getBalance"] for proxy in proxies) == 2


def test_every_endpoint_gets_what_is_sent_once(scene: Scene) -> None:
    with behind_proxies(scene, 3) as (chain, proxies):
        Vault.named(chain, "StakeManager", scene.vault).deposit(
            Wallet(chain, scene.wallet.signer), Wei(1)
        )
        time.sleep(0.1)
        assert [proxy.counts["eth_sendRawTransaction"] for proxy in proxies] == [1, 1, 1]


def test_what_a_throttling_node_asks_for_is_honoured(scene: Scene) -> None:
    with behind_proxies(scene, 1, throttle=1, retry_after=1) as (chain, proxies):
        timer = threading.Timer(0.5, proxies[0].heal)
        timer.start()
        began = time.monotonic()
        chain.block_number()
        assert 1 <= time.monotonic() - began < 8
        assert proxies[0].counts["throttle"] == 1


def test_keys_in_urls_appear_in_no_message(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infernet.chain.panel._ATTEMPTS", 2)
    with behind_proxies(scene, 1) as (_, proxies):
        urls = [
            f"{proxies[0].url}/v3/sesame?key=sesame",
            f"http://u:sesame@127.0.0.1:{free_port()}",
        ]
        with pytest.raises(ChainUnavailable) as dead:
            connect(urls[1])
        assert "sesame" not in str(dead.value)
        chain = connect(urls, quorum=1)
        proxies[0].set(lie=True, truncate=1)
        with pytest.raises(ChainUnavailable) as raised:
            chain.block_number()
        assert "sesame" not in f"{raised.value}{chain.endpoints}{chain.name}"


class _Mute(BaseHTTPRequestHandler):
    """A server that sends its answer byte by byte, without an end."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


def test_a_trickle_is_no_answer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Mute)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    endpoint = endpoints.Endpoint(f"http://127.0.0.1:{server.server_port}", "mute")
    began = time.monotonic()
    with pytest.raises(endpoints.EndpointFault, match="in time"):
        endpoint.ask(endpoints.Question("eth_chainId", b"{}"), seconds=0.3)
    assert time.monotonic() - began < 10
    server.shutdown()
    server.server_close()
    thread.join()


def test_threads_may_share_a_chain(scene: Scene) -> None:
    with behind_proxies(scene, 3, lie=True) as (chain, _):
        vault, found = Vault.named(chain, "StakeManager", scene.vault), []

        def read() -> None:
            for _ in range(5):
                found.append((vault.balance(scene.wallet.address), len(vault.events("Deposited"))))

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 40
        assert len(set(found)) == 1
