"""The course of the measurement: load by turns, tasks to finality, listeners."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from infernet.chain.records import Address
from tests.anvil import ETHER, find_anvil

from .bodies import body_of
from .ground import WINDOW_SECONDS, Ground, Service, ground, running

ROUNDS, SECONDS, CONNECTIONS = 5, 3, 100
LISTENERS, EVENTS, TASKS = 1_000, 5, 100
LEAST_SHARE, MOST_TAIL = 0.5, 3.0
_PATIENCE_SECONDS = 180.0
# The gateway sends what it accepted once a turn; so long a pause leaves accepting alone.
_NO_TURNS = {"INFERNET_NETWORK_POLL_SECONDS": "3600"}

Figures = dict[str, float]


def measure() -> int:
    """Print the figures; return how many limits were missed."""
    if find_anvil() is None:
        print("left out: anvil is not installed; run `npm ci` in contracts/")
        return 0
    folder = Path(tempfile.mkdtemp())
    missed = 1
    try:
        with ground(folder) as place:
            missed = _accepting(place)
            _finishing(place)
            _listening(place)
    finally:
        if missed:
            print(f"logs stay in {folder}")
        else:
            shutil.rmtree(folder)
    return missed


def _accepting(place: Ground) -> int:
    """Load three servers by turns, the others stopped, and return how many limits were missed."""
    with (
        place.bare() as bare,
        place.gateway("alone", **_NO_TURNS) as alone,
        place.gateway("sending") as sending,
    ):
        servers = {"bare route": bare, "accepting alone": alone, "while sending": sending}
        rounds: dict[str, list[Figures]] = {name: [] for name in servers}
        for number in range(ROUNDS):
            # Those that are compared come one right after the other: the machine is not ours alone.
            first, second, last = servers
            for name in (first, second, last) if number % 2 else (second, first, last):
                others = [each for other, each in servers.items() if other != name]
                rounds[name].append(_alone(servers[name], others))
    for name, found in rounds.items():
        print(f"{name}: " + ", ".join(_spread(found, key) for key in found[0]), flush=True)
    pairs = list(zip(rounds["accepting alone"], rounds["bare route"], strict=True))
    share = median(one["rate"] / two["rate"] for one, two in pairs)
    tail = median(one["p99_ms"] / two["p99_ms"] for one, two in pairs)
    work = median(two["cpu_ms"] / one["cpu_ms"] for one, two in pairs)
    print(f"of the bare rate {share:.2f} (at least {LEAST_SHARE}); p99 {tail:.2f} of its", end=" ")
    print(f"(at most {MOST_TAIL}); by processor time {work:.2f}; medians of {ROUNDS} rounds")
    return (share < LEAST_SHARE) + (tail > MOST_TAIL)


def _alone(service: Service, others: list[Service]) -> Figures:
    """Load a server while the others are stopped, and return its figures."""
    for other in others:
        other.process.send_signal(signal.SIGSTOP)
    try:
        before = _processor_seconds(service)
        command = ["-m", "benchmarks.gateway.load", str(service.port), str(CONNECTIONS)]
        done = subprocess.run(
            [sys.executable, *command, str(SECONDS), service.key],
            check=True,
            stdout=subprocess.PIPE,
        )
        found: Figures = json.loads(done.stdout)
        found["cpu_ms"] = (_processor_seconds(service) - before) * 1_000 / found.pop("whole")
        return found
    finally:
        for other in others:
            other.process.send_signal(signal.SIGCONT)


def _spread(rounds: list[Figures], key: str) -> str:
    values = sorted(each[key] for each in rounds)
    return f"{key} {median(values):.1f} ({values[0]:.1f} to {values[-1]:.1f})"


def _finishing(place: Ground) -> None:
    """Print how many tasks a second become final, with one miner."""
    more = {"INFERNET_ENABLED": "true", "INFERNET_STAKE": "1", "INFERNET_MAX_TASKS": "4"}
    settings = place.settings("miner") | more | {"INFERNET_METRICS_ENABLED": "false"}
    address = json.loads((place.folder / "miner/keystore.json").read_text())["address"]
    owner = Address("0x" + address.removeprefix("0x"))
    place.contracts.vault.send(place.anvil.wallet(10_000), "depositFor", owner, value=600 * ETHER)
    command = ("-m", "infernet", "miner", "run", "--yes")
    with (
        place.gateway("finishing") as service,
        running(place.folder / "miner.log", command, settings),
    ):
        random = Random(1)
        _post(service, body_of(random))
        _await_final(service, 1)
        tasks = b",".join(body_of(random) for _ in range(TASKS))
        began = time.monotonic()
        _ask(service, "POST", "/v1/tasks/batch", b'{"tasks":[%s]}' % tasks)
        seconds = _await_final(service, TASKS + 1) - began
    print(
        f"{TASKS} tasks final end to end in {seconds:.1f} s, {TASKS / seconds:.1f} a second", end=""
    )
    print(f"; {WINDOW_SECONDS} s of it their windows")


def _await_final(service: Service, count: int) -> float:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        found = _ask(service, "GET", "/v1/tasks?state=final&limit=200")
        if len(found["tasks"]) >= count:
            return time.monotonic()
        time.sleep(0.2)
    raise TimeoutError(f"{len(found['tasks'])} of {count} tasks are final; see the miner's log")


def _listening(place: Ground) -> None:
    """Print how soon the last of many listeners hears of an event, and what they cost."""
    with place.gateway("listening") as service:
        before, delays = _resident_mib(service), []
        for number in range(EVENTS):
            command = ["-m", "benchmarks.gateway.listeners", str(service.port), str(LISTENERS)]
            with subprocess.Popen(
                [sys.executable, *command, service.key], stdout=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()
                held, cpu = _resident_mib(service), _processor_seconds(service)
                began = time.time()
                _post(service, body_of(Random(number)))
                delays.append(float(process.stdout.readline()) - began)
                cpu = _processor_seconds(service) - cpu
    print(
        f"{LISTENERS} listeners: an event reaches the last {median(delays) * 1_000:.0f} ms", end=" "
    )
    print(
        f"after its request was sent ({min(delays) * 1_000:.0f} to {max(delays) * 1_000:.0f}; ",
        end="",
    )
    print(
        f"{cpu * 1_000:.0f} ms of processor); {held:.0f} MiB, {before:.0f} without them", end=", "
    )
    print(f"{(held - before) * 1_024 / LISTENERS:.0f} KiB each")


def _post(service: Service, body: bytes) -> None:
    _ask(service, "POST", "/v1/tasks", body)


def _ask(service: Service, method: str, path: str, body: bytes | None = None) -> Any:
    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status not in (200, 202):
        raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
    return json.loads(content)


def _processor_seconds(service: Service) -> float:
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _resident_mib(service: Service) -> float:
    text = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1_024
