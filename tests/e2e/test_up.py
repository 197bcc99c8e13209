"""`infernet up` as a user runs it: tasks are served, data stays, and nothing is left running."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from infernet.models.store import shipped_dir
from tests.unit.local.test_supervisor import is_alive, until

PICTURE = (shipped_dir() / "digits" / "digit-7.png").read_bytes()
_SECONDS = 180.0
_REFUSED = 2


@contextmanager
def network(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run a network and give its process and what it said once all was ready."""
    command = [sys.executable, "-m", "infernet", "up", "--json", "--data-dir", str(folder)]
    with (folder.parent / "log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder.parent / "log").read_text()
        yield process, json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) in (0, -signal.SIGKILL), (folder.parent / "log").read_text()
        process.stdout.close()


def until_asserted(client: httpx.Client, place: str) -> dict[str, Any]:
    end = time.monotonic() + _SECONDS
    while (task := client.get(place).json())["state"] not in ("asserted", "final"):
        assert time.monotonic() < end, task
        time.sleep(0.3)
    return dict(task)


def client_of(facts: dict[str, Any]) -> httpx.Client:
    headers = {"Authorization": f"Bearer {facts['key']}"}
    return httpx.Client(base_url=facts["urls"]["gateway"], headers=headers, timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["py-evm", "auto"])
def test_tasks_are_served_and_a_second_run_knows_them(tmp_path: Path, engine: str) -> None:
    folder = tmp_path / "net"
    with network(folder, "--engine", engine) as (process, first), client_of(first) as client:
        kind = {"Content-Type": "image/png"}
        answer = client.post("/v1/tasks?model=digits", content=PICTURE, headers=kind)
        assert answer.status_code == 202, answer.text
        place = answer.json()["href"]
        task = until_asserted(client, place)
        assert task["output"]["highest"][0]["label"] == "7"
        again = [sys.executable, "-m", "infernet", "up", "--data-dir", str(folder)]
        done = subprocess.run(again, capture_output=True, text=True, check=False)
        assert done.returncode == _REFUSED and "runs in" in done.stderr
        process.kill()
        until("nothing runs any more", lambda: not any(map(is_alive, first["pids"].values())))
    with network(folder) as (_, second), client_of(second) as client:
        assert second["urls"] == first["urls"]
        assert client.get(place).json()["id"] == task["id"]
        assert client.get(place, headers={"Authorization": f"Bearer {first['key']}"}).is_success
    assert not any(map(is_alive, second["pids"].values()))


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        command = [sys.executable, "-m", "infernet", "up", "--data-dir", str(tmp_path / "net")]
        done = subprocess.run(
            [*command, "--port", port], capture_output=True, text=True, check=False
        )
    assert done.returncode == _REFUSED
    assert f"port {port} for the gateway is taken" in " ".join(done.stderr.split())
