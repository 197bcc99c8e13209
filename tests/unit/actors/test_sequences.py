"""Miner and fisherman on tasks of several iterations: they agree on outputs and on who halted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from executor.actor import Executor
from infernet.audit.certify import receipt_of
from infernet.audit.replay import replay
from infernet.chain.records import AssertionStatus, TaskId, TaskStatus
from interpreter.program import Opcode
from tests.stage import Stage, stage_of
from tests.unit.fisherman.lies import Lie, events, play_out
from tests.unit.test_decoder import ITERATIONS, decoder, request, tokens_of

# Position 0 makes the first end token inside the prompt, position 4 the other one.
DATA = request(0, 0, 9)
_FREE = tokens_of(decoder((-1,)), DATA)
_INSIDE, _END = 0, 4


@pytest.fixture(scope="module")
def built() -> Stage:
    program = decoder((_FREE[_INSIDE], _FREE[_END]))
    return stage_of(program, DATA.tobytes(), iterations=ITERATIONS)


@pytest.fixture
def stage(built: Stage) -> Iterator[Stage]:
    with built.rewound() as stage:
        yield stage


def serve(stage: Stage, lie_at: int | None = None) -> tuple[Executor, TaskId]:
    """Have a miner assert a result of a new task."""
    task_id = stage.request(stage.wallet())
    executor = stage.executor(stage.wallet(), lie_at, max_tasks=1)
    for _ in range(10):
        if stage.contracts.market.task(task_id).status is TaskStatus.ASSERTED:
            return executor, task_id
        executor.tick()
    raise AssertionError("the miner left the task alone")


def halt_at(stage: Stage, position: int) -> int:
    """Return the step of the HALT of a position."""
    (halt,) = (op for op in stage.program.operators if op.opcode is Opcode.HALT)
    return position * stage.program.header.steps_per_iteration + halt.first_step


def test_a_run_that_halts_is_asserted_so_checked_and_final(stage: Stage) -> None:
    executor, task_id = serve(stage)
    (found,) = stage.contracts.market.assertions(taskId=task_id)
    assert found.halted
    assert np.frombuffer(found.output, "<i4").tolist() == [*_FREE[: _END + 1], 0]
    fisherman = stage.fisherman(stage.wallet())
    fisherman.tick()
    assert events(stage) == ["result_checked"]
    stage.skip(stage.contracts.market_constants.window_seconds + 1)
    executor.tick()
    assert stage.contracts.market.task(task_id).status is TaskStatus.FINAL
    receipt = receipt_of(stage.contracts, task_id, stage.program.header.encode(), "decoder")
    assert (receipt.task.iterations, receipt.assertion.halted) == (ITERATIONS, True)
    again = replay(receipt, stage.truth())
    assert again.is_equal and again.halted


def lies(stage: Stage) -> dict[str, int]:
    """Return steps to lie at, by what the lie is."""
    return {
        "a step of the cache": stage.steps // 3,
        "a stop inside the prompt": halt_at(stage, _INSIDE),
        "a stop that is ignored": halt_at(stage, _END),
        "a step after the end": halt_at(stage, _END) + 40,
    }


@pytest.mark.parametrize("number", range(4))
def test_a_lie_in_any_iteration_is_slashed(stage: Stage, number: int) -> None:
    lie_at = list(lies(stage).values())[number]
    executor, task_id = serve(stage, lie_at)
    (found,) = stage.contracts.market.assertions(taskId=task_id)
    watcher = stage.wallet()
    fisherman = stage.fisherman(watcher)
    play_out(stage, Lie(executor, task_id, found.assertion_id), fisherman)
    asserted = stage.contracts.market.assertion(found.assertion_id)
    assert asserted.status is AssertionStatus.SLASHED
    assert events(stage)[-1] == "reward_collected"


def test_the_halted_flag_alone_is_slashed_when_it_is_false(stage: Stage) -> None:
    market, wallet, truth = stage.contracts.market, stage.wallet(), stage.truth()
    task_id = stage.request(stage.wallet())
    stake = stage.contracts.registry.info(stage.root).minimum_stake
    market.claim(wallet, task_id, stake, stake)
    market.assert_result(wallet, task_id, 1, truth.output, not truth.halted)
    stage.fisherman(stage.wallet()).tick()
    assert events(stage) == ["false_result_found", "challenge_committed"]


def test_who_challenges_a_true_run_of_several_iterations_loses(stage: Stage) -> None:
    executor, task_id = serve(stage)
    (found,) = stage.contracts.market.assertions(taskId=task_id)
    fisherman = stage.fisherman(stage.wallet(), lie_at=stage.steps // 2)
    for _ in range(8):
        fisherman.tick()
        executor.tick()
    constants = stage.contracts.game_constants
    stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
    executor.tick()
    assert not stage.contracts.games.is_voided(found.assertion_id)
    stage.skip(stage.contracts.market_constants.window_seconds + 1)
    for _ in range(3):
        executor.tick()
    assert stage.contracts.market.task(task_id).status is TaskStatus.FINAL


def test_longer_runs_are_expected_to_take_longer(stage: Stage) -> None:
    runs = stage.executor(stage.wallet())._means.runs
    assert runs.expected_seconds(stage.root, 100) == 100 * runs.expected_seconds(stage.root, 1)


def test_runs_that_end_early_do_not_make_the_next_look_short(stage: Stage) -> None:
    runs = stage.executor(stage.wallet())._means.runs
    # As of a large model: an iteration alone takes a second.
    runs._rehearsed[stage.root] = runs._seconds[stage.root] = 1.0
    for _ in range(3):
        run = runs.infer(stage.request(stage.wallet()), stage.root, ITERATIONS)
        assert run is not None and run.halted
    assert runs.expected_seconds(stage.root, ITERATIONS) == ITERATIONS
