"""The examples do what they say, up to a receipt that verifies offline."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infernet.chain.records import TaskId
from infernet.cli import run
from infernet.models.store import shipped_dir
from tests.api.office import Miner, await_requested
from tests.api.routes.conftest import Counter

_EXAMPLES = Path(__file__).parents[3] / "examples"
_MOST_SECONDS = 90


@contextmanager
def example(name: str, counter: Counter, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Give an example that runs, and end it if it does not end itself."""
    around = {**os.environ, "INFERNET_API_KEY": counter.key, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(_EXAMPLES / name), counter.url]
    with subprocess.Popen(
        command, cwd=folder, env=around, stdout=subprocess.PIPE, text=True
    ) as process:
        end = threading.Timer(_MOST_SECONDS, process.kill)
        end.start()
        try:
            yield process
        finally:
            end.cancel()
            process.kill()


def serve(counter: Counter, process: subprocess.Popen[str]) -> str:
    """Make the tasks that an example has accepted final, and return the rest of what it prints."""
    assert process.stdout is not None
    word, *ids = process.stdout.readline().split()
    assert word == "accepted"
    town, tasks = counter.scene.town, [TaskId(bytes.fromhex(each[2:])) for each in ids]
    await_requested(counter.gateway, *tasks)
    miner = Miner(town)
    for task_id in tasks:
        miner.claim(task_id)
    results = [miner.answer(task_id) for task_id in tasks]
    town.skip(town.contracts.market_constants.window_seconds + 1)
    for result in results:
        town.contracts.market.finalise(miner.wallet, result)
    printed = process.stdout.read()
    assert process.wait() == 0, printed
    return printed


def test_a_photo_is_classified_and_its_receipt_verifies(
    counter: Counter, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with example("classify.py", counter, tmp_path) as process:
        assert "final: 7\n" in serve(counter, process)
    assert run(["task", "verify", str(tmp_path / "receipt.json")]) == 0
    assert "the output is right" in capfd.readouterr().out


def test_many_photos_are_classified_at_once(counter: Counter, tmp_path: Path) -> None:
    with example("batch.py", counter, tmp_path) as process:
        told = sorted(serve(counter, process).splitlines())
    samples = sorted((shipped_dir() / "digits").glob("*.png"))
    assert told == [f"{each.name}: {each.stem.removeprefix('digit-')}" for each in samples]
