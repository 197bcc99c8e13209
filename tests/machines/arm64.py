"""Make an arm64 to emulate: `python -m tests.machines.arm64`; needs root, on Debian.

Python and its libraries are Debian's, the packages are the wheels of arm64, the compiled part is
cross-compiled. ONNX Runtime is an earlier release: the pinned one's wheel does not survive the
emulator. Everything lies in `.arm64`; `system` and `site` are made once, `app` is made anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from .places import ARM64, ROOT

_TOOLS = ("qemu-user-static", "debootstrap", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")
_LIBRARIES = ("python3.11", "libpython3.11-dev", "libstdc++6", "libubsan1")
_RELEASE = "bookworm"
_ORT = "onnxruntime==1.26.0"
# Asked for by a client of the queue before Python 3.11.3; Debian's is older than the one that asks.
_OLDER_PYTHONS = "async-timeout"
_TEST_TOOLS = ("pytest", "pytest-asyncio", "hypothesis")
_PACKAGES = ("interpreter", "bisection", "infernet", "executor", "fisherman", "api", "tests")
_WHEELS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
_COMPILER = "aarch64-linux-gnu-gcc"


def make_system(folder: Path) -> None:
    """Lay out Debian's packages; none of them is configured, and nothing of them is run."""
    options = ("--download-only", "--arch=arm64", "--variant=minbase")
    included = f"--include={','.join(_LIBRARIES)}"
    _run("debootstrap", *options, included, _RELEASE, str(folder / "debian"))
    for package in sorted((folder / "debian/var/cache/apt/archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(folder / "system"))
    shutil.rmtree(folder / "debian")


def make_site(folder: Path) -> None:
    """Install the wheels of what the program and its tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [each for each in project["dependencies"] if not each.startswith("onnxruntime")]
    tests = [each for each in project["optional-dependencies"]["dev"] if _is_test_tool(each)]
    platforms = [f"--platform={wheel}_aarch64" for wheel in _WHEELS]
    options = ("--quiet", "--no-warn-conflicts", "--only-binary=:all:", "--python-version=3.11")
    command = [sys.executable, "-m", "pip", "install", *options, *platforms]
    _run(*command, f"--target={folder / 'site'}", _ORT, _OLDER_PYTHONS, *needed, *tests)


def make_app(folder: Path, flags: str = "") -> None:
    """Copy the packages and compile their C for arm64."""
    app, headers = folder / "app", folder / "system/usr/include"
    shutil.rmtree(app, ignore_errors=True)
    for name in _PACKAGES:
        built = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(ROOT / name, app / name, ignore=built)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, app / name)
    places = f"-isystem {headers / 'python3.11'} -idirafter {headers}"
    build = {"CC": _COMPILER, "LDSHARED": f"{_COMPILER} -shared {flags}"}
    build["CFLAGS"] = f"{places} {flags}"
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(command, cwd=app, env={**os.environ, **build}, check=True)
    for name in ("_sha256", "_matmul", "_machine"):
        found = app / f"infernet/backend/native/{name}.abi3.so"
        if not found.exists():
            sys.exit(f"{found} was not compiled: see what {_COMPILER} says above")


def main() -> None:
    """Make what is missing, and the program anew."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        sys.exit(f"arm64 is made as root on Debian, of its packages: {' '.join(_TOOLS)}")
    ARM64.mkdir(exist_ok=True)
    if not (ARM64 / "ready").exists():
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "--yes", "-qq", "--no-install-recommends", *_TOOLS)
        for name in ("debian", "system", "site"):
            shutil.rmtree(ARM64 / name, ignore_errors=True)
        make_system(ARM64)
        make_site(ARM64)
    make_app(ARM64, " ".join(sys.argv[1:]))
    (ARM64 / "ready").touch()


def _is_test_tool(requirement: str) -> bool:
    return requirement.partition("=")[0].partition(">")[0] in _TEST_TOOLS


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
