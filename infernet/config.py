"""Settings of the command line from the environment; a flag beats them.

INFERNET_RPC_URL        the node to use
INFERNET_PASSWORD_FILE  a file whose first line opens the keystore
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


class ConfigError(Exception):
    """A setting cannot be used; the message names it and says what to do."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; None where it says nothing."""

    rpc_url: str | None
    password_file: Path | None

    @classmethod
    def load(cls) -> Settings:
        """Return the settings of this process's environment."""
        password_file = os.environ.get("INFERNET_PASSWORD_FILE")
        return cls(
            os.environ.get("INFERNET_RPC_URL") or None,
            Path(password_file) if password_file else None,
        )


def reason_of(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file cannot be read, without its path."""
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not text"


def read_password(path: Path) -> str:
    """Return the first line of a password file, or raise ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the password file {path} cannot be read: {reason_of(error)}; name another"
        ) from None
    if not lines or not lines[0]:
        raise ConfigError(f"the password file {path} is empty; put the password on its first line")
    return lines[0]
