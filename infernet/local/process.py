"""Start a process that does not outlive this one, and end it in order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_TAIL_BYTES, _TAIL_LINES = 8_192, 15


def spawn(
    command: Sequence[str], environment: Mapping[str, str], log: Path, kept: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, its words going to the end of a log.

    Linux ends it when the thread that calls this ends, however that comes about. `kept`:
    descriptors that it holds as long as it lives. Raises OSError.
    """
    with log.open("ab") as words:
        return subprocess.Popen(
            command,
            env={**_around(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            # A key pressed at the terminal is for the supervisor, which ends all in order.
            start_new_session=True,
            preexec_fn=_ends_with(os.getpid()) if sys.platform == "linux" else None,
            pass_fds=tuple(kept),
        )


def end(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Ask a process to end, make it after so long, and return its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def end_of(log: Path) -> str:
    """Return the last lines of a log, indented; a few words where it is empty."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    shown = [line for line in lines if line.strip()][-_TAIL_LINES:] or ["(it said nothing)"]
    return "\n".join(f"    {line}" for line in shown)


def _around() -> dict[str, str]:
    """Return the environment without the settings of whoever starts a network."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INFERNET_")}


def _ends_with(parent: int) -> Callable[[], None]:
    """Return what a child calls before its program: ask to be ended with its parent."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            # It was gone before it could be asked for.
            os.kill(os.getpid(), signal.SIGKILL)

    return ask
