"""Times as people write and read them; all of them are the chain's."""

from __future__ import annotations

import re
import time

from infernet.chain.records import Seconds
from infernet.config import ConfigError

from .status_view import duration

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WRITTEN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_MOST_SECONDS = 365 * _UNITS["d"]


def read_duration(text: str, option: str) -> Seconds:
    """Return the seconds in `2h`, `1h30m`, `2d` or `7200`, at most a year, or raise ConfigError."""
    found = _WRITTEN.fullmatch(text)
    parts = found.groups(default="0") if found else ()
    seconds = sum(int(part) * unit for part, unit in zip(parts, _UNITS.values(), strict=False))
    if not 0 < seconds <= _MOST_SECONDS:
        raise ConfigError(
            f"{option} is '{text}'; give a time of at most a year, such as 2h, 1h30m, 2d or 7200 "
            "(seconds)"
        )
    return Seconds(seconds)


def moment(at: int, now: int) -> str:
    """Return a time of day and how far it is from now."""
    return f"{utc(at)}, {distance(at, now)}"


def utc(at: int) -> str:
    """Return a time as date and time of day."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def distance(at: int, now: int) -> str:
    """Return how far a time is ahead or back, in hours, minutes and seconds."""
    return f"in {duration(at - now)}" if at >= now else f"{duration(now - at)} ago"
