"""Every compiler at hand takes the compiled part without a word."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from infernet.backend import native

SOURCES = sorted(Path(*native.__path__).glob("*.c"))
COMPILERS = ("gcc", "clang", "aarch64-linux-gnu-gcc")
FLAGS = ("-Wall", "-Wextra", "-Werror", "-fPIC", "-DPy_LIMITED_API=0x030b0000")


@pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_compiler_has_nothing_to_say(compiler: str, source: Path, tmp_path: Path) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    command = [compiler, *FLAGS, "-I", sysconfig.get_path("include"), "-c", str(source)]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "object")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_there_are_sources() -> None:
    assert {"machine", "matmul", "products", "sha256"} <= {source.stem for source in SOURCES}
