"""Run tests on the compiled kernels as built with AddressSanitizer and UBSan.

    python -m tests.sanitize [what pytest takes]

Both are GCC's or Clang's own. A read or write beside an array, an overflow of a signed number or a
shift that C does not define ends the process, with its place in the C code.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import infernet.backend.native

_ROOT = Path(__file__).parents[1]
_BUILD = _ROOT / "build" / "sanitize"
_FLAGS = "-fsanitize=address,undefined"
# Whoever calls the kernels, on shapes at their edges, and with what strangers send.
_DEFAULT = (
    "tests/unit/backend",
    "tests/fuzz",
    "-m",
    "not slow",
    "-k",
    "backend or native or engine",
)
_KERNELS = "INFERNET_SANITIZED_KERNELS"

if _KERNELS in os.environ:
    # Loaded as a plugin of pytest, before any test.
    infernet.backend.native.__path__.insert(0, os.environ[_KERNELS])


def _built() -> Path:
    """Return the folder of the kernels, built anew."""
    flags = f"{_FLAGS} -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g -O1"
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--force"]
    command += [f"--build-lib={_BUILD}", f"--build-temp={_BUILD / 'objects'}"]
    environment = {**os.environ, "CFLAGS": flags, "LDFLAGS": _FLAGS}
    subprocess.run(command, cwd=_ROOT, env=environment, check=True)
    return _BUILD / "infernet" / "backend" / "native"


def main(arguments: list[str]) -> int:
    """Build, run and return pytest's status."""
    compiler = os.environ.get("CC", "gcc")
    asked = [compiler, "-print-file-name=libasan.so"]
    runtime = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    environment = {
        **os.environ,
        _KERNELS: str(_built()),
        "LD_PRELOAD": runtime,
        # Python keeps what it was given until it ends.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "tests.sanitize", *(arguments or _DEFAULT)]
    return subprocess.run(command, cwd=_ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
