"""Look after the processes of a local network: start, ask whether ready, start again, end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ServiceFailed
from .process import end, end_of, spawn
from .services import Restarts, Service

_PAUSE_SECONDS = 0.05


@dataclass(slots=True)
class _Charge:
    """A service and its process. `process`: None while it waits for its next start."""

    service: Service
    process: subprocess.Popen[bytes] | None
    began: float
    restarts: Restarts = field(default_factory=Restarts)
    due: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """The processes of one network. All methods belong to one thread, which has to live on.

    `logs`: their folder; `tell`: hears in words what happens to them; `kept`: descriptors that
    every process holds.
    """

    logs: Path
    tell: Callable[[str], None]
    kept: Sequence[int] = ()
    _charges: dict[str, _Charge] = field(default_factory=dict)

    def start(self, *services: Service) -> None:
        """Start processes side by side; `await_ready` waits for them."""
        for service in services:
            self._charges[service.name] = _Charge(service, self._spawn(service), time.monotonic())

    def await_ready(self, *names: str, meanwhile: Callable[[], None] | None = None) -> None:
        """Return when all of some processes are ready, or raise ServiceFailed.

        `meanwhile`: called between the questions.
        """
        waiting = [self._charges[name] for name in names]
        while waiting := [each for each in waiting if not self._is_ready(each)]:
            if meanwhile:
                meanwhile()
            time.sleep(_PAUSE_SECONDS)

    def require_alive(self) -> None:
        """Raise ServiceFailed if a process has ended."""
        for charge in self._charges.values():
            self._require(charge)

    def mend(self) -> None:
        """Start again what died, after a pause that grows with each death in a row."""
        now = time.monotonic()
        for name, charge in self._charges.items():
            process = charge.process
            if process is not None and (code := process.poll()) is not None:
                charge.restarts = charge.restarts.after_death(now - charge.began)
                pause = charge.restarts.pause_seconds
                charge.process, charge.due = None, now + pause
                self.tell(
                    f"{name} ended ({_fate(code)}) and starts again in {pause:g} s; the end of "
                    f"{self.log_of(name)}:\n{end_of(self.log_of(name))}"
                )
            elif process is None and now >= charge.due:
                charge.process, charge.began = self._spawn(charge.service), now

    def pids(self) -> dict[str, int]:
        """Return the processes' ids by name."""
        return {name: each.process.pid for name, each in self._charges.items() if each.process}

    def log_of(self, name: str) -> Path:
        """Return the log of a process."""
        return self.logs / f"{name}.log"

    def end(self, *ended: str) -> None:
        """End some processes in order, and look after them no more."""
        for name in ended:
            charge = self._charges.pop(name)
            if charge.process is not None:
                end(charge.process, charge.service.stop_seconds)

    def stop(self) -> None:
        """End all processes, the last started first."""
        self.end(*reversed(self._charges))

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, service: Service) -> subprocess.Popen[bytes]:
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.log_of(service.name)
        try:
            return spawn(service.command, service.environment, log, self.kept)
        except OSError as error:
            raise ServiceFailed(
                f"{service.name} cannot be started: {service.command[0]}: {error.strerror}"
            ) from None

    def _is_ready(self, charge: _Charge) -> bool:
        self._require(charge)
        if charge.service.is_ready():
            return True
        if time.monotonic() - charge.began > charge.service.start_seconds:
            raise self._failure(
                charge, f"was not ready within {charge.service.start_seconds:.0f} s"
            )
        return False

    def _require(self, charge: _Charge) -> None:
        code = charge.process.poll() if charge.process else None
        if code is not None:
            raise self._failure(charge, f"ended ({_fate(code)})")

    def _failure(self, charge: _Charge, what: str) -> ServiceFailed:
        log = self.log_of(charge.service.name)
        return ServiceFailed(f"{charge.service.name} {what}; the end of {log}:\n{end_of(log)}")


def names(services: Iterable[Service]) -> tuple[str, ...]:
    """Return what services are called."""
    return tuple(service.name for service in services)


def _fate(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
