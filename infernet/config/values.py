"""What a setting's value may be: from TOML, or as text from the environment or a flag.

Each reader returns the value or raises ValueError with what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_WEI = 10**18
# More digits than any setting has; arithmetic with powers of ten far beyond would not end.
_MAX_DIGITS = 60
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def switch(value: object) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    text = str(value).lower() if isinstance(value, str) else ""
    if text not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return text in _TRUE


def text(value: object) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text in quotes")
    return value.strip()


def texts(value: object) -> tuple[str, ...]:
    """Read a list of texts; one text may hold several, with commas between."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError('a list of texts, such as ["a", "b"]')
    return tuple(map(text, value))


def urls(value: object) -> tuple[str, ...]:
    """Read one URL or several."""
    found = texts(value)
    if not all(map(_is_web_address, found)):
        raise ValueError('http(s) URLs of nodes, such as "http://127.0.0.1:8545"')
    return found


def gateways(value: object) -> tuple[str, ...]:
    """Read URLs of gateways, each once and without a slash at its end."""
    found = tuple(each.rstrip("/") for each in texts(value))
    if not all(map(_is_bare_address, found)) or len(set(found)) != len(found):
        raise ValueError(
            'different http(s) URLs of gateways, such as "https://gateway.example", without user, '
            "query or fragment"
        )
    return found


def networks(value: object) -> tuple[str, ...]:
    """Read addresses and networks of IP."""
    try:
        return tuple(str(ip_network(each)) for each in texts(value))
    except ValueError:
        raise ValueError('addresses or networks, such as ["127.0.0.1", "10.0.0.0/8"]') from None


def web_address(value: object) -> str:
    """Read one http(s) URL."""
    found = text(value)
    if not _is_web_address(found):
        raise ValueError('one http(s) URL, such as "https://example.org/hook"')
    return found


def redis_address(value: object) -> str:
    """Read the URL of a Redis server."""
    found = text(value)
    if not _is_address(found, "redis", "rediss", "unix"):
        raise ValueError('a Redis URL, such as "redis://127.0.0.1:6379/0"')
    return found


def path(value: object) -> Path:
    """Read a path; `~` is the home folder."""
    found = text(value)
    if "\0" in found:
        raise ValueError("a path, without the character 0")
    try:
        return Path(found).expanduser()
    except RuntimeError:
        raise ValueError("a path; the home folder of that user is not known") from None


def count(most: int) -> Callable[[object], int]:
    """Return a reader of a whole number, from one to so many."""

    def read(value: object) -> int:
        found = _whole(value)
        if found is None or not 1 <= found <= most:
            raise ValueError(f"a whole number, 1 to {most}")
        return found

    return read


def whole(most: int) -> Callable[[object], int]:
    """Return a reader of a whole number, from zero to so many."""

    def read(value: object) -> int:
        found = _whole(value)
        if found is None or found > most:
            raise ValueError(f"a whole number, 0 to {most}")
        return found

    return read


def port(value: object) -> int:
    """Read a TCP port."""
    found = _whole(value)
    if found is None or not 1 <= found <= 65_535:
        raise ValueError("a port, 1 to 65535")
    return found


def seconds(value: object) -> float:
    """Read a time in seconds, above zero."""
    found = _decimal(value)
    if found is None or not 0 < found <= 3_600:
        raise ValueError("seconds, above 0 and at most 3600")
    return float(found)


def share(value: object) -> Fraction:
    """Read a share, 0 to 1; `50%` is one half."""
    if isinstance(value, str) and value.endswith("%"):
        found = _decimal(value[:-1])
        found = None if found is None else found / 100
    else:
        found = _decimal(value)
    if found is None or not 0 <= found <= 1:
        raise ValueError("a share, 0 to 1 or 0% to 100%")
    return Fraction(found)


def ether(value: object) -> int:
    """Read an amount of whole ether, zero or more, and return wei, exactly."""
    found = signed_ether(value)
    if found < 0:
        raise ValueError("an amount of ether, 0 or more")
    return found


def signed_ether(value: object) -> int:
    """Read an amount of whole ether and return wei, exactly."""
    amount = _decimal(value)
    if amount is None or abs(amount) > 10**12:
        raise ValueError("an amount of ether, such as 100 or 1.5")
    wei = amount * _WEI
    if wei != int(wei):
        raise ValueError("an amount of ether with at most 18 decimals")
    return int(wei)


def gwei(value: object) -> int:
    """Read a price in gwei, above zero, and return wei."""
    amount = _decimal(value)
    if amount is None or not 1 <= amount * 10**9 <= 10**18:
        raise ValueError("a price in gwei, above 0")
    return int(amount * 10**9)


def one_of(*names: str) -> Callable[[object], str]:
    """Return a reader of one of a few words."""

    def read(value: object) -> str:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return str(value)

    return read


def masked_url(url: str) -> str:
    """Return a URL without what may hold a key: user, password, path and query."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    place = f"{host}:{parts.port}" if parts.port else host
    user = "***@" if parts.username or parts.password else ""
    rest = "/***" if parts.path.strip("/") or parts.query else ""
    return urlunsplit((parts.scheme, f"{user}{place}", rest, "", ""))


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | float | Decimal):
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found.adjusted()) <= _MAX_DIGITS else None


def _whole(value: object) -> int | None:
    """Return a whole number, zero or more, None for anything else."""
    if isinstance(value, str) and re.fullmatch(rf"[0-9][0-9_]{{0,{_MAX_DIGITS}}}", value):
        value = int(value.replace("_", ""))
    return None if isinstance(value, bool) or not isinstance(value, int) or value < 0 else value


def _is_web_address(url: str) -> bool:
    return _is_address(url, "http", "https") and bool(urlsplit(url).netloc)


def _is_bare_address(url: str) -> bool:
    if not _is_web_address(url):
        return False
    parts = urlsplit(url)
    return bool(parts.hostname) and not ("@" in parts.netloc or "?" in url or "#" in url)


def _is_address(url: str, *schemes: str) -> bool:
    """Return whether a URL can be taken apart and has one of these schemes."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and parts.port != 0
    except ValueError:
        return False
