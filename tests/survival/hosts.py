"""Hosts in network namespaces, joined by a bridge in another: Linux, `ip`, and root for that."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_NETWORK = "10.77.0"
# From Linux's sched.h.
_CLONE_NEWNET = 0x40000000


def why_not() -> str | None:
    """Return why no namespaces can be made here, None if they can."""
    if shutil.which("ip") is None:
        return "`ip` (iproute2) is not installed"
    name = f"infernet-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        return f"no network namespace can be made: {made.stderr.strip()}"
    made = subprocess.run(
        ["ip", "-n", name, "link", "add", "probe", "type", "bridge"], capture_output=True, text=True
    )
    subprocess.run(["ip", "netns", "del", name], check=True)
    return f"no bridge can be made: {made.stderr.strip()}" if made.returncode else None


@dataclass
class Host:
    """One namespace. `address`: where the others reach it; `port`: its end of the bridge."""

    name: str
    address: str
    switch: str
    port: str

    @property
    def inside(self) -> Sequence[str]:
        """Return the words before a command that is to run on this host."""
        return ("ip", "netns", "exec", self.name)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be on this host: this thread, and whatever threads and processes it starts."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _set_namespace(f"/run/netns/{self.name}")
            yield
        finally:
            _set_namespace(f"/proc/self/fd/{before}")
            os.close(before)

    def unplug(self) -> None:
        """Take the link down: the host knows at once that it reaches nobody."""
        _ip("-n", self.name, "link", "set", "eth", "down")

    def silence(self) -> None:
        """Let every packet be lost on the way, which nobody is told."""
        _ip("-n", self.switch, "link", "set", self.port, "nomaster")

    def heal(self) -> None:
        """Let packets through again."""
        _ip("-n", self.switch, "link", "set", self.port, "master", "bridge")
        _ip("-n", self.name, "link", "set", "eth", "up")


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Give so many hosts that reach each other and nobody else."""
    prefix = f"infernet-{os.getpid()}"
    switch = f"{prefix}-switch"
    with ExitStack() as stack:
        _namespace(stack, switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        found = []
        for number in range(1, count + 1):
            host = Host(f"{prefix}-{number}", f"{_NETWORK}.{number}", switch, f"port{number}")
            _namespace(stack, host.name)
            _ip(*f"-n {switch} link add {host.port} type veth peer name eth".split())
            _ip("-n", switch, "link", "set", "eth", "netns", host.name)
            _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth")
            for name in ("lo", "eth"):
                _ip("-n", host.name, "link", "set", name, "up")
            _ip("-n", switch, "link", "set", host.port, "master", "bridge")
            _ip("-n", switch, "link", "set", host.port, "up")
            found.append(host)
        yield found


def _namespace(stack: ExitStack, name: str) -> None:
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "del", name)


def _set_namespace(path: str) -> None:
    with Path(path).open("rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"entering {path} failed")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
