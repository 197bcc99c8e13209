"""`infernet api` as its own process, from settings alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from api.access.keys import Scope, changing
from infernet.keystore import create_keystore
from infernet.models.store import shipped_dir
from tests.anvil import needs_anvil, running
from tests.api.explorer.scene import digits, town_of

# Three processes start, one after another.
pytestmark = [needs_anvil, pytest.mark.slow]
PICTURE = (shipped_dir() / "digits" / "digit-7.png").read_bytes()
_WAIT_SECONDS = 30.0


def test_a_gateway_runs_from_settings_and_forgets_nothing_when_killed(tmp_path: Path) -> None:
    with running() as node:
        town = town_of(node, digits())
        contracts = tmp_path / "contracts.json"
        contracts.write_text(town.contracts.deployment.to_json(), encoding="utf-8")
        passphrase = tmp_path / "passphrase"
        passphrase.write_text("for tests\n", encoding="utf-8")
        passphrase.chmod(0o600)
        address = create_keystore(tmp_path / "keystore.json", "for tests")
        node.fund(address, 10)
        with changing(tmp_path) as keys:
            _, key = keys.create("tests", [Scope.TASKS_READ, Scope.TASKS_WRITE])
        settings = {
            "INFERNET_RPC_URL": node.url,
            "INFERNET_NETWORK_CONTRACTS": str(contracts),
            "INFERNET_NETWORK_CONFIRMATIONS": "2",
            "INFERNET_WALLET_KEYSTORE": str(tmp_path / "keystore.json"),
            "INFERNET_PASSPHRASE_FILE": str(passphrase),
            "INFERNET_DATA_DIR": str(tmp_path),
            "INFERNET_MODELS": "digits",
        }
        headers = {"Authorization": f"Bearer {key}"}
        with _gateway(settings) as (process, url):
            given = {**headers, "Content-Type": "image/png"}
            answer = httpx.post(f"{url}/v1/tasks?model=digits", content=PICTURE, headers=given)
            assert answer.status_code == 202, answer.text
            process.kill()
            process.wait()
        with _gateway(settings) as (process, url):
            place = url + answer.json()["href"]
            _until_requested(place, headers)
            _end_with_readers(process, [f"{place}/events", f"{url}/explorer/events"], headers)
        done = subprocess.run(
            [sys.executable, "-m", "infernet", "api", "reindex"],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(town.contracts.market.requests()) == 1


def _end_with_readers(
    process: subprocess.Popen[bytes], places: list[str], headers: dict[str, str]
) -> None:
    """End a gateway while streams are read, and see that it waits for none of them."""
    with httpx.Client(headers=headers) as client, ExitStack() as streams:
        for place in places:
            answer = streams.enter_context(client.stream("GET", place))
            assert answer.status_code == 200
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(_WAIT_SECONDS) in (0, -signal.SIGTERM)
        # The grace for answers under way is longer.
        assert time.monotonic() - began < 4


def _until_requested(place: str, headers: dict[str, str]) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        task = httpx.get(place, headers=headers).json()
        if task["requested"] is not None:
            return
        assert time.monotonic() < end, json.dumps(task)
        time.sleep(0.1)


@contextmanager
def _gateway(settings: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a gateway and give its process and URL once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "infernet", "api", "run", "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **settings})
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + _WAIT_SECONDS
        while not _answers(url):
            assert process.poll() is None, "the gateway ended"
            assert time.monotonic() < end, "the gateway does not answer"
            time.sleep(0.1)
        yield process, url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False
