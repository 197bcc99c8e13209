"""Where a keystore's address and its passphrase come from.

A passphrase is never an argument or a variable of the environment: other processes can read those.
It comes from a file, from the service manager's credentials, from the system's credential store,
or from whoever sits at the terminal.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

CREDENTIAL = "infernet-passphrase"
SERVICE = "infernet"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Prompt = Callable[[str], str]


class KeyStoreError(Exception):
    """A keystore or its passphrase cannot be used; the message says what to do."""

    exit_code: ClassVar[int] = 2


def address_of(path: Path) -> str:
    """Return the address that a keystore names, without opening it, or raise KeyStoreError."""
    address = address_in(read_secret(path, "keystore"), path)
    if not address:
        raise KeyStoreError(f"the keystore {path} names no address; open it with its passphrase")
    return address


def find_passphrase(
    path: Path, address: str, passphrase_file: Path | None, prompt: Prompt | None
) -> str:
    """Return a keystore's passphrase from the first place that has one."""
    if passphrase_file:
        return read_passphrase(passphrase_file)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / CREDENTIAL).is_file():
        return _first_line(Path(folder) / CREDENTIAL)
    stored = _from_credential_store(address)
    if stored:
        return stored
    if prompt is None:
        raise KeyStoreError(
            f"nothing says the passphrase of {path}: name a file with --passphrase-file or "
            f"INFERNET_PASSPHRASE_FILE, or hand in the credential {CREDENTIAL}"
        )
    return prompt(f"Passphrase of {path.name}")


def read_passphrase(path: Path) -> str:
    """Return the first line of a passphrase file that only its owner can read."""
    passphrase = _first_line(path)
    if exposure := exposed(path):
        raise KeyStoreError(exposure)
    return passphrase


def exposed(path: Path) -> str | None:
    """Return what is wrong with the permissions of a secret file, None if nothing is."""
    if path.stat().st_mode & _OTHERS:
        return f"other users can read {path}; close it to them with `chmod 600 {path}`"
    return None


def _first_line(path: Path) -> str:
    lines = read_secret(path, "passphrase file").splitlines()
    if not lines or not lines[0]:
        raise KeyStoreError(f"{path} is empty; put the passphrase on its first line")
    return lines[0]


def _from_credential_store(address: str) -> str | None:
    """Return what the system's credential store keeps for an address, if the extra is installed."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(SERVICE, address.lower()) if address else None
    except KeyringError:
        # A machine without a desktop has no store; the next place is asked.
        return None


def address_in(content: str, path: Path) -> str:
    """Return the address that a keystore's text names, "" if none; raise KeyStoreError."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    found = found if isinstance(found, dict) else {}
    if not isinstance(found.get("crypto", found.get("Crypto")), dict):
        raise KeyStoreError(
            f"{path} is not an encrypted keystore; make one with `infernet miner init`, and never "
            "keep a bare key in a file"
        )
    address = str(found.get("address", "")).removeprefix("0x")
    return f"0x{address}" if address else ""


def read_secret(path: Path, what: str) -> str:
    """Return the text of a file, or raise KeyStoreError. `what`: how the error names it."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise KeyStoreError(f"the {what} {path} cannot be read: {reason}; name another") from None
