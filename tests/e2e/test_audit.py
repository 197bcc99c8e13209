"""An auditor's commands on a real node: receipts, replays and disputes, also once it is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from infernet.audit.receipt import read_receipt
from infernet.backend.tamper import TamperedTrace
from infernet.chain.records import GameStatus, TaskId, TaskStatus
from infernet.cli import run
from infernet.cli.demo_lie import narrow
from infernet.models.manifest import Coding, Manifest
from infernet.models.pipeline import Model
from infernet.models.store import save_model
from interpreter.program import Program, Step
from tests.anvil import find_anvil, running
from tests.stage import MUTATION
from tests.survival.town import SHORT_SEED, Town, new_town


@dataclass(frozen=True, slots=True)
class Scene:
    """A town with one final result, one lie that was slashed, and what the commands need."""

    seam: tuple[str, ...]
    final: TaskId
    lie_task: TaskId
    disputed: int
    receipt: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    folder = tmp_path_factory.mktemp("audit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFERNET_DATA_DIR", str(folder))
        patch.chdir(folder)
        with running() as node:
            town = new_town(node, SHORT_SEED)
            keep_model(town.program)
            contracts = folder / "contracts.json"
            contracts.write_text(town.contracts.deployment.to_json(), encoding="utf-8")
            seam = ("--rpc", node.url, "--contracts", str(contracts))
            final = become_final(town)
            lie_at, disputed = proven_lie(town)
            lie_task = lie_and_lose(town, lie_at)
            receipt = folder / "receipt.json"
            written = ("task", "receipt", f"0x{final.hex()}", "-o", str(receipt), *seam)
            assert run(written) == 0
            yield Scene(seam, final, lie_task, disputed, receipt)


def keep_model(program: Program) -> None:
    """Put a program in the store, so that it is found by its root."""
    coding = Coding(1.0, 0, (1,), "uint8", "flat")
    root = program.root.hex()
    save_model(Model(program, Manifest("random", root, "", "", "", coding, coding, None)))


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


def proven_lie(town: Town) -> tuple[int, int]:
    """Return a lie over which the fisherman has the last word, and the step they come to."""
    truth, arity = town.truth(), town.contracts.game_constants.arity
    for step in range(town.steps):
        disputed, dissections = narrow(truth, TamperedTrace(truth, Step(step), MUTATION), arity)
        if dissections % 2 == 0:
            return step, disputed
    raise AssertionError("every lie of this program ends with the liar's turn")


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
    assert run(("dispute", "show", "0x12", *scene.seam)) == 3
    assert "at least 6" in capsys.readouterr().err
