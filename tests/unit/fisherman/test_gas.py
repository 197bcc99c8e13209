"""The gas that costs are weighed with, against what the contracts really take."""

from __future__ import annotations

import numpy as np
import pytest

from fisherman import cost
from infernet.chain.game import commitment_of
from infernet.chain.market import Request
from infernet.chain.records import GameStatus, Seconds
from infernet.chain.wallet import Sent
from interpreter.merkle import tree_of_bytes
from interpreter.program import Step
from tests.stage import FEE, Stage, base_fee, new_stage, reveal_gas
from tests.unit.fisherman.lies import assert_all

# A bound that is far off would let good challenges look too dear.
MOST_SLACK = 2


@pytest.fixture(scope="module")
def stage() -> Stage:
    return new_stage()


def bound(kind: str, parts: int) -> int:
    """Return the gas that one transaction is weighed with."""
    each = {
        "open": cost.OPEN_GAS + cost.OPEN_GAS_EACH * parts,
        "dissect": cost.DISSECT_GAS + cost.DISSECT_GAS_EACH * parts,
        "commit": cost.COMMIT_GAS,
        "prove": cost.PROVE_GAS,
        "timeout": cost.PROVE_GAS,
        "claimPriority": cost.PRIORITY_GAS,
        "claimReward": cost.REWARD_GAS,
        "demandReveal": cost.DEMAND_GAS,
        "timeoutReveal": cost.REVEAL_TIMEOUT_GAS,
    }
    return each[kind]


def assert_bounds(sent: list[Sent], parts: int) -> None:
    for each in sent:
        most = bound(each.kind, parts)
        print(f"{each.kind:<14} {each.gas_used:>8,} of {most:>8,}")
        assert each.gas_used <= most, each.kind
        assert most <= MOST_SLACK * each.gas_used or each.kind == "timeout"


def lie(stage: Stage, lie_at: int) -> tuple[object, bytes]:
    task_id = stage.request(stage.wallet())
    liar = stage.executor(stage.wallet(), lie_at=lie_at)
    assert_all(stage, liar, [task_id])
    (found,) = stage.contracts.market.assertions(taskId=task_id)
    return liar, found.assertion_id


def test_a_whole_dispute_costs_no_more_than_it_was_weighed_with(stage: Stage) -> None:
    with stage.rewound() as stage:
        liar, assertion_id = lie(stage, stage.steps // 3)
        sent: list[Sent] = []
        wallet = stage.wallet()
        wallet.on_sent = sent.append
        fisherman = stage.fisherman(wallet)
        for _ in range(12):
            fisherman.tick()
            liar.tick()
        constants = stage.contracts.game_constants
        if not stage.contracts.games.is_voided(assertion_id):
            stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
            fisherman.tick()
        stage.skip(constants.open_seconds + 1)
        fisherman.tick()
        assert sent[-1].kind == "claimReward"
        assert_bounds(sent, constants.arity)
        whole = sum(each.gas_used for each in sent)
        assert whole <= cost.gas_to_the_end(stage.steps, constants.arity)


def test_an_earlier_challengers_claim_and_a_timeout_are_within_their_bounds(stage: Stage) -> None:
    with stage.rewound() as stage:
        _, assertion_id = lie(stage, stage.steps // 2)
        games, truth = stage.contracts.games, stage.truth()
        (final,) = truth.state_hashes([Step(stage.steps)])
        first, second = stage.wallet(), stage.wallet()
        for wallet in (first, second):
            commitment = commitment_of(assertion_id, wallet.address, final, bytes(32))
            bond = games.bond_for(assertion_id)
            games.commit(wallet, assertion_id, commitment, bond, bond)
        early, late = games.challenges(assertionId=assertion_id)
        parts = stage.contracts.game_constants.arity
        cuts = [Step(stage.steps * j // parts) for j in range(1, parts + 1)]
        stage.chain.tester.mine_blocks(1)
        games.open(first, early.game_id, bytes(32), truth.state_hashes(cuts))
        games.open(second, late.game_id, bytes(32), truth.state_hashes(cuts))
        stage.skip(games.game(late.game_id).deadline + 1 - stage.chain.next_timestamp())
        timeout = games.timeout(second, late.game_id)
        assert games.game(late.game_id).status is GameStatus.WON
        claimed = games.claim_priority(first, early.game_id, final, bytes(32))
        assert_bounds([timeout, claimed], parts)


def test_a_demand_and_its_end_are_within_their_bounds(stage: Stage) -> None:
    with stage.rewound() as stage:
        market, executor = stage.contracts.market, stage.wallet()
        stage.nonce += 1
        request = Request(
            stage.root, FEE, Seconds(stage.chain.next_timestamp() + 10**6), stage.nonce
        )
        task_id, _ = market.request(stage.wallet(), request, b"\x05" * 32, FEE)
        stake = stage.contracts.registry.info(stage.root).minimum_stake
        market.claim(executor, task_id, stake, stake)
        market.assert_result(
            executor, task_id, 1, bytes(stage.program.header.output_type.byte_count)
        )
        sent: list[Sent] = []
        wallet = stage.wallet()
        wallet.on_sent = sent.append
        fisherman = stage.fisherman(wallet)
        fisherman.tick()
        stage.skip(stage.contracts.market_constants.reveal_seconds + 1)
        fisherman.tick()
        assert [each.kind for each in sent] == ["demandReveal", "timeoutReveal"]
        assert_bounds(sent, 1)


def test_the_price_of_bytes_is_the_contracts(stage: Stage) -> None:
    with stage.rewound() as stage:
        market, executor, watcher = stage.contracts.market, stage.wallet(), stage.wallet()
        stage.nonce += 1
        request = Request(
            stage.root, FEE, Seconds(stage.chain.next_timestamp() + 10**6), stage.nonce
        )
        root = tree_of_bytes(np.frombuffer(stage.data, np.uint8)).root
        task_id, _ = market.request(stage.wallet(), request, root, FEE)
        stake = stage.contracts.registry.info(stage.root).minimum_stake
        market.claim(executor, task_id, stake, stake)
        market.assert_result(executor, task_id, 1, stage.truth().output)
        fisherman = stage.fisherman(watcher)
        fisherman.tick()
        (found,) = market.assertions(taskId=task_id)
        before = stage.contracts.vault.balance(watcher.address).total
        sent = market.reveal(executor, found.assertion_id, stage.data)
        paid = before - stage.contracts.vault.balance(watcher.address).total
        price = base_fee(stage.chain, sent.block_number)
        assert paid == reveal_gas(stage.data) * price
        assert paid <= cost.reveal_price(len(stage.data), price) < paid * 1.1
        assert sent.gas_used * 0.9 < reveal_gas(stage.data) <= sent.gas_used
