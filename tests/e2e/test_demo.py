"""The demonstration as a user runs it, and its JSON against what the chain says."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web3 import HTTPProvider, Web3

from infernet.backend.conformance import require_conformance
from infernet.chain.connection import embedded_chain
from infernet.chain.records import AssertionStatus, TaskStatus, Wei
from infernet.cli.console import Screen
from infernet.cli.demo import Result, as_object, prepare
from infernet.cli.demo import run as run_demo
from infernet.cli.demo_cast import CHEAT, FISHERMAN, HONEST
from infernet.cli.demo_play import check_all, check_money, owned_by_all, pass_time
from infernet.cli.errors import DemoFailed

ROOT = Path(__file__).resolve().parents[2]
ANVIL = ROOT / "contracts/node_modules/.bin/anvil"
PORT = 18_547
LIMIT_SECONDS = 60


def demo(*options: str) -> tuple[subprocess.CompletedProcess[str], float]:
    command = [sys.executable, "-c", "from infernet.cli import main; main()", "demo", *options]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    return done, time.monotonic() - began


@pytest.fixture(scope="module")
def result() -> Result:
    """Play in this process, so that the chain can still be asked afterwards."""
    scene = prepare("digits", None, "random", random.Random(7))
    chain, conformance = embedded_chain(), require_conformance()
    screen = Screen.open(to_stderr=True)
    return run_demo(screen, scene, chain, conformance, time.monotonic())


def check_shape(facts: dict[str, Any]) -> None:
    dispute = facts["dispute"]
    assert facts["honest_task"]["final"] is True
    assert (dispute["winner"], dispute["slashed"]) == (FISHERMAN, CHEAT)
    assert dispute["claimed"] != dispute["true"]
    assert len(dispute["transactions"]) <= 16
    assert dispute["gas"] <= 1_500_000
    assert facts["proof_gas"] <= 300_000
    assert facts["proof_calldata_bytes"] <= 6_900
    proofs = [each for each in dispute["transactions"] if each["kind"] == "prove"]
    assert [each["gas"] for each in proofs] == [facts["proof_gas"]]
    before, after = facts["balances"]["before"], facts["balances"]["after"]
    assert int(before[CHEAT]) > int(after[CHEAT])
    assert int(after[FISHERMAN]) > int(before[FISHERMAN])
    assert int(after[HONEST]) > int(before[HONEST])


def test_demo_exits_with_0_within_a_minute_and_prints_one_object() -> None:
    done, seconds = demo("--json", "--seed", "11")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    facts = json.loads(done.stdout)
    check_shape(facts)
    assert facts["chain"] == "the embedded chain"
    assert facts["seconds"] <= seconds < LIMIT_SECONDS
    assert "opens the dispute" in done.stderr


def test_demo_tells_people_every_move_and_the_instruction() -> None:
    done, _ = demo("--lie-at", "5000")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = " ".join(done.stdout.split())
    for part in ("Step 5,000", "The executor claimed", "clocks", "burned", "Verdict"):
        assert part in told
    assert "digit-1.png for the honest task, digit-7.png for the disputed one" in told
    assert "will add 1,000,003 to one number, in step 5,000" in told
    long = [line for line in done.stdout.splitlines() if len(line) > 80]
    assert all("program root" in line for line in long), long


def test_json_is_what_the_chain_says(result: Result) -> None:
    facts = as_object(result)
    check_shape(facts)
    contracts, web3 = result.cast.contracts, result.chain.web3
    assert facts["program_root"] == f"0x{result.scene.model.program.root.hex()}"
    assert contracts.market.task(result.tasks.honest).status is TaskStatus.FINAL
    (lie,) = contracts.market.assertions(taskId=result.tasks.disputed)
    assert contracts.market.assertion(lie.assertion_id).status is AssertionStatus.SLASHED
    (proved,) = contracts.games.events("StepProved")
    assert proved["step"] == facts["dispute"]["step"]
    assert proved["byChallenger"] is True
    for each in facts["dispute"]["transactions"]:
        receipt = web3.eth.get_transaction_receipt(each["hash"])
        assert (receipt["status"], receipt["gasUsed"]) == (1, each["gas"])
        sent = web3.eth.get_transaction(each["hash"])
        assert len(bytes(sent["input"])) == each["calldata_bytes"]
    for name, wallet in result.cast.wallets.items():
        held = result.chain.balance(wallet.address)
        vaulted = contracts.vault.balance(wallet.address)
        assert facts["balances"]["after"][name] == str(held + vaulted.free + vaulted.locked)


def test_actors_meet_only_on_chain(result: Result) -> None:
    cast = result.cast
    wallets = {wallet.address for wallet in cast.wallets.values()}
    assert len(wallets) == 4
    assert cast.honest.contracts is not cast.cheat.contracts
    assert cast.cheat.contracts is not cast.fisherman.contracts
    honest = next(iter(cast.honest.holdings.values()))
    watched = next(iter(cast.fisherman.holdings.values()))
    assert honest.start_run is not watched.start_run


def test_promises_that_are_not_kept_fail(result: Result) -> None:
    cast, tasks, dispute = result.cast, result.tasks, result.dispute
    step = result.scene.lie.disputed
    data = np.frombuffer(result.scene.inputs[0], np.uint8)
    expected = result.scene.truth.engine.run(data).tobytes()
    check_all(cast, tasks, expected, dispute, step)
    with pytest.raises(DemoFailed, match="its output is the true one"):
        check_all(cast, tasks, expected + b"x", dispute, step)
    with pytest.raises(DemoFailed, match="the fisherman won"):
        check_all(cast, tasks, expected, replace(dispute, winner=CHEAT), step)
    with pytest.raises(DemoFailed, match="a one-step proof decided"):
        check_all(cast, tasks, expected, replace(dispute, proof=None), step)
    with pytest.raises(DemoFailed, match="came to the false step"):
        check_all(cast, tasks, expected, dispute, step + 1)


def test_missing_wei_is_noticed(result: Result) -> None:
    check_money(result.cast, result.before, result.after)
    less = replace(result.after, burned=Wei(result.after.burned - 1))
    with pytest.raises(DemoFailed, match="left the accounts"):
        check_money(result.cast, result.before, less)
    assert owned_by_all(result.cast) == result.after


def test_stage_where_nothing_can_happen_any_more_is_not_waited_on(result: Result) -> None:
    with pytest.raises(DemoFailed, match="nobody has anything to do"):
        pass_time(result.cast.contracts)


@pytest.fixture
def anvil() -> Iterator[str]:
    if not ANVIL.exists():
        pytest.skip("anvil is not installed (npm ci in contracts/)")
    command = [str(ANVIL), "--port", str(PORT), "--hardfork", "prague", "--silent"]
    with subprocess.Popen(command) as process:
        url = f"http://127.0.0.1:{PORT}"
        web3 = Web3(HTTPProvider(url))
        until = time.monotonic() + 20
        while not web3.is_connected() and time.monotonic() < until:
            time.sleep(0.1)
        yield url
        process.terminate()


@pytest.mark.slow
def test_demo_runs_on_a_node_in_real_time(anvil: str) -> None:
    done, _ = demo("--json", "--rpc", anvil, "--seed", "3")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    check_shape(facts)
    web3 = Web3(HTTPProvider(anvil))
    for each in facts["dispute"]["transactions"]:
        receipt = web3.eth.get_transaction_receipt(each["hash"])
        assert (receipt["status"], receipt["gasUsed"]) == (1, each["gas"])
