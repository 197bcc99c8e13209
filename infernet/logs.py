"""Structured logs in which no secret can appear.

Event names are constants; ids are bound as values. WARNING: an operator may act. ERROR: money or
correctness is at stake.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("console", "json")

_HIDDEN = "***"
_SECRET_NAMES = frozenset(
    {"key", "private_key", "passphrase", "password", "secret", "mnemonic", "seed", "salt", "token"}
)
_SHORTEST_SECRET = 6


class Redactor:
    """Blots out values by name, and every known secret wherever it appears."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def learn(self, secret: str) -> None:
        """Never let a text appear in a log from now on; very short ones would blot out too much."""
        if len(secret) >= _SHORTEST_SECRET and secret not in self._secrets:
            self._secrets = (*self._secrets, secret)

    def __call__(
        self, logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {
            name: _HIDDEN if name in _SECRET_NAMES else self._clean(value)
            for name, value in event.items()
        }

    def _clean(self, value: Any) -> Any:
        if isinstance(value, bytes):
            value = f"0x{value.hex()}"
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, _HIDDEN)
            return value
        if isinstance(value, int | float | bool | None):
            return value
        return self._clean(str(value))


redactor = Redactor()


def set_up(level: str = "info", format_: str | None = None) -> None:
    """Send logs to the standard error; `format_`: default: JSON unless a person looks on.

    What libraries log goes the same way, from WARNING on.
    """
    chosen = format_ or ("console" if sys.stderr.isatty() else "json")
    steps: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # Without local variables: those may hold keys.
        structlog.processors.format_exc_info,
        redactor,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if chosen == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*steps, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=steps,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
