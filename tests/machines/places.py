"""Where `infernet model digest` runs: this processor, parts of it, and emulated ones.

INFERNET_ISAMASK names a preload library that hides features of an Intel processor from a process,
so that one machine runs the kernels of older ones.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from infernet.backend.host import cpu_facts

ROOT = Path(__file__).parents[2]
ARM64 = ROOT / ".arm64"

# By the library's number: a name, and the feature without which nothing has to be hidden.
PROFILES = {
    "0": ("x86-64-sse4", "sse4_1"),
    "1": ("x86-64-avx", "avx"),
    "2": ("x86-64-avx2", "avx2"),
    "3": ("x86-64-avx2-vnni", "avx_vnni"),
    "4": ("x86-64-avx512", "avx512bw"),
    "5": ("x86-64-avx512-vnni", "avx512_vnni"),
    "6": ("x86-64-native", "sse4_1"),
}
# Below what NumPy's wheels are built for: it has to say so.
TOO_OLD = "7"
_X86_EMULATOR = "qemu-x86_64-static"
_ARM64_EMULATOR = "qemu-aarch64-static"
_ZEN = ("amd-zen3-emulated", "EPYC-Milan")


class Unusable(Exception):
    """This machine cannot be such a place; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Place:
    """A processor and how Python is started on it. `folder`: where the program's packages lie."""

    name: str
    python: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    folder: Path = ROOT


def masked(profile: str) -> Place:
    """Return this processor under a profile."""
    library = os.environ.get("INFERNET_ISAMASK")
    if not library:
        raise Unusable("INFERNET_ISAMASK names no library that hides processor features")
    name, feature = PROFILES.get(profile, ("x86-64-sse2", "sse2"))
    if feature not in cpu_facts().get("flags", "").split():
        raise Unusable(f"this processor has no {feature}")
    return Place(name, (sys.executable,), {"LD_PRELOAD": library, "ISAMASK": profile})


def zen() -> Place:
    """Return an emulated processor of AMD."""
    name, model = _ZEN
    emulator = _found(_X86_EMULATOR)
    packages = {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
    python = str(Path(sys.executable).resolve())
    return Place(name, (emulator, "-cpu", model, python), packages)


def arm64(processor: str = "max") -> Place:
    """Return an emulated arm64, whose folder `python -m tests.machines.arm64` makes."""
    if not (ARM64 / "ready").exists():
        raise Unusable(f"{ARM64} is not there: run 'make arm64'")
    system, app = ARM64 / "system", ARM64 / "app"
    python = (_found(_ARM64_EMULATOR), "-cpu", processor, "-L", str(system))
    packages = {"PYTHONPATH": f"{app}:{ARM64 / 'site'}"}
    name = "arm64-emulated" if processor == "max" else f"arm64-emulated-{processor}"
    return Place(name, (*python, str(system / "usr/bin/python3.11")), packages, app)


def _found(emulator: str) -> str:
    found = shutil.which(emulator)
    if not found:
        raise Unusable(f"{emulator} is not installed; on Debian: apt-get install qemu-user-static")
    return found
