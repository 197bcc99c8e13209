"""On a real node each action keeps one nonce, whatever happens to process, price or block."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from infernet.chain import outbox
from infernet.chain.broadcast import Answer, broadcast, meaning_of
from infernet.chain.connection import Chain
from infernet.chain.endpoints import Endpoint, Question
from infernet.chain.errors import (
    FeeAboveCap,
    InsufficientBalance,
    NonceTaken,
    Overtaken,
    RetryableChainError,
)
from infernet.chain.fees import GWEI, Fees
from infernet.chain.outbox import SendPolicy
from infernet.chain.receipts import inclusion_of
from infernet.chain.records import Address, Wei
from infernet.chain.wallet import KeySigner, NodeSigner, Sent, Wallet
from infernet.store.database import open_database
from infernet.store.errors import StoreUnwritable
from infernet.store.journal import Inclusion, Journal
from tests.anvil import ETHER, Anvil, needs_anvil, running

pytestmark = needs_anvil
SINK = Address("0x" + "11" * 20)
# PUSH0 SLOAD PUSH1 10 JUMPI PUSH1 1 PUSH0 SSTORE STOP JUMPDEST PUSH0 PUSH0 REVERT
ONCE_ONLY = bytes.fromhex("5f54600a5760015f55005b5f5ffd")
QUICK = SendPolicy(confirmations=3, replace_seconds=0.3, wait_seconds=0.6)


@pytest.fixture(scope="module")
def shared() -> Iterator[Anvil]:
    with running() as anvil:
        yield anvil


@pytest.fixture
def node(shared: Anvil) -> Iterator[Anvil]:
    yield shared
    shared.automine(True)
    shared.rpc("anvil_dropAllTransactions")


class Player:
    """An account that can be restarted: its key and its journal outlive each wallet."""

    def __init__(self, node: Anvil, folder: Path, policy: SendPolicy = QUICK) -> None:
        self.node, self.policy = node, policy
        self.signer = KeySigner.create()
        self.path = folder / "journal.sqlite"
        self.told: list[Sent] = []
        node.fund(self.signer.address)
        # A reorganisation would take the gift back.
        node.mine(8)
        self.database = open_database(self.path)
        self.wallet = self._wallet()

    def _wallet(self) -> Wallet:
        journal = Journal(self.database, self.signer.address)
        chain = self.node.connect()
        return Wallet(chain, self.signer, self.told.append, journal, self.policy)

    def restart(self) -> Wallet:
        self.database.close()
        self.database = open_database(self.path)
        self.wallet = self._wallet()
        return self.wallet

    @property
    def journal(self) -> Journal:
        assert self.wallet.journal is not None
        return self.wallet.journal

    def states(self) -> list[str]:
        return [row[0] for row in self.database.execute("SELECT state FROM slots ORDER BY id")]

    def count(self) -> int:
        return int(self.node.rpc("eth_getTransactionCount", self.signer.address, "latest"), 16)

    def await_count(self, least: int) -> None:
        """Wait until the node has mined what it was sent; it answers before it does."""
        until = time.monotonic() + 10
        while self.count() < least:
            assert time.monotonic() < until, "the node mines nothing"
            time.sleep(0.02)


@pytest.fixture
def player(node: Anvil, tmp_path: Path) -> Iterator[Player]:
    player = Player(node, tmp_path)
    yield player
    player.database.close()


class Crash(BaseException):
    """The process dies here."""


def crash(*arguments: object) -> None:
    raise Crash


def crash_before_sending(player: Player, monkeypatch: pytest.MonkeyPatch, **send: Any) -> None:
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr("infernet.chain.outbox.broadcast", crash)
        player.wallet.send(**({"kind": "pay", "data": b"", "to": SINK, "value": Wei(1)} | send))


def once_only(node: Anvil) -> Address:
    """Return a contract that accepts one call ever."""
    address = KeySigner.create().address
    node.rpc("anvil_setCode", address, "0x" + ONCE_ONLY.hex())
    return address


def test_a_sent_slot_settles_when_it_is_deep(player: Player) -> None:
    sent = player.wallet.transfer(SINK, Wei(5))
    assert player.states() == ["mined"]
    player.wallet.tend()
    player.node.mine(QUICK.confirmations - 1)
    player.wallet.tend()
    assert player.states() == ["mined"]
    player.node.mine()
    player.wallet.tend()
    assert player.states() == ["settled"]
    assert player.told == [sent]
    totals = player.journal.totals()
    assert (totals.included, totals.fee_wei, totals.unsettled) == (1, sent.fee, 0)


def test_lost_block_is_made_good_with_the_same_transaction(player: Player) -> None:
    first, second = (player.wallet.transfer(SINK, Wei(n)) for n in (1, 2))
    player.wallet.tend()
    player.node.reorg(2)
    assert player.count() == 0
    player.wallet.tend()
    player.wallet.tend()
    player.await_count(2)
    assert player.count() == 2
    assert [slot.inclusion.hash for slot in player.journal.unsettled() if slot.inclusion] == [
        first.hash,
        second.hash,
    ]
    assert player.told == [first, second]


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_lost_blocks_are_noticed_after_a_restart(player: Player, depth: int) -> None:
    player.policy = SendPolicy(12, 0.3, 5)
    player.wallet = player._wallet()
    for n in range(3):
        player.wallet.transfer(SINK, Wei(n + 1))
    player.wallet.tend()
    player.node.reorg(depth)
    player.restart().recover()
    player.wallet.tend()
    player.await_count(3)
    assert player.count() == 3
    assert player.states() == ["mined"] * 3
    assert len(player.told) == 3


def test_stuck_transaction_is_replaced_by_dearer_ones(player: Player) -> None:
    player.node.automine(False)
    before = player.wallet.chain.balance(SINK)
    with pytest.raises(RetryableChainError, match="stays in the journal"):
        player.wallet.transfer(SINK, Wei(7))
    player.wallet._outbox._tried_at.clear()  # type: ignore[union-attr]
    player.wallet.tend()
    rows = player.database.execute("SELECT max_fee_wei, tip_wei FROM attempts ORDER BY id")
    fees = [(int(a), int(b)) for a, b in rows]
    assert len(fees) >= 2
    for (fee, tip), (next_fee, next_tip) in pairwise(fees):
        assert next_fee * 8 >= fee * 9
        assert next_tip * 8 >= tip * 9
    player.node.mine()
    player.wallet.tend()
    assert player.states() == ["mined"]
    assert player.wallet.chain.balance(SINK) == before + 7
    assert [sent.hash for sent in player.told] == [player.journal.hashes(1)[0]]


def test_an_action_that_was_given_up_waiting_for_keeps_its_slot(player: Player) -> None:
    player.node.automine(False)
    for _ in range(2):
        with pytest.raises(RetryableChainError):
            player.wallet.transfer(SINK, Wei(7))
    assert player.states() == ["open"]
    player.node.mine()
    sent = player.wallet.transfer(SINK, Wei(7))
    assert (player.states(), player.count(), player.told) == (["mined"], 1, [sent])


def test_replacement_stops_where_the_account_cannot_pay(player: Player) -> None:
    player.node.automine(False)
    fees = player.wallet._prices.now()
    exact = 5 + fees.max_fee * (21_000 * 5 // 4 + 20_000)
    player.node.rpc("anvil_setBalance", player.signer.address, hex(exact))
    with pytest.raises(RetryableChainError):
        player.wallet.transfer(SINK, Wei(5))
    player.wallet._outbox._tried_at.clear()  # type: ignore[union-attr]
    player.wallet.tend()
    assert len(player.journal.hashes(1)) == 1


def test_crash_before_sending_is_made_good_once(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_sending(player, monkeypatch)
    assert (player.states(), player.count()) == (["open"], 0)
    player.restart().recover()
    player.restart().recover()
    assert (player.states(), player.count(), len(player.told)) == (["mined"], 1, 1)


def test_crash_after_sending_is_reported_once(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr("infernet.chain.outbox.Outbox._wait", crash)
        player.wallet.transfer(SINK, Wei(3))
    player.await_count(1)
    assert (player.states(), player.count(), player.told) == (["open"], 1, [])
    player.restart().recover()
    player.restart().recover()
    player.wallet.tend()
    assert (player.states(), player.count()) == (["mined"], 1)
    assert [sent.kind for sent in player.told] == ["transfer"]


def test_stale_last_slot_that_would_fail_is_abandoned(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = once_only(player.node)
    crash_before_sending(player, monkeypatch, kind="prove", to=target, value=Wei(0))
    rival = player.node.wallet()
    rival.send("prove", b"", target)
    player.restart().recover()
    assert (player.states(), player.count()) == (["abandoned"], 0)
    player.wallet.transfer(SINK, Wei(1))
    assert (player.states(), player.count()) == (["abandoned", "mined"], 1)


def test_stale_slot_is_sent_all_the_same_where_a_later_one_needs_its_nonce(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = once_only(player.node)
    crash_before_sending(player, monkeypatch, kind="prove", to=target, value=Wei(0))
    crash_before_sending(player, monkeypatch, kind="pay")
    player.node.wallet().send("prove", b"", target)
    player.restart().recover()
    assert (player.states(), player.count()) == (["mined", "mined"], 2)
    assert [sent.kind for sent in player.told] == ["pay"]
    assert player.journal.totals().failed == 1


def test_mere_offer_that_never_left_is_dropped_after_a_restart(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_sending(player, monkeypatch, kind="claim")
    player.restart().recover()
    assert (player.states(), player.count()) == (["abandoned"], 0)


def test_known_transaction_is_never_abandoned(player: Player) -> None:
    player.node.automine(False)
    with pytest.raises(RetryableChainError):
        player.wallet.send("claim", b"", SINK, Wei(1))
    player.policy = SendPolicy(3, 60, 0.2)
    with pytest.raises(RetryableChainError):
        player.restart().recover()
    assert player.states() == ["open"]
    player.node.mine()
    player.wallet.recover()
    assert (player.states(), len(player.told)) == (["mined"], 1)


def test_abandoned_transaction_that_arrives_after_all_is_known_again(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_sending(player, monkeypatch, kind="claim")
    raw = player.journal.latest(1).raw
    player.restart().recover()
    assert player.states() == ["abandoned"]

    def lose_the_race(chain: object, own: bytes) -> tuple[Answer, str]:
        patch.setattr(outbox, "broadcast", broadcast)
        player.node.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        while not player.count():
            time.sleep(0.01)
        return Answer.USED, "nonce too low"

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "broadcast", lose_the_race)
        with pytest.raises(RetryableChainError, match="given up for lost"):
            player.wallet.transfer(SINK, Wei(9))
    assert player.states() == ["mined", "abandoned"]
    assert [sent.kind for sent in player.told] == ["claim"]
    player.wallet.transfer(SINK, Wei(9))
    assert player.count() == 2


def test_foreign_use_of_the_key_is_noticed(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_before_sending(player, monkeypatch)
    Wallet(player.wallet.chain, player.signer).transfer(SINK, Wei(99))
    player.restart()
    with pytest.raises(NonceTaken, match="another program used nonce 0"):
        player.wallet.recover()
    player.wallet.recover()
    player.wallet.tend()
    assert player.states() == ["taken"]
    player.node.mine(QUICK.confirmations)
    player.wallet.tend()
    assert player.states() == ["lost"]
    player.wallet.transfer(SINK, Wei(1))
    assert (player.states(), player.count()) == (["lost", "mined"], 2)


def test_foreign_use_in_passing_stops_the_sender_only(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Wallet(player.wallet.chain, player.signer)
    player.wallet.transfer(SINK, Wei(1))

    def come_second(chain: Chain, raw: bytes) -> tuple[Answer, str]:
        patch.setattr(outbox, "broadcast", broadcast)
        other.send("foreign", b"", SINK, Wei(77))
        return broadcast(chain, raw)

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "broadcast", come_second)
        with pytest.raises(NonceTaken):
            player.wallet.transfer(SINK, Wei(2))
    assert player.states() == ["mined", "taken"]
    player.wallet.transfer(SINK, Wei(2))
    assert player.count() == 3


def test_chain_that_began_anew_is_not_written_to(player: Player, tmp_path: Path) -> None:
    player.wallet.transfer(SINK, Wei(1))
    player.node.mine(QUICK.confirmations)
    player.wallet.tend()
    player.node.rpc("anvil_setNonce", player.signer.address, "0x0")
    with pytest.raises(RetryableChainError, match="began anew"):
        player.wallet.transfer(SINK, Wei(2))
    with pytest.raises(RetryableChainError, match="began anew"):
        player.restart().recover()
    assert player.states() == ["settled"]


def test_refusal_in_the_block_is_settled_and_told(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = once_only(player.node)
    player.node.wallet().send("prove", b"", target)
    monkeypatch.setattr(type(player.wallet.chain), "simulate", lambda *_: 100_000)
    with pytest.raises(Overtaken):
        player.wallet.send("prove", b"", target)
    assert (player.states(), player.told) == (["mined"], [])
    assert player.journal.totals().failed == 1


def test_account_without_funds_keeps_no_slot(player: Player) -> None:
    player.node.rpc("anvil_setBalance", player.signer.address, hex(10**15))
    with pytest.raises(InsufficientBalance):
        player.wallet.transfer(SINK, Wei(ETHER))
    assert player.states() == []


def test_what_cannot_be_journalled_is_not_sent(player: Player) -> None:
    (pages,) = player.database.execute("PRAGMA page_count")[0]
    player.database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnwritable, match="make room on the disk"):
        player.wallet.send("pay", bytes(50_000), SINK)
    assert (player.states(), player.count()) == ([], 0)
    player.database.execute("PRAGMA max_page_count = 1000000")
    player.wallet.send("pay", bytes(50_000), SINK)
    assert player.states() == ["mined"]


def test_abandoned_slot_stays_so_for_a_thread_that_looks_late(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_sending(player, monkeypatch)
    player.journal.abandon(1)
    player.wallet._outbox._advance(1)  # type: ignore[union-attr]
    assert (player.states(), player.count()) == (["abandoned"], 0)


def test_refused_broadcast_leaves_no_gap(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(player.wallet.chain), "simulate", lambda *_: 100)
        with pytest.raises(RetryableChainError, match="intrinsic gas too low"):
            player.wallet.transfer(SINK, Wei(1))
    player.wallet.transfer(SINK, Wei(1))
    assert player.states() == ["abandoned", "mined"]


def test_cap_holds_back_offers_but_never_moves(player: Player) -> None:
    player.policy = SendPolicy(max_fee=Wei(1))
    wallet = player.restart()
    with pytest.raises(FeeAboveCap, match="raise max_fee_gwei"):
        wallet.send("claim", b"", SINK, Wei(1))
    assert player.states() == []
    wallet.send("dissect", b"", SINK, Wei(1))
    assert player.states() == ["mined"]


def test_a_receipt_that_a_node_shows_after_the_count_is_waited_for(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count()

    def shown_late(chain: Chain, hashes: list[bytes]) -> Inclusion | None:
        return inclusion_of(chain, hashes) if next(looks) >= 3 else None

    monkeypatch.setattr(outbox, "_PUSH_SECONDS", 0.0)
    monkeypatch.setattr(outbox, "inclusion_of", shown_late)
    player.wallet.transfer(SINK, Wei(1))
    assert player.states() == ["mined"]


def test_threads_share_a_wallet_without_a_gap(player: Player) -> None:
    player.policy = SendPolicy(wait_seconds=20)
    wallet = player.restart()
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda n: wallet.transfer(SINK, Wei(n)), range(1, 25)))
    assert player.count() == len({each.hash for each in sent}) == len(player.told) == 24
    assert sorted(row[0] for row in player.database.execute("SELECT nonce FROM slots")) == list(
        range(24)
    )


def test_round_trips_of_a_send(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    player.wallet.transfer(SINK, Wei(1))
    calls: list[str] = []
    ask = Endpoint.ask
    [ours] = player.wallet.chain.web3.provider._panel.endpoints

    def count_request(endpoint: Endpoint, question: Question, *arguments: Any) -> Any:
        # A player whom another test left in this process still asks his own node.
        if endpoint is ours:
            calls.append(question.method)
        return ask(endpoint, question, *arguments)

    monkeypatch.setattr(Endpoint, "ask", count_request)
    # Today's fees are asked for every few seconds, not for each transaction.
    player.wallet._prices._asked_at = float("inf")
    player.wallet.transfer(SINK, Wei(2))
    # The receipt may be asked for more than once.
    assert list(dict.fromkeys(calls)) == [
        "eth_getBalance",
        "eth_estimateGas",
        "eth_getTransactionCount",
        "eth_sendRawTransaction",
        "eth_getTransactionReceipt",
        "eth_getBlockByHash",
    ]
    player.wallet.tend()
    calls.clear()
    player.wallet.tend()
    assert calls == ["eth_getBlockByNumber"]


def test_node_signer_sends_without_a_journal(node: Anvil) -> None:
    chain = node.connect()
    told: list[Sent] = []
    bank = Wallet(chain, NodeSigner(Address(chain.web3.eth.accounts[0])), told.append)
    sent = bank.transfer(SINK, Wei(4))
    bank.recover()
    bank.tend()
    assert told == [sent]
    assert bank.journal is None


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("nonce too low: next nonce 5, tx nonce 4", Answer.USED),
        ("nonce too low", Answer.USED),
        ("OldNonce, Current nonce: 7, nonce of rejected tx: 5", Answer.USED),
        ("Invalid transaction nonce: Expected 1, but got 0", Answer.USED),
        ("already known", Answer.TAKEN),
        ("AlreadyKnown", Answer.TAKEN),
        ("transaction already imported", Answer.TAKEN),
        ("Known transaction", Answer.TAKEN),
        ("replacement transaction underpriced: address 0x1", Answer.UNDERPRICED),
        ("transaction underpriced: gas tip cap 1, minimum needed 2", Answer.UNDERPRICED),
        ("max fee per gas less than block base fee: address 0x", Answer.UNDERPRICED),
        ("fee cap less than block base fee", Answer.UNDERPRICED),
        ("Sender's max fee per gas (1) is lower than block's base fee", Answer.UNDERPRICED),
        ("Gas price below configured minimum gas price", Answer.UNDERPRICED),
        ("insufficient funds for gas * price + value: balance 0", Answer.POOR),
        ("Insufficient funds for gas * price + value", Answer.POOR),
        ("Sender does not have enough balance to cover", Answer.POOR),
        ("Upfront cost exceeds account balance", Answer.POOR),
        ("exceeds block gas limit", Answer.REFUSED),
        ("oversized data: transaction size 150000, limit 131072", Answer.REFUSED),
    ],
)
def test_nodes_are_understood_in_their_own_words(words: str, meaning: Answer) -> None:
    assert meaning_of(words) is meaning


@pytest.mark.parametrize("fee", [0, 1, 7, 8, GWEI, 10**12 + 1])
def test_replacement_is_an_eighth_dearer_in_both_parts(fee: int) -> None:
    raised = Fees(Wei(fee), Wei(fee)).raised_to(Fees(Wei(0), Wei(0)))
    assert raised.max_fee * 8 > fee * 9
    assert raised.tip * 8 > fee * 9
    dear = Fees(Wei(10**13), Wei(10**13))
    assert Fees(Wei(fee), Wei(fee)).raised_to(dear) == dear
