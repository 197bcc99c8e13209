"""What a local network keeps between runs, and that one process at a time uses it.

lock              held by every process of the network for as long as it lives
network.json      engine of the chain, ports, models
passphrase        opens the keystores; generated, and its owner's alone
contracts.json    the contracts' addresses
<role>/           keystore.json and miner.toml of each process that has them
chain/  data/     the chain; models, journals and the gateway's store
logs/             what each process said
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eth_utils.address import to_checksum_address

from infernet.chain.records import Address
from infernet.keys import address_of
from infernet.keystore import create_keystore

from .errors import FolderInUse, LocalError

_PASSPHRASE_BYTES = 32
# What the processes of a supervisor that was killed take to end.
_ENDING_SECONDS = 15.0

Settings = Mapping[str, Mapping[str, str | int | float | bool | list[str]]]


@dataclass(frozen=True, slots=True)
class Notes:
    """What is decided once: the chain's engine, the models served, and ports by name."""

    engine: str
    models: tuple[str, ...]
    ports: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one local network."""

    root: Path

    @property
    def contracts(self) -> Path:
        return self.root / "contracts.json"

    @property
    def chain(self) -> Path:
        return self.root / "chain"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def passphrase(self) -> Path:
        return self.root / "passphrase"

    def settings(self, role: str) -> Path:
        """Return the file of a role's settings."""
        return self.root / role / "miner.toml"

    @contextmanager
    def held(self) -> Iterator[int]:
        """Hold the folder and give the lock's descriptor, for children to hold as well.

        Raises FolderInUse where another network has it, LocalError where it cannot be made.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise LocalError(
                f"{self.root} cannot be used: {error.strerror}; name another --data-dir"
            ) from None
        try:
            self._take(lock)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            yield lock
        finally:
            os.close(lock)

    def notes(self) -> Notes | None:
        """Return what an earlier run decided, None before the first."""
        try:
            found = json.loads((self.root / "network.json").read_text(encoding="utf-8"))
            return Notes(str(found["engine"]), tuple(found["models"]), dict(found["ports"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LocalError(
                f"{self.root / 'network.json'} cannot be read ({error}); remove {self.root} to "
                "begin anew"
            ) from None

    def note(self, notes: Notes) -> None:
        """Keep what was decided."""
        _write(self.root / "network.json", json.dumps(asdict(notes), indent=2) + "\n")

    def account(self, role: str) -> Address:
        """Return a role's account, its key made on the first call."""
        keystore = self._keystore(role)
        if not keystore.exists():
            create_keystore(keystore, self._passphrase())
        return Address(to_checksum_address(address_of(keystore)))

    def configure(self, role: str, node: str, settings: Settings) -> Path:
        """Write a role's settings and return their file. `node`: URL of the chain."""
        seam: Settings = {
            # No block of this chain is ever replaced.
            "network": {"rpc": [node], "contracts": str(self.contracts), "confirmations": 0},
            "data": {"dir": str(self.data)},
        }
        if self._keystore(role).exists():
            wallet = {"keystore": self._keystore(role), "passphrase_file": self.passphrase}
            seam = {**seam, "wallet": {name: str(path) for name, path in wallet.items()}}
        file = self.settings(role)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        tables = dict(seam)
        for name, table in settings.items():
            tables[name] = {**tables.get(name, {}), **table}
        _write(file, "\n".join(_table(name, table) for name, table in tables.items()))
        return file

    def _keystore(self, role: str) -> Path:
        return self.root / role / "keystore.json"

    def _passphrase(self) -> str:
        if not self.passphrase.exists():
            _write(self.passphrase, secrets.token_urlsafe(_PASSPHRASE_BYTES) + "\n")
        return self.passphrase.read_text(encoding="ascii").splitlines()[0]

    def _take(self, lock: int) -> None:
        until = time.monotonic() + _ENDING_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                owner = _owner(lock)
            if owner is not None or time.monotonic() > until:
                who = f"process {owner}" if owner else "its processes are ending"
                raise FolderInUse(
                    f"a network runs in {self.root} already ({who}); use that, end it with "
                    "Ctrl-C, or name another --data-dir"
                )
            time.sleep(0.1)


def _owner(lock: int) -> int | None:
    """Return the supervisor that holds a lock, None where it is gone."""
    try:
        owner = int(os.pread(lock, 32, 0))
        os.kill(owner, 0)
    except (ValueError, ProcessLookupError):
        return None
    except PermissionError:
        pass
    return owner


def _table(name: str, table: Mapping[str, object]) -> str:
    # TOML writes these values as JSON does.
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    return f"[{name}]\n{''.join(lines)}"


def _write(file: Path, text: str) -> None:
    """Write a file that is its owner's alone, whole or not at all."""
    fresh = file.with_name(f".{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as content:
        content.write(text)
    fresh.replace(file)
