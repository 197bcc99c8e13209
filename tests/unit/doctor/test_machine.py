"""Faults of the machine: each is caused for real where it can be, and named with its fix."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infernet.backend.adapters import GROUP
from infernet.config import Config
from infernet.config.tables import BackendTable
from infernet.doctor import machine
from infernet.doctor.checkup import examine
from infernet.doctor.finding import Finding, Outcome
from tests.disk import small_disk

from .place import Place, require

ROOT = Path(__file__).parents[3]


def told(check: str, *before: str, options: tuple[str, ...] = ()) -> Finding:
    """Return what a check finds in a process of its own, after some lines of Python."""
    lines = (
        "import sys, json, dataclasses",
        *before,
        "from infernet.doctor import machine",
        f"print(json.dumps(dataclasses.asdict(machine.{check}())))",
    )
    command = [sys.executable, *options, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return Finding(**{**found, "outcome": Outcome(found["outcome"])})


def announce(folder: Path, name: str, lines: str = "", entries: str = "") -> None:
    """Leave what an installer leaves of a package."""
    info = folder / f"{name}.dist-info"
    info.mkdir()
    project, version = name.split("-")
    head = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    (info / "METADATA").write_text(head + lines)
    if entries:
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}\n")


def test_an_old_interpreter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 0))
    require(machine.python(), Outcome.FAILURE, "Python", "3.11")


def test_a_package_from_elsewhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "executor").mkdir()
    (tmp_path / "executor" / "__init__.py").write_text("")
    found = told("packages", f"sys.path.insert(0, {str(tmp_path)!r})")
    require(found, Outcome.FAILURE, f"executor from {tmp_path}", "environment of its own")


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    for name in machine.PACKAGES:
        if name != "bisection":
            (tmp_path / name).symlink_to(ROOT / name)
    # Without the lines that an installation in place leaves for the start.
    places = [str(tmp_path), *(path for path in sys.path if path.endswith("site-packages"))]
    found = told("packages", f"sys.path += {places!r}", options=("-S",))
    require(found, Outcome.FAILURE, "the package bisection is missing", "install infernet again")


def test_a_dependency_of_another_version_is_named(tmp_path: Path) -> None:
    announce(tmp_path, "numpy-1.0")
    found = told("dependencies", f"sys.path.insert(0, {str(tmp_path)!r})")
    require(found, Outcome.FAILURE, "numpy is 1.0, not ==", "install infernet again")


def test_a_missing_dependency_is_named(tmp_path: Path) -> None:
    announce(tmp_path, "infernet-0.1", "Requires-Dist: nonesuch>=2\n")
    found = told("dependencies", f"sys.path.insert(0, {str(tmp_path)!r})")
    require(found, Outcome.FAILURE, "nonesuch is missing", "install infernet again")


def test_a_missing_hashing_kernel_is_named() -> None:
    found = told("processor", 'sys.modules["infernet.backend.native._sha256"] = None')
    require(found, Outcome.WARNING, "hashlib (slower", "C compiler")


def test_an_unknown_backend_is_named(place: Place) -> None:
    found = place.findings(replace(place.config, backend=BackendTable("mlx")))
    require(found["conformance"], Outcome.FAILURE, "mlx", "backend.type")


_WRONG = """
from dataclasses import replace

from infernet.backend.engine import ReferenceEngine

class WrongEngine(ReferenceEngine):
    def run(self, data, iterations=1):
        found = super().run(data, iterations)
        output = found.output.copy()
        output[0] ^= 1
        return replace(found, output=output)

class Wrong:
    name = "wrong"
    def open(self, program, threads):
        return WrongEngine(program)
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder whose packages are found as installed ones are."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("wrong_backend", None)


def test_a_backend_with_one_bit_off_is_named(packages: Path) -> None:
    (packages / "wrong_backend.py").write_text(_WRONG)
    announce(packages, "wrong-1.0", entries="wrong = wrong_backend:Wrong")
    found = machine.conformance(Config(backend=BackendTable("wrong")))
    require(found, Outcome.FAILURE, "differences: ", 'backend.type = "reference"')


def test_a_backend_that_does_not_load_is_named(packages: Path) -> None:
    announce(packages, "wrong-1.0", entries="wrong = wrong_backend:Wrong")
    found = machine.conformance(Config(backend=BackendTable("wrong")))
    require(found, Outcome.FAILURE, "cannot be loaded", "backend.type")


@pytest.mark.parametrize(
    ("megabytes", "outcome"), [(100, Outcome.FAILURE), (2_000, Outcome.WARNING)]
)
def test_a_disk_with_little_room_is_named(tmp_path: Path, megabytes: int, outcome: Outcome) -> None:
    with small_disk(tmp_path / "disk", megabytes) as folder:
        require(machine.disk(folder / "data"), outcome, "GB free", "make room")


def test_an_unwritable_data_folder_is_named(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = list(examine(place.config, tmp_path / "file" / "data", None))
    (finding,) = [f for f in found if f.check == "data folder"]
    require(finding, Outcome.FAILURE, "cannot be written", "data.dir")
