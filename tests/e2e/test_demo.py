"""The demonstration as a user runs it, and what it says against what the chain says."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from infernet.chain.records import AssertionStatus, TaskStatus, Wei
from infernet.cli.chain import Engine
from infernet.cli.console import Screen
from infernet.cli.demo import Result, as_object, network_of, run
from infernet.cli.demo_cast import CHEAT, HONEST, WATCHER, begin, staged
from infernet.cli.demo_play import (
    Holdings,
    check_all,
    check_money,
    check_receipt,
    dispute_of,
    owned_by_all,
)
from infernet.cli.demo_scene import prepare
from infernet.cli.errors import DemoFailed
from tests.anvil import needs_anvil

LIMIT_SECONDS = 60
_PATIENCE_SECONDS = 240
_PROCESS_FAILED = 10


@pytest.fixture(scope="module")
def result() -> Iterator[Result]:
    """Give a demonstration whose chain can still be asked."""
    began = time.monotonic()
    with network_of("digits", Engine.PY_EVM) as (network, supervisor):
        accounts = begin(network, supervisor)
        scene = prepare("digits", None, "random", random.Random(7))
        with staged(network, supervisor, accounts, scene) as cast:
            yield run(Screen.open(to_stderr=True), scene, cast, began)


def check_shape(facts: dict[str, Any]) -> None:
    dispute = facts["dispute"]
    assert facts["honest_task"]["final"] is True
    assert facts["receipt"]["task"]["id"] == facts["honest_task"]["id"]
    assert (dispute["winner"], dispute["slashed"]) == (WATCHER, CHEAT)
    assert dispute["claimed"] != dispute["true"]
    assert len(dispute["transactions"]) <= 16
    assert dispute["gas"] <= 1_500_000
    assert facts["proof_gas"] <= 300_000
    assert facts["proof_calldata_bytes"] <= 6_900
    proofs = [each for each in dispute["transactions"] if each["kind"] == "prove"]
    assert [each["gas"] for each in proofs] == [facts["proof_gas"]]
    before, after = facts["balances"]["before"], facts["balances"]["after"]
    assert int(before[CHEAT]) > int(after[CHEAT])
    assert int(after[WATCHER]) > int(before[WATCHER])
    assert int(after[HONEST]) > int(before[HONEST])


def test_json_is_what_the_chain_says(result: Result) -> None:
    facts = as_object(result)
    check_shape(facts)
    contracts = result.cast.contracts
    web3 = contracts.chain.web3
    assert facts["program_root"] == f"0x{result.scene.model.program.root.hex()}"
    assert contracts.market.task(result.tasks.honest).status is TaskStatus.FINAL
    liar = result.cast.accounts[CHEAT]
    (lie,) = contracts.market.assertions(taskId=result.tasks.disputed, executor=liar)
    assert contracts.market.assertion(lie.assertion_id).status is AssertionStatus.SLASHED
    (proved,) = contracts.games.events("StepProved")
    assert proved["step"] == facts["dispute"]["step"]
    assert proved["byChallenger"] is True
    for each in facts["dispute"]["transactions"]:
        receipt = web3.eth.get_transaction_receipt(each["hash"])
        assert (receipt["status"], receipt["gasUsed"]) == (1, each["gas"])
        sent = web3.eth.get_transaction(each["hash"])
        assert len(bytes(sent["input"])) == each["calldata_bytes"]
    for name, address in result.cast.accounts.items():
        held, vaulted = contracts.chain.balance(address), contracts.vault.balance(address)
        assert facts["balances"]["after"][name] == str(held + vaulted.free + vaulted.locked)


def test_promises_that_are_not_kept_fail(result: Result) -> None:
    cast, tasks, scene, dispute = result.cast, result.tasks, result.scene, result.dispute
    data = np.frombuffer(scene.inputs[0], np.uint8)
    truths = scene.truth.engine.run(data).output.tobytes(), scene.truth.output
    check_all(cast, tasks, scene, truths, dispute)
    with pytest.raises(DemoFailed, match="its output is the true one"):
        check_all(cast, tasks, scene, (truths[0] + b"x", truths[1]), dispute)
    with pytest.raises(DemoFailed, match="the fisherman won"):
        check_all(cast, tasks, scene, truths, replace(dispute, winner=CHEAT))
    with pytest.raises(DemoFailed, match="a one-step proof decided"):
        check_all(cast, tasks, scene, truths, replace(dispute, proof=None))
    with pytest.raises(DemoFailed, match="came to the false step"):
        check_all(cast, tasks, scene, truths, replace(dispute, step=scene.lie.disputed + 1))
    with pytest.raises(DemoFailed, match="inputs on chain"):
        check_all(cast, tasks, replace(scene, inputs=scene.inputs[::-1]), truths, dispute)


def test_missing_wei_is_noticed(result: Result) -> None:
    check_money(result.cast, result.before, result.after)
    less = Holdings(result.after.owned, Wei(result.after.burned - 1))
    with pytest.raises(DemoFailed, match="left the accounts"):
        check_money(result.cast, result.before, less)
    assert owned_by_all(result.cast) == result.after


def test_dispute_and_receipt_can_be_asked_for_again(result: Result) -> None:
    assert dispute_of(result.cast, result.tasks) == result.dispute
    swapped = replace(result.tasks, honest=result.tasks.disputed)
    with pytest.raises(DemoFailed, match="not that of the final task"):
        check_receipt(result.cast, swapped, result.scene)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["py-evm", pytest.param("anvil", marks=needs_anvil)])
def test_demo_exits_with_0_within_a_minute_and_prints_one_object(engine: str) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "infernet", "demo", "--json", "--seed", "11", "--engine", engine],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    facts = json.loads(done.stdout)
    check_shape(facts)
    assert facts["chain"] == engine
    assert facts["seconds"] <= seconds < LIMIT_SECONDS
    for part in ("opens the dispute", "steps left", "REST: second task: disputed"):
        assert part in done.stderr


@pytest.mark.slow
def test_demo_fails_when_nobody_challenges_the_lie() -> None:
    command = [sys.executable, "-m", "infernet", "demo", "--engine", "py-evm"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None and demo.stderr is not None
        for line in demo.stdout:
            words = line.split()
            if words[:2] == ["fisherman", "process"]:
                os.kill(int(words[2]), signal.SIGKILL)
                break
        _, said = demo.communicate(timeout=_PATIENCE_SECONDS)
    assert demo.returncode == _PROCESS_FAILED
    assert "fisherman ended (signal 9)" in said
