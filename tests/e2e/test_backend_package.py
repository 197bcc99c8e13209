"""A backend from another package, installed beside InferNet, under the miner's own command line."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infernet.backend.adapters import GROUP
from infernet.chain.market import Request
from infernet.chain.records import ProgramRoot, Seconds, TaskId, TaskStatus, Wei
from tests.anvil import ETHER, needs_anvil, running
from tests.unit.cli.test_player_restarts import Office

POISON = 0xEE
_SECONDS = 90
_CONFORMANCE = 6

_MODULE = """
import os
from dataclasses import dataclass, replace

import numpy as np

from infernet.backend.engine import open_engine


class Device:
    reasons = ()

    def __init__(self, program):
        self.program, self._engine = program, open_engine(program)
        self.name = "device 2.0"

    def run(self, data, iterations=1):
        if len(data) and (np.asarray(data) == 0xEE).all():
            os.abort()
        return self._engine.run(data, iterations)

    def expose(self, data, iterations, wanted):
        return self._engine.expose(data, iterations, wanted)


class Liar(Device):
    def run(self, data, iterations=1):
        found = self._engine.run(data, iterations)
        output = found.output.copy()
        output[-1] ^= 1
        return replace(found, output=output)


@dataclass(frozen=True)
class DeviceAdapter:
    name: str = "device"

    def open(self, program, threads):
        return Device(program)


@dataclass(frozen=True)
class LiarAdapter:
    name: str = "liar"

    def open(self, program, threads):
        return Liar(program)
"""


class Bench:
    """An operator whose miner computes on a backend of a package of its own."""

    def __init__(self, office: Office, backend: str) -> None:
        self.office = office
        self.log = office.folder / "log"
        office.change("[metrics]", f'[backend]\ntype = "{backend}"\n\n[metrics]')

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as file:
            command = [sys.executable, "-m", "infernet", "miner", "run", "--yes"]
            return subprocess.Popen(command, stdout=file, stderr=file)

    def request(self, nonce: int, value: int) -> TaskId:
        """Ask for a run on an input whose bytes are all the same."""
        program, market = self.office.program, self.office.contracts.market
        deadline = Seconds(self.office.anvil.now() + 10**6)
        wanted = Request(ProgramRoot(program.root), Wei(ETHER // 100), deadline, nonce)
        data = bytes([value]) * program.header.input_type.byte_count
        return market.request_with_input(self.office.requester, wanted, data, wanted.fee)[0]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    packages = tmp_path / "site"
    info = packages / "infernet_device-2.0.dist-info"
    info.mkdir(parents=True)
    (packages / "infernet_device.py").write_text(_MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: infernet-device\nVersion: 2.0\n")
    entries = "device = infernet_device:DeviceAdapter\nliar = infernet_device:LiarAdapter"
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}\n")
    (info / "RECORD").write_text("infernet_device.py,,\n")
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", f"{packages}:{Path(__file__).parents[2]}")
    monkeypatch.chdir(tmp_path)
    with running() as anvil:
        yield Office(tmp_path, anvil)


@needs_anvil
def test_an_input_that_kills_the_engine_is_given_up_and_hinders_no_other(office: Office) -> None:
    bench = Bench(office, "device")
    office.contracts.registry.register(office.requester, office.program)
    deadly, harmless = bench.request(1, POISON), bench.request(2, 0)
    end, deaths, process = time.monotonic() + _SECONDS, 0, bench.start()
    try:
        while "claim_lost" not in bench.log.read_text():
            assert time.monotonic() < end, bench.log.read_text()
            if process.poll() is not None:
                # As systemd does it.
                deaths, process = deaths + 1, bench.start()
            time.sleep(0.2)
        while office.status(harmless) is not TaskStatus.ASSERTED:
            assert process.poll() is None and time.monotonic() < end, bench.log.read_text()
            time.sleep(0.2)
        later = bench.request(3, 1)
        while office.status(later) is not TaskStatus.ASSERTED:
            assert process.poll() is None and time.monotonic() < end, bench.log.read_text()
            time.sleep(0.2)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert deaths == 3
    assert office.status(deadly) is TaskStatus.CLAIMED


@needs_anvil
def test_a_backend_with_a_wrong_bit_stakes_nothing(office: Office) -> None:
    bench = Bench(office, "liar")
    assert bench.start().wait(_SECONDS) == _CONFORMANCE
    said = " ".join(bench.log.read_text().split())
    assert "vector" in said and "Traceback" not in said, said
    assert office.contracts.vault.balance(office.wallet.address).total == 0
