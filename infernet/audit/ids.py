"""Find what a shortened id means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import UnknownMatter

_SHORTENED = re.compile(r"0x[0-9a-fA-F]{6,64}")


def find_id(text: str, known: Iterable[bytes], what: str) -> bytes:
    """Return the one id that begins as `text` does, or raise UnknownMatter. `what`: it names."""
    if not _SHORTENED.fullmatch(text):
        raise UnknownMatter(
            f"'{text}' is not the id of a {what}; give 0x and at least 6 hexadecimal digits"
        )
    found = {each for each in known if each.hex().startswith(text[2:].lower())}
    if len(found) == 1:
        return found.pop()
    if not found:
        raise UnknownMatter(f"the contracts know no {what} {text}; check id and contracts")
    raise UnknownMatter(f"{len(found)} ids of a {what} begin with {text}; give more digits")
