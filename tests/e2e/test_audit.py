"""An auditor's commands on a real node: receipts, replays and disputes, also once it is gone."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from infernet.audit.receipt import read_receipt
from infernet.chain.records import GameStatus, TaskId, TaskStatus
from infernet.cli import run
from tests.anvil import Anvil
from tests.survival.town import Town

from .audit_town import audited_town, proven_lie


@dataclass(frozen=True, slots=True)
class Scene:
    """A town with one final result, one lie that was slashed, and what the commands need."""

    anvil: Anvil
    seam: tuple[str, ...]
    final: TaskId
    lie_task: TaskId
    disputed: int
    receipt: Path
    lie: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("audit")
    with audited_town(folder) as (town, seam):
        final = become_final(town)
        lie_at, disputed = proven_lie(town)
        lie_task = lie_and_lose(town, lie_at)
        receipts = folder / "receipt.json", folder / "lie.json"
        for task, receipt in zip((final, lie_task), receipts, strict=True):
            assert run(("task", "receipt", f"0x{task.hex()[:8]}", "-o", str(receipt), *seam)) == 0
        yield Scene(town.anvil, seam, final, lie_task, disputed, *receipts)


def become_final(town: Town) -> TaskId:
    task = town.request(town.wallet())
    executor = town.executor(town.wallet())
    for _ in range(4):
        executor.tick()
    town.skip(town.contracts.market_constants.window_seconds + 1)
    for _ in range(2):
        executor.tick()
    assert town.contracts.market.task(task).status is TaskStatus.FINAL
    return task


def lie_and_lose(town: Town, lie_at: int) -> TaskId:
    task = town.request(town.wallet())
    liar, fisherman = town.executor(town.wallet(), lie_at), town.fisherman(town.wallet())
    for _ in range(12):
        liar.tick()
        fisherman.tick()
        town.skip(10)
    constants = town.contracts.game_constants
    town.skip(constants.clock_seconds + constants.grace_seconds + 1)
    for _ in range(3):
        fisherman.tick()
        town.skip(constants.open_seconds + 1)
    (challenge,) = town.contracts.games.challenges()
    assert town.contracts.games.game(challenge.game_id).status is GameStatus.WON
    return task


def test_a_receipt_is_right_and_the_chain_confirms_it(scene, capsys):
    receipt = read_receipt(scene.receipt.read_text())
    assert (receipt.task.id, receipt.finality.status) == (scene.final, "final")
    assert run(("task", "verify", str(scene.receipt), *scene.seam)) == 0
    assert "confirms all of the receipt" in capsys.readouterr().out
    assert run(("task", "verify", str(scene.receipt), "--json", *scene.seam)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["equal"] and found["chain"] == scene.anvil.url and found["contradicted"] == []


def test_what_no_hash_binds_is_refused_by_the_chain(scene, tmp_path, capsys):
    content = json.loads(scene.receipt.read_text())
    content["history"]["asserted_block"] += 1
    content["checksum"] = "0x" + "00" * 32
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(content))
    assert run(("task", "verify", str(forged))) == 3
    assert "history" in capsys.readouterr().err
    content["checksum"] = checksum_of(content)
    forged.write_text(json.dumps(content))
    assert run(("task", "verify", str(forged), *scene.seam)) == 5
    assert "history.asserted_block" in capsys.readouterr().err


def checksum_of(content: dict[str, object]) -> str:
    """Return the checksum that a forger would write."""
    rest = {key: value for key, value in content.items() if key not in ("version", "checksum")}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return "0x" + sha256(text.encode()).hexdigest()


@pytest.fixture
def no_node(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the node answer nothing, and let nothing be asked of anyone."""

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"the network was asked for: {arguments}")

    assert scene.anvil.process is not None
    scene.anvil.process.send_signal(signal.SIGSTOP)
    monkeypatch.setenv("INFERNET_RPC_URL", scene.anvil.url)
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    yield
    scene.anvil.process.send_signal(signal.SIGCONT)


@pytest.mark.usefixtures("no_node")
def test_a_receipt_is_checked_and_a_step_shown_without_a_node(scene, capsys):
    assert run(("task", "verify", str(scene.receipt))) == 0
    assert "give --rpc to ask the chain" in capsys.readouterr().out
    assert run(("replay", str(scene.receipt), "--step", "1")) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.usefixtures("no_node")
def test_a_false_result_is_found_without_a_node(scene, capsys):
    receipt = read_receipt(scene.lie.read_text())
    assert (receipt.task.id, receipt.finality.status) == (scene.lie_task, "slashed")
    for command in ("task verify", "replay", "replay --reference"):
        assert run((*command.split(), str(scene.lie))) == 5
        told = capsys.readouterr()
        assert "the result is false: output byte" in told.err and not told.out
        assert run((*command.split(), str(scene.lie), "--json")) == 5
        found = json.loads(capsys.readouterr().out)
        assert found["equal"] is False and found["first_difference"] >= 0


@pytest.mark.usefixtures("no_node")
def test_a_result_is_repeated_by_both_engines_without_a_node(scene, capsys):
    for options in ((), ("--reference",)):
        assert run(("replay", str(scene.receipt), "--json", *options)) == 0
        assert json.loads(capsys.readouterr().out)["equal"] is True


def test_every_kind_of_step_shows_states_that_join(scene, capsys):
    receipt = read_receipt(scene.receipt.read_text())
    last = receipt.run.steps - 1
    shown = {}
    for step in {0, 1, last // 2, last // 2 + 1, last}:
        assert run(("replay", str(scene.receipt), "--step", str(step), "--json")) == 0
        shown[step] = json.loads(capsys.readouterr().out)
    assert shown[0]["pre_hash"] == f"0x{receipt.run.initial_hash.hex()}"
    assert shown[0]["post_hash"] == shown[1]["pre_hash"]
    assert shown[last // 2]["post_hash"] == shown[last // 2 + 1]["pre_hash"]
    assert shown[last]["post_hash"] == f"0x{receipt.run.final_hash.hex()}"
    assert run(("replay", str(scene.receipt), "--step", str(last + 1))) != 0


def test_a_dispute_is_listed_shown_and_judged(scene, capsys):
    assert run(("dispute", "list", "--json", *scene.seam)) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["task_id"] == f"0x{scene.lie_task.hex()}"
    game = found["game_id"][:12]
    assert run(("dispute", "show", game, *scene.seam)) == 0
    text = capsys.readouterr().out
    assert "challenger won" in text and "gas in all" in text and "#" in text
    assert run(("dispute", "replay", game, "--json", *scene.seam)) == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged["is_confirmed"] and judged["winner"] == judged["should_win"] == "challenger"
    assert not judged["is_result_true"] and judged["step"]["shown"]["step"] == scene.disputed
    for move in judged["moves"]:
        assert (move["false"] == 0) == (move["by"] == "challenger")
    assert run(("dispute", "replay", game, *scene.seam)) == 0
    assert "right is the challenger" in capsys.readouterr().out


def test_ids_that_name_nothing_are_refused(scene, capsys):
    assert run(("dispute", "show", "0x00000000", *scene.seam)) == 3
    game = json_of(capsys, "dispute", "list", *scene.seam)[0]["game_id"][:10]
    for command, known in (("dispute replay", game), ("task show", f"0x{scene.final.hex()[:8]}")):
        assert run((*command.split(), "0x00000000", *scene.seam)) == 3
        assert known in capsys.readouterr().err
    for command in ("dispute show", "task watch", "task receipt"):
        assert run((*command.split(), "0x12", *scene.seam)) == 3
        assert "at least 6" in capsys.readouterr().err


def json_of(capsys, *command):
    """Return what a command prints as JSON."""
    capsys.readouterr()
    assert run((*command, "--json")) == 0
    return json.loads(capsys.readouterr().out)


def test_tasks_are_listed_and_shown_in_80_columns(scene, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = json_of(capsys, "task", "list", *scene.seam)
    assert [each["task_id"] for each in found] == [
        f"0x{task.hex()}" for task in (scene.final, scene.lie_task)
    ]
    assert [each["state"] for each in found] == ["final", "queued"]
    assert len(json_of(capsys, "task", "list", "--last", "1", *scene.seam)) == 1
    for command in (("list",), ("show", found[0]["task_id"][:8]), ("show", found[1]["task_id"])):
        assert run(("task", *command, *scene.seam)) == 0
        text = capsys.readouterr().out
        assert "random" in text and max(map(len, text.splitlines())) <= 80
    assert "1 false result before" in text
