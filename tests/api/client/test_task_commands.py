"""`infernet task` through a gateway: what it prints, and the codes that it ends with."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.store.records import TaskState
from infernet.chain.records import TaskId
from infernet.cli import run
from infernet.models.store import shipped_dir
from tests.api.office import Miner, await_requested, until
from tests.api.routes.conftest import Counter
from tests.unit.cli.test_task_commands import answer, refusal

PICTURE = str(shipped_dir() / "digits" / "digit-7.png")
_MOST_SECONDS = 60

Told = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def around(counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment name the gateway and the key, as a requester's shell does."""
    for name in [name for name in os.environ if name.startswith("INFERNET_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("INFERNET_API_KEY", counter.key)
    monkeypatch.setenv("INFERNET_GATEWAY_URL", counter.url)
    monkeypatch.chdir(tmp_path)


def submitted(counter: Counter, capfd: Told, *more: str) -> TaskId:
    (text,) = json.loads(answer(capfd, "task", "submit", "digits", PICTURE, "--json", *more))
    task_id = TaskId(bytes.fromhex(text[2:]))
    await_requested(counter.gateway, task_id)
    return task_id


def test_a_task_goes_from_the_shell_to_a_receipt(counter: Counter, capfd: Told) -> None:
    task_id = submitted(counter, capfd, "--fee", "0.002", "--deadline", "2h")
    name = f"0x{task_id.hex()}"
    shown = answer(capfd, "task", "show", name[:10])
    for text in (name, "queued: waits for a miner", "digits", "fee 0.002 ETH"):
        assert text in shown
    assert "has no result yet" in refusal(capfd, 4, "task", "receipt", name)
    Miner(counter.scene.town).finish(task_id)
    events = [
        json.loads(line) for line in answer(capfd, "task", "watch", name, "--json").split("\n")[:-1]
    ]
    assert [each["state"] for each in events] == [
        "queued",
        "queued",
        "running",
        "asserted",
        "final",
    ]
    watched = answer(capfd, "task", "watch", name)
    assert len(watched.splitlines()) == 6 and "result: 7 (" in watched.splitlines()[-1]
    found = json.loads(answer(capfd, "task", "show", name, "--json"))
    assert (found["task_id"], found["finality"], found["fee_wei"]) == (
        name,
        "final",
        str(2 * 10**15),
    )
    assert found["highest"][0]["label"] == "7"
    listed = json.loads(answer(capfd, "task", "list", "--mine", "--json"))
    assert listed[-1]["task_id"] == name
    assert "final" in answer(capfd, "task", "list")
    answer(capfd, "task", "receipt", name, "-o", "receipt.json")
    offline, stated = answer(capfd, "task", "verify", "receipt.json").split("as the receipt states")
    assert "the output is right" in offline and name in offline
    assert "finality      final, block" in stated and "asserted      block" in stated
    facts = json.loads(answer(capfd, "task", "verify", "receipt.json", "--json"))
    assert facts["equal"] and facts["only_stated"] == ["history", "finality"]


def test_whoever_waits_has_all_samples_final(counter: Counter, capfd: Told) -> None:
    town = counter.scene.town
    known = {row.order.id for row in counter.gateway.tasks().tasks}

    def asked() -> set[TaskId]:
        return {row.order.id for row in counter.gateway.tasks().tasks} - known

    def serve() -> None:
        until(lambda: len(asked()) == 2, "both samples are submitted")
        tasks = asked()
        await_requested(counter.gateway, *tasks)
        miner = Miner(town)
        for task_id in tasks:
            miner.claim(task_id)
        results = [miner.answer(task_id) for task_id in tasks]
        town.skip(town.contracts.market_constants.window_seconds + 1)
        for result in results:
            town.contracts.market.finalise(miner.wallet, result)

    with ThreadPoolExecutor() as pool:
        served = pool.submit(serve)
        printed = answer(capfd, "task", "submit", "digits", "--wait")
        served.result()
    ids = {TaskId(bytes.fromhex(line[2:])) for line in printed.splitlines()}
    assert ids == asked()
    assert {counter.gateway.task(each).state for each in ids} == {TaskState.FINAL}


def test_a_task_that_is_refunded_ends_with_its_code(counter: Counter, capfd: Told) -> None:
    task_id = submitted(counter, capfd, "--deadline", "1h")
    counter.scene.town.skip(3_700)
    counter.gateway.contracts.market.reclaim_fee(counter.gateway.wallet, task_id)
    told = refusal(capfd, 5, "task", "watch", f"0x{task_id.hex()}", "--json")
    assert "is refunded: it has no result" in told


def test_a_terminal_draws_what_happens(counter: Counter, capfd: Told) -> None:
    task_id = submitted(counter, capfd)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "infernet", "task", "watch", f"0x{task_id.hex()}"]
    around = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    drawn = b""
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=around) as process:
        os.close(theirs)
        end = threading.Timer(_MOST_SECONDS, process.kill)
        end.start()
        try:
            while b"waits for a miner" not in drawn:
                drawn += os.read(ours, 4096)
            Miner(counter.scene.town).finish(task_id)
            while b"result: " not in drawn:
                drawn += os.read(ours, 4096)
        finally:
            end.cancel()
            os.close(ours)
    assert process.returncode == 0
    # The drawing is made in place: the cursor goes up again.
    assert b"\x1b[1A" in drawn and b"nobody can take it back" in drawn


def test_refusals_have_their_codes(
    counter: Counter, capfd: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = f"0x{'0' * 64}"
    assert "no task" in refusal(capfd, 3, "task", "show", unknown)
    told = refusal(capfd, 2, "task", "show", unknown, "--gateway", counter.url, "--rpc", "http://x")
    assert "--gateway excludes --rpc" in told
    monkeypatch.setenv("INFERNET_API_KEY", counter.reader)
    told = refusal(capfd, 3, "task", "submit", "digits", PICTURE)
    assert "403" in told and counter.reader not in told
    monkeypatch.delenv("INFERNET_API_KEY")
    assert "401" in refusal(capfd, 3, "task", "list")
    assert run(["task", "list", "--gateway", "ftp://nowhere"]) == 2


def test_flags_of_a_chain_beat_the_gateway_of_the_environment(
    counter: Counter, capfd: Told, tmp_path: Path
) -> None:
    submitted(counter, capfd)
    (tmp_path / "contracts.json").write_text(counter.scene.town.contracts.deployment.to_json())
    seam = ("--rpc", counter.scene.town.anvil.url, "--contracts", "contracts.json")
    (first, *_) = json.loads(answer(capfd, "task", "list", "--json", *seam))
    # A gateway's answer would say more than the chain's.
    assert "claim_deadline" in first and "finality" not in first
