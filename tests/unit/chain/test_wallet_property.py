"""Whatever happens in whatever order, each action that was meant is on chain exactly once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from infernet.chain import outbox
from infernet.chain.errors import RetryableChainError
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import Address, Wei
from infernet.chain.wallet import KeySigner, Sent, Wallet
from infernet.store.database import open_database
from infernet.store.journal import Journal
from tests.anvil import Anvil, needs_anvil, running

pytestmark = needs_anvil
SINK = Address("0x" + "11" * 20)
CONFIRMATIONS = 4
PATIENT = SendPolicy(CONFIRMATIONS, replace_seconds=60, wait_seconds=10)
HASTY = SendPolicy(CONFIRMATIONS, replace_seconds=0, wait_seconds=0.03)
# Where a process may die in a send.
POINTS = ("_open", "broadcast", "_wait", "_include")


class Crash(BaseException):
    """The process dies here."""


def crash(*arguments: object) -> None:
    raise Crash


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running() as anvil:
        yield anvil


class Life(RuleBasedStateMachine):
    """An actor that sends what it wants and does not see on chain; its world goes wrong at will."""

    node: Anvil

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.signer = KeySigner.create()
        self.chain = self.node.connect()
        self.node.automine(True)
        self.node.fund(self.signer.address)
        self.node.mine(8)
        self.start_block = self.chain.block_number()
        self.wanted: list[tuple[str, bytes]] = []
        self.told: list[Sent] = []
        self.is_mining = True
        self.database = open_database(self.path)
        self.wallet = self._wallet()

    @property
    def path(self) -> Path:
        return Path(self.folder.name) / "journal.sqlite"

    def _wallet(self) -> Wallet:
        journal = Journal(self.database, self.signer.address)
        policy = PATIENT if self.is_mining else HASTY
        return Wallet(self.chain, self.signer, self.told.append, journal, policy)

    def _restart(self) -> None:
        self.database.close()
        self.database = open_database(self.path)
        self.wallet = self._wallet()
        self.wallet.recover()

    def _on_chain(self) -> list[bytes]:
        mine = []
        for number in range(self.start_block + 1, self.chain.block_number() + 1):
            block = self.node.rpc("eth_getBlockByNumber", hex(number), True)
            for each in block["transactions"]:
                if each["from"] == self.signer.address.lower():
                    mine.append(bytes.fromhex(each["input"][2:]))
        return mine

    def _act(self) -> None:
        """Do what an actor's tick does: tend, look, send what is missing."""
        self.wallet.tend()
        done = self._on_chain()
        for kind, data in self.wanted:
            if data not in done:
                self.wallet.send(kind, data, SINK, Wei(1))

    @rule(kind=st.sampled_from(["dissect", "claim"]))
    def want(self, kind: str) -> None:
        self.wanted.append((kind, len(self.wanted).to_bytes(4, "big")))
        with suppress(RetryableChainError):
            self._act()

    @rule(point=st.sampled_from(POINTS), kind=st.sampled_from(["dissect", "claim"]))
    def die_while_sending(self, point: str, kind: str) -> None:
        self.wanted.append((kind, len(self.wanted).to_bytes(4, "big")))
        place: Any = outbox if point == "broadcast" else outbox.Outbox
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, point, crash)
            with suppress(Crash, RetryableChainError):
                self._act()
        with suppress(RetryableChainError):
            self._restart()

    @rule(depth=st.integers(1, CONFIRMATIONS - 1))
    def replace_blocks(self, depth: int) -> None:
        if self.chain.block_number() - depth > self.start_block:
            self.node.reorg(depth)

    @rule()
    def stop_mining(self) -> None:
        self.node.automine(False)
        self.is_mining = False
        self.wallet.policy = HASTY
        self.wallet._outbox.policy = HASTY  # type: ignore[union-attr]

    @rule()
    def lose_the_mempool(self) -> None:
        self.node.rpc("anvil_dropAllTransactions")

    @rule(blocks=st.integers(1, 5))
    def mine(self, blocks: int) -> None:
        self.node.mine(blocks)

    @rule()
    def tick(self) -> None:
        with suppress(RetryableChainError):
            self._act()

    @invariant()
    def nothing_is_done_twice(self) -> None:
        done = self._on_chain()
        assert len(done) == len(set(done))

    def teardown(self) -> None:
        self.node.automine(True)
        self.is_mining = True
        self._restart()
        for _ in range(2):
            self._act()
            self.node.mine(CONFIRMATIONS)
        self.wallet.tend()
        assert sorted(self._on_chain()) == [data for _, data in self.wanted]
        journal = self.wallet.journal
        assert journal is not None
        assert journal.unsettled() == []
        # A slot that a block held is told once, also if its action was lost and done anew.
        given_up = "SELECT count(*) FROM slots WHERE state = 'abandoned' AND reported = 1"
        ((undone,),) = self.database.execute(given_up)
        totals = journal.totals()
        assert len(self.told) == totals.included - totals.failed + undone
        self.database.close()
        self.folder.cleanup()


def live(node: Anvil, monkeypatch: pytest.MonkeyPatch, lives: int, steps: int) -> None:
    monkeypatch.setattr(outbox, "_PUSH_SECONDS", 0.0)
    Life.node = node
    health = list(HealthCheck)
    bounds = settings(
        max_examples=lives, stateful_step_count=steps, deadline=None, suppress_health_check=health
    )
    run_state_machine_as_test(Life, settings=bounds)


def test_each_action_is_done_once(node: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
    live(node, monkeypatch, 8, 12)


@pytest.mark.slow
def test_each_action_is_done_once_in_many_lives(
    node: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(node, monkeypatch, 150, 30)
