"""Inputs made of other inputs, without a coverage-guided engine: a seeded source of chance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Mutate = Callable[[bytes, Random], bytes]

MOST_BYTES = 1 << 16
_EDGES = (0, 1, 2, 7, 8, 31, 127, 128, 255, 256, 65_535, 1 << 16, (1 << 31) - 1, 1 << 31)
_WIDE_EDGES = ((1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_TEXTS = (
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 400,
    b"null",
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "\u0661\u00e9\u2028".encode(),
    b'"\\ud800"',
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    0.5,
    1e308,
    float("inf"),
    float("nan"),
    2**31,
    2**63,
    2**64,
    2**256,
    -(2**63),
    10**400,
    "",
    "0x",
    "0x" + "ab" * 20,
    "0x" + "5a" * 32,
    "-1",
    "\ud800",
    "\u0661",
    "é" * 300,
    [],
    {},
    [[]],
    [None],
    {"": 0},
    [0] * 100,
)


def of_bytes(data: bytes, rng: Random) -> bytes:
    """Return bytes that differ in a few places."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice(_EDITS)(changed, rng)
    return bytes(changed[:MOST_BYTES])


def of_json(data: bytes, rng: Random) -> bytes:
    """Return JSON with a value replaced, doubled, moved or left out; sometimes of_bytes."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return of_bytes(data, rng)
    places = list(_places(content))
    if not places or rng.random() < 0.25:
        return of_bytes(data, rng)
    for _ in range(rng.choice((1, 1, 2))):
        holder, key = rng.choice(places)
        if not (isinstance(holder, list) and key >= len(holder)):
            _edit(holder, key, rng, places)
    try:
        text = json.dumps(content)
    except (ValueError, RecursionError):
        return of_bytes(data, rng)
    return text.encode()[:MOST_BYTES]


def behind_first(mutate: Mutate) -> Mutate:
    """Return what changes all but the first byte, which chooses between forms."""
    return lambda data, rng: data[:1] + mutate(data[1:], rng)


def _edit(holder: Any, key: Any, rng: Random, places: list[tuple[Any, Any]]) -> None:
    if isinstance(holder, dict) and key not in holder:
        return
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1:
            other, name = rng.choice(places)
            if other is not holder and (not isinstance(other, list) or name < len(other)):
                holder[key] = other.get(name) if isinstance(other, dict) else other[name]
        case 2 if isinstance(holder, dict):
            holder[rng.choice(("", "x", "__class__", "\ud800"))] = holder[key]
        case 3:
            holder[key] = [holder[key]]
        case 4 if isinstance(holder[key], int):
            holder[key] += rng.choice((-1, 1, 2**32))
        case _:
            holder[key] = rng.choice(_VALUES)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each list or object with each of its places."""
    keys: Any = ()
    if isinstance(content, dict):
        keys = list(content)
    elif isinstance(content, list):
        keys = range(min(len(content), 20))
    for key in keys:
        yield content, key
        yield from _places(content[key])


def _flip(data: bytearray, rng: Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: Random) -> None:
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    value = rng.choice(_EDGES + _WIDE_EDGES) + rng.choice((-1, 0, 0, 1))
    at = rng.randrange(len(data) + 1)
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)  # type: ignore[arg-type]


def _cut(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 4, 32, 240, len(data)))]


def _repeat(data: bytearray, rng: Random) -> None:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 4, 32, 240))
    data[at:at] = data[at : at + size]


def _move(data: bytearray, rng: Random) -> None:
    at, to, size = (rng.randrange(len(data) + 1) for _ in range(3))
    data[to : to + size % 64] = data[at : at + size % 64]


def _insert(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data) + 1)
    given = rng.choice(_TEXTS) if rng.random() < 0.5 else rng.randbytes(rng.choice((1, 8, 32)))
    data[at:at] = given


_EDITS = (_flip, _flip, _overwrite, _overwrite, _cut, _repeat, _move, _insert)
