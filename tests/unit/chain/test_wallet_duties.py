"""What may not wait is sent as long as the account can pay what the next block asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infernet.chain.errors import InsufficientBalance, RetryableChainError
from infernet.chain.fees import GWEI
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import Wei
from tests.anvil import needs_anvil, running

from .test_wallet_slots import SINK, Player

pytestmark = needs_anvil
CAP = Wei(20 * GWEI)
POLICY = SendPolicy(confirmations=3, replace_seconds=0.5, wait_seconds=1.0, max_fee=CAP)
CHEAP, DEAR = 10, 30
# Less than twice the dear base fee, and more than that fee itself.
ENOUGH = 55
GAS = 46_250


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    with running() as node:
        player = Player(node, tmp_path, POLICY)
        mine(player, CHEAP)
        yield player
        player.database.close()


def mine(player: Player, gwei: int) -> None:
    """Mine a block with a base fee."""
    player.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
    player.node.mine()
    # Prices are asked for every few seconds, and blocks are as far apart.
    player.wallet._prices._asked_at = 0.0


def stick(player: Player, kind: str) -> None:
    """Send what no block takes any more: gas grows dear before the next one."""
    player.node.automine(False)
    with pytest.raises(RetryableChainError, match="stays in the journal"):
        player.wallet.send(kind, b"", SINK, Wei(1))
    mine(player, DEAR)
    assert player.states() == ["open"]


def keep(player: Player, gwei: int) -> None:
    """Leave the account with so much for each unit of gas of a transfer."""
    player.node.rpc("anvil_setBalance", player.wallet.address, hex(GAS * gwei * GWEI))


def send_in_dear_blocks(player: Player, value: int) -> None:
    """Make a move that may not wait, while blocks come and go."""
    for _ in range(8):
        try:
            player.wallet.send("dissect", b"", SINK, Wei(value))
        except RetryableChainError:
            mine(player, DEAR)
        else:
            return
    raise AssertionError(f"no block took the move: {offers(player)}")


def offers(player: Player) -> list[float]:
    """Return the gwei for a unit of gas of each transaction that was signed."""
    rows = player.database.execute("SELECT max_fee_wei FROM attempts ORDER BY id")
    return [int(fee) / GWEI for (fee,) in rows]


def test_a_claim_under_the_cap_does_not_hold_back_a_move(player: Player) -> None:
    stick(player, "claim")
    send_in_dear_blocks(player, 2)
    player.wallet.tend()
    assert player.states() == ["mined", "mined"]
    assert offers(player)[0] == CAP / GWEI
    assert max(offers(player)) > 2 * DEAR


def test_a_claim_under_the_cap_that_nothing_waits_for_stays_under_it(player: Player) -> None:
    stick(player, "claim")
    for _ in range(3):
        with pytest.raises(RetryableChainError):
            player.wallet.send("claim", b"", SINK, Wei(1))
        mine(player, DEAR)
    assert offers(player) == [CAP / GWEI]


def test_gas_out_of_the_vault_is_no_mere_offer(player: Player) -> None:
    stick(player, "top up")
    assert player.wallet.is_sending("top up")
    assert not player.wallet.is_sending("withdraw")
    assert offers(player)[0] > CAP / GWEI


def test_a_stuck_move_is_raised_to_what_the_account_can_pay(player: Player) -> None:
    stick(player, "dissect")
    keep(player, ENOUGH)
    send_in_dear_blocks(player, 1)
    assert player.states() == ["mined"]
    assert DEAR < offers(player)[-1] <= ENOUGH


def test_a_new_move_is_sent_for_what_the_account_can_pay(player: Player) -> None:
    mine(player, DEAR)
    keep(player, ENOUGH)
    player.wallet.send("dissect", b"", SINK, Wei(1))
    assert player.states() == ["mined"]
    assert DEAR < offers(player)[0] <= ENOUGH


@pytest.mark.parametrize(("kind", "gwei"), [("claim", ENOUGH), ("dissect", DEAR - 1)])
def test_what_can_wait_and_what_no_block_takes_is_not_sent(
    player: Player, kind: str, gwei: int
) -> None:
    player.policy = SendPolicy(3, 0.5, 1.0)
    wallet = player.restart()
    mine(player, DEAR)
    keep(player, gwei)
    with pytest.raises(InsufficientBalance, match="send it the difference"):
        wallet.send(kind, b"", SINK, Wei(1))
    assert player.states() == []


def test_what_other_moves_were_offered_is_left_to_them(player: Player) -> None:
    stick(player, "dissect")
    first = offers(player)[0]
    keep(player, int(first) + DEAR)
    with pytest.raises(InsufficientBalance):
        player.wallet.send("prove", b"", SINK, Wei(2))
    keep(player, int(first) + DEAR + 5)
    with pytest.raises(RetryableChainError):
        player.wallet.send("prove", b"", SINK, Wei(2))
    assert offers(player)[-1] <= DEAR + 5
