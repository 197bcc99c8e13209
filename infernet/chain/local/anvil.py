"""anvil, where it is installed: faster than py-evm, and what most developers know."""

from __future__ import annotations

import shutil
from pathlib import Path

import infernet
from infernet.chain.connection import BLOCK_GAS

from .server import HOST


def find_anvil() -> Path | None:
    """Return the program on the PATH, or that which `npm ci` put into this checkout."""
    packages = Path(infernet.__file__).parents[1] / "contracts/node_modules/@foundry-rs"
    found = [*sorted(packages.glob("anvil-*/bin/anvil")), shutil.which("anvil")]
    return next((Path(each) for each in found if each), None)


def anvil_command(program: Path, port: int, state: Path | None) -> list[str]:
    """Return the command that runs a node; `state`: a file that its chain lives in."""
    command = [str(program), "--silent", "--host", HOST, "--port", str(port)]
    command += ["--hardfork", "prague", "--gas-limit", str(BLOCK_GAS)]
    if state is not None:
        command += ["--state", str(state), "--state-interval", "1"]
    return command
