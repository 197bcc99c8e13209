"""Odd results, failing engines and faulty memory: the watch goes on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from infernet.actors.holdings import Run
from infernet.chain.market import Request
from infernet.chain.records import ProgramRoot, Seconds
from infernet.store.checks import Coverage
from interpreter.merkle import Hash
from interpreter.program import Step
from tests.programs import random_program
from tests.stage import FEE, Stage
from tests.unit.fisherman.lies import events, hide_input, play_out, tell_lie, tell_truth


@dataclass
class Flaky:
    """Starts true runs, but fails the first `failures` times, as `error` says."""

    stage: Stage
    failures: int
    error: Exception
    begun: int = 0

    def __call__(self, data: bytes, iterations: int = 1) -> Run:
        self.begun += 1
        if self.begun <= self.failures:
            raise self.error
        return self.stage.truth(data)


@pytest.mark.parametrize("error", [MemoryError(), KeyError("CUDA")])
def test_an_engine_that_fails_on_one_input_stops_nothing(stage: Stage, error: Exception) -> None:
    tell_truth(stage, 3)
    fisherman = stage.fisherman(stage.wallet(), start_run=Flaky(stage, 1, error))
    fisherman.tick()
    assert sorted(events(stage)) == ["check_failed", "result_checked", "result_checked"]
    stage.skip(stage.contracts.market_constants.window_seconds // 100 + 1)
    fisherman.tick()
    assert fisherman.coverage() == Coverage(seen=3, sampled=3, checked=3)


def test_a_run_that_needs_too_much_memory_says_so(stage: Stage) -> None:
    tell_truth(stage, 1)
    error = MemoryError("Unable to allocate 32.0 GiB")
    stage.fisherman(stage.wallet(), start_run=Flaky(stage, 1, error)).tick()
    assert events(stage) == ["check_failed"]
    assert "needs more memory than is free (Unable to allocate 32.0 GiB)" in stage.reports[-1].what


@dataclass
class Bitflip:
    """A run whose final state is not the true one."""

    run: Run

    @property
    def output(self) -> bytes:
        return self.run.output

    @property
    def halted(self) -> bool:
        return self.run.halted

    def state_hashes(self, steps: list[Step]) -> list[Hash]:
        hashes = self.run.state_hashes(steps)
        return [*hashes[:-1], Hash(bytes(32))]

    def proof(self, step: Step) -> bytes:
        return self.run.proof(step)


def test_a_fault_of_ones_own_memory_costs_no_bond(stage: Stage) -> None:
    tell_truth(stage, 2)
    begun: list[bytes] = []

    def start(data: bytes, iterations: int = 1) -> Run:
        begun.append(data)
        return Bitflip(stage.truth(data)) if len(begun) == 1 else stage.truth(data)

    fisherman = stage.fisherman(stage.wallet(), start_run=start)
    fisherman.tick()
    assert "own_results_differ" in events(stage)
    assert not stage.contracts.games.challenges()


def test_who_once_disagreed_with_itself_challenges_no_more_until_a_restart(stage: Stage) -> None:
    lie, wallet, begun = tell_lie(stage), stage.wallet(), list[bytes]()

    def start(data: bytes, iterations: int = 1) -> Run:
        begun.append(data)
        return Bitflip(stage.truth(data)) if len(begun) == 1 else stage.truth(data)

    doubtful = stage.fisherman(wallet, start_run=start)
    for _ in range(2):
        doubtful.tick()
        stage.skip(stage.contracts.market_constants.window_seconds // 100 + 1)
    assert events(stage) == ["own_results_differ"] * 2
    assert not stage.contracts.games.challenges()
    play_out(stage, lie, stage.fisherman(wallet))
    assert events(stage)[-1] == "reward_collected"


def test_models_that_are_not_held_are_counted_and_left_alone(stage: Stage) -> None:
    other = random_program(np.random.default_rng(77))
    registrant, market = stage.wallet(), stage.contracts.market
    info = stage.contracts.registry.register(registrant, other)
    stage.nonce += 1
    deadline = Seconds(stage.chain.next_timestamp() + 10**6)
    request = Request(ProgramRoot(other.root), FEE, deadline, stage.nonce)
    data = bytes(other.header.input_type.byte_count)
    task_id, _ = market.request_with_input(stage.wallet(), request, data, FEE)
    market.claim(registrant, task_id, info.minimum_stake, info.minimum_stake)
    output = bytes(other.header.output_type.byte_count)
    market.assert_result(registrant, task_id, 1, output)
    fisherman = stage.fisherman(stage.wallet())
    fisherman.tick()
    assert fisherman.coverage() == Coverage(seen=1, unheld=1)


def test_a_result_that_says_it_halted_is_a_false_one(stage: Stage) -> None:
    market, executor = stage.contracts.market, stage.wallet()
    task_id = stage.request(stage.wallet())
    stake = stage.contracts.registry.info(stage.root).minimum_stake
    market.claim(executor, task_id, stake, stake)
    market.assert_result(executor, task_id, 1, stage.truth().output, halted=True)
    stage.fisherman(stage.wallet()).tick()
    assert events(stage) == ["false_result_found", "challenge_committed"]


def test_hidden_inputs_neither_stop_nor_slow_the_watch_of_others(stage: Stage) -> None:
    for number in range(3):
        hide_input(stage, bytes([number + 1]) * 32)
    lie = tell_lie(stage)
    fisherman = stage.fisherman(stage.wallet())
    fisherman.tick()
    found = stage.contracts.games.challenges(assertionId=lie.assertion_id)
    assert len(found) == 1
    assert events(stage).count("input_demanded") == 3
