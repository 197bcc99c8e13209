"""A gateway that is killed and started again is waited for, also by the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.access.keys import Scope, changing
from infernet.chain.records import TaskId
from infernet.client import Client, Finality, Patience
from infernet.keystore import create_keystore
from infernet.models.store import shipped_dir
from tests.anvil import Anvil, free_port
from tests.api.explorer.scene import digits, town_of
from tests.api.office import Miner
from tests.survival.outpost import Process
from tests.survival.town import Town

_PICTURE = shipped_dir() / "digits" / "digit-7.png"
_PATIENT = Patience((0.5,) * 120)
_WAIT_SECONDS = 60.0


def gateway_of(town: Town, folder: Path, port: int) -> Process:
    """Return a gateway's process with settings of its own, not started."""
    (folder / "contracts.json").write_text(town.contracts.deployment.to_json(), encoding="utf-8")
    (folder / "passphrase").touch(mode=0o600)
    (folder / "passphrase").write_text("for tests\n", encoding="utf-8")
    town.anvil.fund(create_keystore(folder / "keystore.json", "for tests"), 10)
    around = {name: value for name, value in os.environ.items() if "INFERNET" not in name}
    around |= {
        "INFERNET_RPC_URL": town.anvil.url,
        "INFERNET_NETWORK_CONTRACTS": str(folder / "contracts.json"),
        "INFERNET_NETWORK_CONFIRMATIONS": "2",
        "INFERNET_WALLET_KEYSTORE": str(folder / "keystore.json"),
        "INFERNET_PASSPHRASE_FILE": str(folder / "passphrase"),
        "INFERNET_DATA_DIR": str(folder),
        "INFERNET_MODELS": "digits",
        "INFERNET_API_PORT": str(port),
    }
    command = [sys.executable, "-m", "infernet", "api", "run"]
    return Process("gateway", command, folder / "log", around)


@pytest.mark.slow
def test_whoever_waits_outlasts_a_gateway_that_is_killed(anvil: Anvil, tmp_path: Path) -> None:
    town, port = town_of(anvil, digits()), free_port()
    gateway, url = gateway_of(town, tmp_path, port), f"http://127.0.0.1:{port}"
    with changing(tmp_path) as keys:
        _, key = keys.create("tests", [Scope.TASKS_READ, Scope.TASKS_WRITE])
    gateway.start()
    try:
        with Client(url, key, patience=_PATIENT) as client, ThreadPoolExecutor() as pool:
            task_id = client.submit("digits", _PICTURE).id
            assert any(each.at for each in client.events(task_id))
            waited = pool.submit(client.wait, task_id, timeout_seconds=_WAIT_SECONDS)
            heard = pool.submit(lambda: [each.kind for each in client.events(task_id)])
            around = {**os.environ, "INFERNET_API_KEY": key, "COLUMNS": "80"}
            command = [sys.executable, "-m", "infernet", "task", "watch", task_id, "--gateway", url]
            with subprocess.Popen(
                command, cwd=tmp_path, env=around, stdout=subprocess.PIPE, text=True
            ) as shell:
                assert shell.stdout is not None
                assert shell.stdout.readline().endswith("accepted\n")
                gateway.kill()
                Miner(town).finish(TaskId(bytes.fromhex(task_id[2:])))
                time.sleep(1)
                assert not waited.done() and not heard.done() and shell.poll() is None
                gateway.start()
                assert waited.result(_WAIT_SECONDS).finality is Finality.FINAL
                kinds = heard.result(_WAIT_SECONDS)
                printed, _ = shell.communicate(timeout=_WAIT_SECONDS)
            assert kinds == ["accepted", "requested", "claimed", "asserted", "finalised"]
            assert shell.returncode == 0 and "result: 7 (" in printed
    finally:
        gateway.kill()
