"""Errors of the command line itself."""

from __future__ import annotations

from typing import ClassVar


class DemoFailed(Exception):
    """Something that a demonstration promises did not happen."""

    exit_code: ClassVar[int] = 5
