"""All results of a miner are challenged falsely at once, to empty the account that pays moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from executor.purse import DEFENCE_GAS, MOVE_GAS, TASK_GAS
from infernet.chain.errors import ChainError
from infernet.chain.fees import GWEI, Prices
from infernet.chain.market import AssertionFound
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import AssertionStatus, GameStatus, Wei
from infernet.chain.wallet import Wallet
from tests.anvil import needs_anvil, running
from tests.stage import ETHER
from tests.survival.town import LONG_SEED, Town, new_town

pytestmark = needs_anvil
RESULTS, BASE_FEE = 8, 20 * GWEI


@dataclass
class Siege:
    """A miner with open results, and one account that challenges each; `spare`: what is free."""

    town: Town
    spare: Wei

    def __post_init__(self) -> None:
        town = self.town
        # Below what gas costs later: for what can wait.
        policy = SendPolicy(max_fee=Wei(BASE_FEE // 2))
        self.wallet = Wallet(town.chain, town.wallet().signer, policy=policy)
        self.miner = town.executor(self.wallet, max_tasks=RESULTS)
        requester = town.wallet()
        for _ in range(RESULTS):
            town.request(requester)
        while self.miner.tick():
            pass
        if self.spare:
            town.contracts.vault.deposit(self.wallet, self.spare)
        assert len(self.results) == RESULTS
        self.liar = town.fisherman(town.wallet(), lie_at=town.steps // 3)
        self.price()

    @property
    def results(self) -> list[AssertionFound]:
        return self.town.contracts.market.assertions(executor=self.wallet.address)

    def price(self) -> None:
        self.town.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE))
        self.town.anvil.mine()
        self.town.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE))

    def keep(self, gas: int) -> None:
        """Leave the miner with so much gas outside the vault, at the highest price it offers."""
        held = gas * Prices(self.town.chain).now().max_fee
        self.town.anvil.rpc("anvil_setBalance", self.wallet.address, hex(held))

    def play(self) -> None:
        """Let both play all games to their ends, then the windows pass."""
        constants = self.town.contracts.game_constants
        for seconds in (0, constants.clock_seconds + constants.grace_seconds + 60, 1_300):
            self.town.skip(seconds)
            for _ in range(8):
                self._turn()

    def _turn(self) -> None:
        for player in (self.liar, self.miner):
            self.price()
            with suppress(ChainError, ExceptionGroup):
                player.tick()


@pytest.fixture
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with running() as node:
        yield Siege(new_town(node, LONG_SEED), request.param)


def assert_all_stand(siege: Siege) -> None:
    siege.play()
    games, market = siege.town.contracts.games, siege.town.contracts.market
    played = [games.game(each.game_id).status for each in games.challenges()]
    assert played == [GameStatus.LOST] * RESULTS
    found = [market.assertion(each.assertion_id).status for each in siege.results]
    assert found == [AssertionStatus.FINAL] * RESULTS


@pytest.mark.parametrize("siege", [Wei(ETHER)], indirect=True)
def test_gas_for_many_games_comes_out_of_the_vault(siege: Siege) -> None:
    siege.keep(TASK_GAS)
    assert_all_stand(siege)
    taken = [each for each in siege.town.reports if each.event == "gas_topped_up"]
    assert 0 < len(taken) < RESULTS


@pytest.mark.parametrize("siege", [Wei(0)], indirect=True)
def test_what_each_claim_asks_for_is_enough_for_a_game_over_each(siege: Siege) -> None:
    assert siege.town.contracts.vault.balance(siege.wallet.address).free == 0
    siege.keep(TASK_GAS + DEFENCE_GAS + RESULTS * MOVE_GAS)
    assert_all_stand(siege)
