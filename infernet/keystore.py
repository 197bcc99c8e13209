"""Encrypted keystores: made and opened."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from .keys import KeyStoreError, Prompt, address_in, find_passphrase, read_secret

# Rounds of a passphrase's hash: four times those of the dearest form that wallets write. A damaged
# number would keep the program busy for years.
_MOST_ROUNDS = 1 << 23
_BLOCK_BYTES = 32


def create_keystore(path: Path, passphrase: str) -> str:
    """Write a fresh key, encrypted, readable by its owner alone, and return its address.

    Never replaces a file: that could be somebody's money.
    """
    account = Account.create()
    content = json.dumps(Account.encrypt(account.key, passphrase))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyStoreError(f"{path} exists already; a keystore is never overwritten") from None
    except OSError as error:
        raise KeyStoreError(f"{path} cannot be written: {error.strerror}; name another") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())
    return str(account.address)


def open_keystore(path: Path, passphrase_file: Path | None, prompt: Prompt | None) -> LocalAccount:
    """Return the account in a keystore, or raise KeyStoreError.

    `prompt`: asks a person; None where there is nobody to ask.
    """
    content = read_secret(path, "keystore")
    address = address_in(content, path)
    _require_few_rounds(content, path)
    passphrase = find_passphrase(path, address, passphrase_file, prompt)
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(content, passphrase))
        return account
    except ValueError as error:
        # The library names the fault; the passphrase and the key are not in its words.
        reason = "the passphrase is wrong" if "MAC" in str(error) else str(error)
    except (KeyError, TypeError, AttributeError, AssertionError, NotImplementedError):
        reason = "it is not a keystore"
    raise KeyStoreError(
        f"the keystore {path} does not open: {reason}; check the file and its passphrase"
    )


def _require_few_rounds(content: str, path: Path) -> None:
    """Raise KeyStoreError for a keystore that would take too long to open."""
    parameters = _member(_member(json.loads(content), "crypto"), "kdfparams")

    def number(name: str, otherwise: int) -> int:
        found = _member(parameters, name)
        return found if isinstance(found, int) else otherwise

    blocks = max(1, number("dklen", 0) // _BLOCK_BYTES)
    rounds = blocks * max(number("c", 0), math.prod(number(name, 1) for name in "nrp"))
    if rounds > _MOST_ROUNDS:
        raise KeyStoreError(
            f"the keystore {path} asks for {rounds} rounds of its passphrase's hash, and wallets "
            f"ask for {_MOST_ROUNDS} at most; it is damaged: restore a copy"
        )


def _member(value: object, name: str) -> object:
    """Return a member of JSON by its name in lower case, as the library looks for it."""
    members = value.items() if isinstance(value, dict) else ()
    return next((found for key, found in members if str(key).lower() == name), None)
