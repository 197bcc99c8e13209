"""Errors of the store, split by consequence.

StoreError
├── StoreInUse        another process works with the account; stop one of the two
├── StoreUnwritable   nothing was recorded, so nothing may be sent; make room or mend the folder
├── StoreCorrupt      the file is damaged; what is on chain is not lost
└── StoreMismatch     the file is of another version, or of another chain or account
"""

from __future__ import annotations

from typing import ClassVar


class StoreError(Exception):
    """Root of everything that `infernet.store` raises. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 7


class StoreInUse(StoreError):
    """Another process holds the file's lock."""


class StoreUnwritable(StoreError):
    """The file cannot be opened, read or written: a full disk, a missing permission."""


class StoreCorrupt(StoreError):
    """The file is no database, or a damaged one."""


class StoreMismatch(StoreError):
    """The file holds what this program cannot use."""
