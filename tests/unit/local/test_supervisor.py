"""Processes are started, started again, ended, and outlive nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infernet.local import ask
from infernet.local.errors import FolderInUse, PortTaken, ServiceFailed
from infernet.local.folder import Folder, Notes
from infernet.local.network import GATEWAY, Network
from infernet.local.services import Restarts, Service
from infernet.local.supervisor import Supervisor
from tests.anvil import free_port

_SECONDS = 20.0
_STAY = ("sleep", "600")
_SUPERVISOR = """
import sys, time
from pathlib import Path
from infernet.local.folder import Folder
from infernet.local.services import Service
from infernet.local.supervisor import Supervisor

home = Folder(Path(sys.argv[1]))
with home.held() as lock:
    supervisor = Supervisor(home.logs, print, (lock,))
    supervisor.start(*(Service(f"p{n}", ("sleep", "600"), lambda: True) for n in range(3)))
    print(*supervisor.pids().values(), flush=True)
    time.sleep(600)
"""


def until(what: str, happened: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def service(name: str, *command: str, is_ready: bool = True, seconds: float = 5) -> Service:
    return Service(name, command, lambda: is_ready, start_seconds=seconds)


def test_all_processes_end_with_the_supervisor(tmp_path: Path) -> None:
    with Supervisor(tmp_path, print) as supervisor:
        supervisor.start(service("one", *_STAY), service("two", *_STAY))
        supervisor.await_ready("one", "two")
        pids = supervisor.pids()
        assert all(map(is_alive, pids.values()))
    assert not any(map(is_alive, pids.values()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of such a death")
def test_a_killed_supervisor_leaves_nothing_and_its_folder_is_free_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SUPERVISOR, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 3 and all(map(is_alive, pids))
        with pytest.raises(FolderInUse, match=str(process.pid)), Folder(tmp_path).held():
            pass
        process.kill()
    with Folder(tmp_path).held():
        until("all have ended", lambda: not any(map(is_alive, pids)))


def test_a_process_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with Supervisor(tmp_path, print) as supervisor:
        supervisor.start(service("bad", "sh", "-c", "echo the disk is full; exit 7"))
        until("it ended", lambda: not any(map(is_alive, supervisor.pids().values())))
        with pytest.raises(ServiceFailed, match=r"bad ended \(exit code 7\)[^$]*the disk is full"):
            supervisor.await_ready("bad")


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with (
        Supervisor(tmp_path, print) as supervisor,
        pytest.raises(ServiceFailed, match="no-such-program"),
    ):
        supervisor.start(service("bad", "no-such-program"))


def test_a_process_that_never_gets_ready_is_not_waited_for(tmp_path: Path) -> None:
    with Supervisor(tmp_path, print) as supervisor:
        supervisor.start(service("slow", *_STAY, is_ready=False, seconds=0.2))
        with pytest.raises(ServiceFailed, match="not ready within"):
            supervisor.await_ready("slow")


def test_a_death_is_told_and_mended(tmp_path: Path) -> None:
    told: list[str] = []
    with Supervisor(tmp_path, told.append) as supervisor:
        supervisor.start(service("one", *_STAY))
        first = supervisor.pids()["one"]
        os.kill(first, signal.SIGKILL)

        def is_back() -> bool:
            supervisor.mend()
            return supervisor.pids().get("one", first) != first

        until("it runs again", is_back)
    assert len(told) == 1 and "one ended (signal 9) and starts again in 0.5 s" in told[0]


def test_pauses_grow_up_to_a_bound_and_a_long_life_ends_them() -> None:
    restarts, pauses = Restarts(), []
    assert restarts.pause_seconds == 0
    for _ in range(9):
        restarts = restarts.after_death(1)
        pauses.append(restarts.pause_seconds)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert restarts.after_death(60).pause_seconds == 0.5


def test_settings_of_whoever_starts_a_network_are_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERNET_RPC_URL", "http://elsewhere")
    with Supervisor(tmp_path, print) as supervisor:
        given = {"INFERNET_CONFIG": "mine.toml"}
        supervisor.start(Service("env", ("env",), lambda: True, given))
        until("it ended", lambda: not is_alive(supervisor.pids()["env"]))
    said = (tmp_path / "env.log").read_text()
    assert "INFERNET_CONFIG=mine.toml" in said and "elsewhere" not in said


def test_secrets_are_their_owners_alone_and_stay(tmp_path: Path) -> None:
    home = Folder(tmp_path / "net")
    with home.held():
        address = home.account("miner")
        assert home.account("miner") == address
        home.configure("miner", "http://127.0.0.1:1", {"infernet": {"enabled": True}})
        home.note(Notes("anvil", ("digits",), {"chain": 1}))
    assert Folder(tmp_path / "net").notes() == Notes("anvil", ("digits",), {"chain": 1})
    for file in (home.passphrase, home.settings("miner"), home.root / "miner/keystore.json"):
        assert file.stat().st_mode & 0o77 == 0, file


def test_ports_of_an_earlier_run_are_taken_again_where_they_are_free(tmp_path: Path) -> None:
    port, home = free_port(), Folder(tmp_path)
    network = Network(home, "anvil", ("digits",), {GATEWAY: port})
    network.take_port(GATEWAY)
    assert network.ports[GATEWAY] == port
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "-b", "127.0.0.1", str(port)]
    ) as other:
        until("somebody listens", lambda: not ask.is_free(port))
        network.take_port(GATEWAY)
        assert network.ports[GATEWAY] != port
        with pytest.raises(PortTaken, match=f"port {port}"):
            network.take_port(GATEWAY, port)
        other.kill()
