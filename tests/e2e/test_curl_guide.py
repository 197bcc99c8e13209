"""The lines for curl in docs/api.md do what is written beside them, on `infernet up`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.anvil import Anvil, find_anvil, free_port, needs_anvil

ROOT = Path(__file__).parents[2]
_SECONDS = 400
# `infernet up` makes results final after a minute.
_WINDOW_SECONDS = 61


def blocks(page: str, title: str, language: str = "sh") -> list[str]:
    """Return the commands of a page's section, a text for each fence."""
    guide = (ROOT / page).read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", guide, re.M | re.S)
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)


def _curl() -> list[str]:
    return blocks("docs/api.md", "Ten minutes with curl")


@pytest.fixture
def around(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a reader in a folder that holds the pictures of the repository."""
    (tmp_path / "infernet").mkdir()
    (tmp_path / "infernet" / "zoo").symlink_to(ROOT / "infernet" / "zoo")
    clean = {name: value for name, value in os.environ.items() if "INFERNET" not in name}
    places = [str(Path(sys.executable).parent), clean["PATH"]]
    if program := find_anvil():
        places.insert(1, str(program.parent))
    return {**clean, "XDG_DATA_HOME": str(tmp_path / "own"), "PATH": os.pathsep.join(places)}


@contextmanager
def network(command: str, url: str, folder: Path, around: dict[str, str]) -> Iterator[None]:
    """Run the network in the background until it answers, and end it afterwards."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=around, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + _SECONDS
        # What is said last is said when all is ready.
        while "Ctrl-C ends" not in (folder / "log").read_text():
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.2)
        assert httpx.get(f"{url}/health", timeout=10).status_code == 200
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)


def let_time_pass(folder: Path, is_over: threading.Event) -> None:
    """Skip the minute that a reader waits for, once a result is asserted."""
    node = Anvil(json.loads((folder / "network" / "network.json").read_text())["ports"]["chain"])
    while not is_over.wait(0.3):
        if "result_asserted" in (folder / "network" / "logs" / "miner.log").read_text():
            node.skip(_WINDOW_SECONDS)
            return


@pytest.mark.slow
@needs_anvil
def test_the_lines_for_curl_run_as_they_are_written(tmp_path: Path, around: dict[str, str]) -> None:
    port = free_port()
    first, *rest = (each.replace("8000", str(port)) for each in _curl())
    assert len(rest) == 5 and all("curl" in each for each in rest[1:])
    is_over = threading.Event()
    with network(first, f"http://127.0.0.1:{port}", tmp_path, around):
        clock = threading.Thread(target=let_time_pass, args=(tmp_path, is_over))
        clock.start()
        try:
            done = subprocess.run(
                ["bash", "-c", "set -euo pipefail\n" + "echo; echo ----\n".join(rest)],
                cwd=tmp_path,
                env=around,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        finally:
            is_over.set()
            clock.join()
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    _, accepted, events, task, verified = done.stdout.split("----\n")
    task_id = json.loads(accepted)["id"]
    assert re.findall(r"^event: (\w+)", events, re.M)[-1] == "finalised"
    found = json.loads(task)
    assert (found["id"], found["finality"]) == (task_id, "final")
    assert found["output"]["highest"][0]["label"] == "7"
    assert "the output is right" in verified and task_id in verified
    assert "as the receipt states, unchecked" in verified
