"""Errors of settings.

ConfigError   a setting cannot be used; the message names it and says what to do
"""

from __future__ import annotations

from typing import ClassVar


class ConfigError(Exception):
    """A setting cannot be used. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 2
