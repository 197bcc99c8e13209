"""The alerts that a node causes, fired by a real node and faulty proxies before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infernet.actors.crew import Crew
from infernet.actors.daemon import Pace, run
from infernet.chain.connection import connect
from infernet.chain.deploy import PRODUCTION, deploy
from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.records import Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.monitor.metrics import Monitor, Sources
from infernet.monitor.observatory import Observatory
from infernet.monitor.snapshot import Role
from infernet.store.database import open_database
from infernet.store.journal import Journal
from tests.anvil import ETHER, Anvil
from tests.proxy import Proxy, faulty

from .scrape import STEP_SECONDS, Prometheus


class Town:
    """Contracts on a node and a miner's monitor that reaches it by some URLs."""

    def __init__(self, anvil: Anvil, urls: list[str], deployment: Deployment, folder: Path) -> None:
        self.anvil, self.clock = anvil, 0.0
        self.contracts = Contracts(connect(urls), deployment)
        self.database = open_database(folder / "account.sqlite")
        signer = KeySigner.create()
        journal = Journal(self.database, signer.address)
        self.wallet = Wallet(self.contracts.chain, signer, journal=journal)
        anvil.fund(self.wallet.address)
        observatory = Observatory(
            self.contracts, self.wallet.address, Role.MINER, {}, self.database
        )
        sources = Sources(folder, "onnxruntime", lambda: True)
        self.monitor = Monitor(observatory, sources, clock=lambda: self.clock)
        url = f"http://127.0.0.1:{self.monitor.serve('127.0.0.1', 0)}"
        self.prometheus = Prometheus({"infernet-miner": url}, start=time.time())

    def minutes(
        self, count: int, *, blocks: bool = True, ticks: bool = True, looks: bool = True
    ) -> set[str]:
        """Let minutes pass, and return what fires then."""
        for _ in range(count):
            self.clock += STEP_SECONDS
            if blocks:
                self.anvil.mine()
            if ticks:
                self.monitor.on_tick(0.1)
            if looks:
                self.monitor.look()
            self.prometheus.scrape()
        return self.prometheus.firing()


@contextmanager
def town(anvil: Anvil, folder: Path, proxies: int = 0) -> Iterator[tuple[Town, list[Proxy]]]:
    """Give a town whose monitor reaches the node by so many proxies, or directly."""
    deployment = deploy(anvil.wallet(), PRODUCTION).deployment
    with ExitStack() as stack:
        faulting = [stack.enter_context(faulty(anvil.url)) for _ in range(proxies)]
        urls = [proxy.url for proxy in faulting] or [anvil.url]
        found = Town(anvil, urls, deployment, folder)
        stack.callback(found.database.close)
        stack.callback(found.monitor.stop)
        assert found.minutes(3) == set()
        yield found, faulting


def test_a_node_that_fails_often_is_told(anvil: Anvil, tmp_path: Path) -> None:
    with town(anvil, tmp_path, proxies=1) as (here, proxies):
        proxies[0].set(fail=0.5)
        while proxies[0].counts["fail"] < 10:
            here.contracts.chain.balance(here.wallet.address)
        proxies[0].heal()
        assert here.minutes(5) == set()
        assert here.minutes(1) == {"RpcFaults"}
        assert here.minutes(5) == set()


def test_a_node_that_lies_is_told_at_its_first_lie(anvil: Anvil, tmp_path: Path) -> None:
    with town(anvil, tmp_path, proxies=3) as (here, proxies):
        proxies[0].set(lie=True)
        assert here.minutes(1) == {"RpcDisagreement"}


def test_a_transaction_that_no_block_takes_is_told(anvil: Anvil, tmp_path: Path) -> None:
    with town(anvil, tmp_path) as (here, _):
        anvil.automine(False)
        sending = threading.Thread(target=send, args=(here.wallet,))
        sending.start()
        while int(anvil.rpc("txpool_status")["pending"], 16) == 0:
            time.sleep(0.01)
        anvil.rpc("anvil_dropAllTransactions")
        assert here.minutes(6) == set()
        assert here.minutes(1) == {"TransactionsStuck"}
        here.wallet.tend()
        anvil.automine(True)
        anvil.mine()
        sending.join()
        assert here.minutes(1) == set()


def test_a_dead_node_is_told_by_its_faults_and_by_the_loop(anvil: Anvil, tmp_path: Path) -> None:
    class Reader:
        """A player that only looks."""

        crew = Crew()

        def tick(self) -> bool:
            here.contracts.chain.head()
            return False

        def stop(self) -> None:
            pass

    with town(anvil, tmp_path) as (here, _):
        stop, pace = threading.Event(), Pace(0.05, 0.05, 0.1)
        arguments = (Reader(), here.wallet, stop, here.monitor, pace)
        loop = threading.Thread(target=run, args=arguments)
        loop.start()
        try:
            anvil.kill()
            assert here.monitor.look() is None
            found = here.minutes(6, blocks=False, ticks=False, looks=False)
        finally:
            stop.set()
            loop.join()
        assert found >= {"ChainHeadStale", "LoopStalled"}


def send(wallet: Wallet) -> None:
    wallet.transfer(KeySigner.create().address, Wei(ETHER // 100))
