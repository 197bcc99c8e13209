"""Digests of stored models under processors with features hidden (INFERNET_ISAMASK).

The variable names a preload library that hides processor features, so that one machine runs the
kernels of older ones.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROFILES = {
    "2": ("AVX2", {"avx2"}),
    "3": ("AVX2 with VNNI", {"avx_vnni"}),
    "4": ("AVX-512 without VNNI", {"avx512bw"}),
    "5": ("AVX-512 with VNNI", {"avx512_vnni"}),
    "6": ("native", set()),
}


def run_masked(profile: str, *command: str) -> str:
    """Return what a command of Python prints under a profile; skip if this machine cannot."""
    library = os.environ.get("INFERNET_ISAMASK")
    if not library:
        pytest.skip("INFERNET_ISAMASK names no library that hides processor features")
    name, features = PROFILES[profile]
    if not features <= processor_features():
        pytest.skip(f"this processor has no {name}")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "LD_PRELOAD": library, "ISAMASK": profile},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def require_digests(profile: str, folder: Path, digests: dict[str, str]) -> None:
    """Check that each model of a folder has its digest with 1 and 2 threads."""
    printed = run_masked(profile, "tests.exactness", str(folder), "1", "2")
    lines = [line.split() for line in printed.splitlines()]
    expected = [[model, threads, digests[model]] for model in sorted(digests) for threads in "12"]
    assert lines == expected


def processor_features() -> set[str]:
    """Return the features that this processor names."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return set(next(line for line in lines if line.startswith("flags")).split())
