"""What folders of models say of themselves in JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidSource


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, or raise InvalidSource."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidSource(f"{path} cannot be read: {error}; download it again") from None
    if not isinstance(found, dict):
        raise InvalidSource(f"{path} is not a JSON object; download it again")
    return found


def whole(config: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """Return a positive whole number of config.json, or raise InvalidSource."""
    value = default if config.get(name) is None else config[name]
    # True is an int, and no size.
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidSource(f"config.json: '{name}' is {value!r}, not a positive number")
    return value


def real(config: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """Return a finite number of config.json that is not negative, or raise InvalidSource."""
    value: Any = default if config.get(name) is None else config[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # A whole number may pass what a real one holds.
    if not is_number or not 0 <= value <= sys.float_info.max:
        raise InvalidSource(f"config.json: '{name}' is {value!r}, not a number of at least 0")
    return float(value)
