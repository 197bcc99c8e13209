"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a check ended. SKIPPED: it needs what an earlier one found missing."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result. `fix`: what to do about it, empty where nothing is wrong."""

    check: str
    outcome: Outcome
    detail: str
    fix: str = ""


def ok(check: str, detail: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Outcome.OK, detail)


def warning(check: str, detail: str, fix: str) -> Finding:
    """Return something that is better mended, though players run with it."""
    return Finding(check, Outcome.WARNING, detail, fix)


def failure(check: str, detail: str, fix: str) -> Finding:
    """Return something that keeps players from running, or costs them money."""
    return Finding(check, Outcome.FAILURE, detail, fix)


def skipped(check: str, needs: str) -> Finding:
    """Return that a check could not be made."""
    return Finding(check, Outcome.SKIPPED, f"needs {needs}")
