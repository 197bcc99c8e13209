"""Settings for people to look at, secrets hidden."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from .load import Loaded, Origin, names

_UNITS = {"ether": Decimal(10**18), "gwei": Decimal(10**9)}


@dataclass(frozen=True, slots=True)
class Line:
    """One setting. `value`: fit for TOML and JSON, None if there is none."""

    name: str
    value: object
    unit: str
    origin: Origin
    variable: str
    help: str


def lines(loaded: Loaded) -> list[Line]:
    """Return every setting with its origin; what may hold a key is masked."""
    found = []
    for name in names():
        value = getattr(getattr(loaded.config, name.table), name.key)
        if value is not None and name.setting.mask:
            value = name.setting.mask(value)
        found.append(
            Line(
                str(name),
                _plain(value, name.setting.unit),
                name.setting.unit,
                loaded.origins[str(name)],
                name.variable,
                name.setting.help,
            )
        )
    return found


def _plain(value: object, unit: str) -> object:
    if unit and isinstance(value, int):
        return f"{(Decimal(value) / _UNITS[unit]).normalize():f}"
    if isinstance(value, Fraction | Path):
        return str(float(value)) if isinstance(value, Fraction) else str(value)
    return list(value) if isinstance(value, tuple) else value
