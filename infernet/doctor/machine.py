"""Checks of this machine: interpreter, packages, processor, bits, disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from infernet.backend.adapters import check_adapter, load_adapter
from infernet.backend.errors import BackendError
from infernet.backend.hashing import hashing_status, is_native
from infernet.config import Config

from .finding import Finding, failure, ok, warning

PACKAGES = ("interpreter", "bisection", "infernet", "executor", "fisherman", "api")
_OLDEST_PYTHON = (3, 11)
_LITTLE_BYTES, _TOO_LITTLE_BYTES = 5 * 10**9, 500 * 10**6
# What ONNX Runtime's integer kernels use, the fastest first.
_FEATURES = ("amx_int8", "avx512_vnni", "avx_vnni", "avx2")


def python() -> Finding:
    """Check the interpreter's version."""
    found = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return failure("python", f"Python {found}", "install Python 3.11 or later")
    return ok("python", f"Python {found} at {sys.executable}")


def packages() -> Finding:
    """Check that all six packages come from one place: two of the names exist elsewhere too."""
    places = {}
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            return failure(
                "packages",
                f"the package {name} is missing",
                "install infernet again, in an environment of its own",
            )
        places[name] = Path(next(iter(spec.submodule_search_locations))).parent
    if len(set(places.values())) > 1:
        home = places["infernet"]
        others = [f"{name} from {at}" for name, at in places.items() if at != home]
        return failure(
            "packages",
            f"infernet comes from {home}, but {', '.join(others)}",
            "remove the other package of that name, or give infernet an environment of its own",
        )
    return ok("packages", f"all six from {places['infernet']}")


def dependencies() -> Finding:
    """Check that what is installed is what this version was made with."""
    wrong = []
    for line in requires("infernet") or []:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing")
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            wrong.append(f"{wanted.name} is {found}, not {wanted.specifier}")
    if wrong:
        fix = "install infernet again: pip brings the versions it was made with"
        return failure("dependencies", "; ".join(wrong), fix)
    return ok("dependencies", f"as infernet {version('infernet')} wants them")


def processor() -> Finding:
    """Check what of the processor speeds integer products up, and the hashing kernel."""
    features = _features()
    best = next((name for name in _FEATURES if name in features), None)
    detail = f"{platform.machine()}, {best or 'no integer extension'}, hashing {hashing_status()}"
    if not is_native():
        fix = "install a C compiler, then infernet again: hashing is much slower without"
        return warning("processor", detail, fix)
    return ok("processor", detail)


def conformance(config: Config) -> Finding:
    """Check every bit of the published vectors."""
    name = config.backend.type
    try:
        report = check_adapter(load_adapter(name), config.backend.threads)
    except BackendError as error:
        return failure("conformance", str(error), "set backend.type to an installed backend")
    if not report.is_exact:
        wrong = "; ".join(map(str, report.differences[:3]))
        return failure(
            "conformance",
            f"{len(report.differences)} differences: {wrong}",
            'never stake with it; set backend.type = "reference", and report this machine',
        )
    return ok("conformance", f"{report.vectors} vectors exact ({report.engine})")


def disk(folder: Path) -> Finding:
    """Check the room on the disk of the data."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 10**9:.1f} GB free for {folder}"
    fix = "make room, or name a folder on another disk in data.dir"
    if free < _TOO_LITTLE_BYTES:
        return failure("disk", detail, fix)
    return warning("disk", detail, fix) if free < _LITTLE_BYTES else ok("disk", detail)


def data_folder(folder: Path) -> Finding:
    """Check that the folder of the data can be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        fix = f"give this user the folder (chown, chmod 700 {folder}), or name another in data.dir"
        return failure("data folder", f"{folder} cannot be written: {error.strerror}", fix)
    return ok("data folder", f"{folder} can be written")


def _features() -> frozenset[str]:
    return frozenset(word for line in _cpu_lines() for word in line.split())


def _cpu_lines() -> Iterator[str]:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            yield from (line for line in file if line.startswith(("flags", "Features")))
    except OSError:
        return
