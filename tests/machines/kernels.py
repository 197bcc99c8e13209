"""Run the kernels' tests on the emulated arm64: `python -m tests.machines.kernels`."""

from __future__ import annotations

import os
import subprocess
import sys

from .places import arm64

_TESTS = ("test_products.py", "test_hashing.py", "test_sequence_engine.py")


def main() -> int:
    """Run them and return pytest's exit status."""
    place = arm64()
    paths = [f"tests/unit/backend/{name}" for name in _TESTS]
    command = [*place.python, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider"]
    environment = {**os.environ, **place.variables}
    return subprocess.run(
        [*command, *paths], cwd=place.folder, env=environment, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
