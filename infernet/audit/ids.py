"""Find what a shortened id means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .errors import UnknownMatter

_SHORTENED = re.compile(r"0x[0-9a-fA-F]{6,64}")
_FEWEST_DIGITS = 8
_MOST_CANDIDATES = 5


def find_id(text: str, known: Iterable[bytes], what: str) -> bytes:
    """Return the one id that begins as `text` does, or raise UnknownMatter with candidates.

    `known`: all there are, oldest first; `what`: they name.
    """
    if not _SHORTENED.fullmatch(text):
        raise UnknownMatter(
            f"'{text}' is not the id of a {what}; give 0x and at least 6 hexadecimal digits"
        )
    everything = list(dict.fromkeys(known))
    found = [each for each in everything if each.hex().startswith(text[2:].lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownMatter(
            f"{len(found)} ids of a {what} begin with {text}: {_listed(found)}; give more digits"
        )
    if not everything:
        raise UnknownMatter(f"the contracts know no {what} yet; check contracts and chain")
    latest = everything[: -_MOST_CANDIDATES - 1 : -1]
    raise UnknownMatter(
        f"the contracts know no {what} {text}; the latest: {_listed(latest)}; "
        "check id and contracts"
    )


def _listed(ids: Sequence[bytes]) -> str:
    """Return the first ids, each with as many digits as tell it from all the others."""
    digits = _FEWEST_DIGITS
    while len({each.hex()[:digits] for each in ids}) < len(ids):
        digits += 1
    shown = ", ".join(f"0x{each.hex()[:digits]}" for each in ids[:_MOST_CANDIDATES])
    rest = len(ids) - _MOST_CANDIDATES
    return f"{shown} and {rest} more" if rest > 0 else shown
