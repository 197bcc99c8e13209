"""A real node for tests: anvil, installed by `npm ci` in contracts/ or found on the PATH."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from infernet.chain.connection import Chain, connect
from infernet.chain.records import Address, Seconds, Wei
from infernet.chain.wallet import KeySigner, Wallet

ETHER = 10**18
_PACKAGES = Path(__file__).parents[1] / "contracts/node_modules/@foundry-rs"
_START_SECONDS = 20
_MISSING = "anvil is not installed: `npm ci` in contracts/ installs it, and npm is missing here"


def find_anvil() -> Path | None:
    """Return the program, or None where it is not installed."""
    installed = sorted(_PACKAGES.glob("anvil-*/bin/anvil"))
    found = installed[0] if installed else shutil.which("anvil")
    return Path(found) if found else None


needs_anvil = pytest.mark.skipif(find_anvil() is None, reason=_MISSING)


@dataclass
class Anvil:
    """A running node. `options`: of its command line; `state`: a file that outlives a kill."""

    port: int
    options: tuple[str, ...] = ()
    state: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    _session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the node and wait until it answers."""
        program = find_anvil()
        assert program is not None, _MISSING
        command = [str(program), "--silent", "--port", str(self.port), "--hardfork", "prague"]
        command += ["--gas-limit", "60000000", *self.options]
        if self.state:
            command += ["--state", str(self.state), "--state-interval", "1"]
        self.process = subprocess.Popen(command)
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            with suppress(requests.RequestException):
                self.rpc("eth_chainId")
                return
            assert self.process.poll() is None, "anvil ended at once"
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"anvil did not answer within {_START_SECONDS} s")

    def stop(self) -> None:
        """End the node in order."""
        if self.process:
            self.process.terminate()
            self.process.wait(10)

    def kill(self) -> None:
        """End the node as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait(10)

    def rpc(self, method: str, *parameters: object) -> Any:
        """Return the result of a call; raise AssertionError with what the node said."""
        body: Any = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        answer = self._session.post(self.url, json=body, timeout=60).json()
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def connect(self) -> Chain:
        """Return a connection of its own to the node."""
        return connect(self.url)

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))

    def now(self) -> Seconds:
        """Return the time that the next block would carry."""
        return Seconds(int(self.rpc("eth_getBlockByNumber", "pending", False)["timestamp"], 16))

    def skip(self, seconds: int) -> None:
        """Let time pass, and a block tell it."""
        self.rpc("evm_increaseTime", hex(seconds))
        self.mine()

    def reorg(self, depth: int) -> None:
        """Replace the last blocks by empty ones; what they held is lost, the mempool too."""
        self.rpc("anvil_reorg", depth, [])

    def automine(self, is_on: bool) -> None:
        self.rpc("evm_setAutomine", is_on)

    def fund(self, address: Address, ether: int = 100) -> None:
        self.rpc("anvil_setBalance", address, hex(ether * ETHER))

    def wallet(self, ether: int = 100) -> Wallet:
        """Return the wallet of a fresh key with so much ether."""
        wallet = Wallet(self.connect(), KeySigner.create())
        self.fund(wallet.address, ether)
        return wallet

    def balance(self, address: Address) -> Wei:
        return Wei(int(self.rpc("eth_getBalance", address, "latest"), 16))


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*options: str, state: Path | None = None) -> Iterator[Anvil]:
    """Give a fresh node and end it afterwards."""
    node = Anvil(free_port(), options, state)
    node.start()
    try:
        yield node
    finally:
        node.stop()
