"""Every decoder refuses hostile bytes in its documented way (docs/security/fuzzing.md)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from random import Random

import pytest

from .harness import Disagreement, Harness, tried
from .kept import kept_inputs
from .table import HARNESSES


def mutated(harness: Harness, count: int) -> Iterator[bytes]:
    """Yield inputs that differ from a seed, the same ones in every run."""
    rng, seeds = Random(zlib.crc32(harness.name.encode())), list(harness.seeds())
    for _ in range(count):
        yield harness.mutate(rng.choice(seeds), rng)


@pytest.mark.parametrize("name", HARNESSES)
def test_real_objects_are_taken(name: str) -> None:
    seeds = HARNESSES[name].seeds()
    assert seeds
    for seed in seeds:
        HARNESSES[name].call(seed)


@pytest.mark.parametrize("name", HARNESSES)
def test_what_failed_once_fails_no_more(name: str) -> None:
    found = [(what, tried(HARNESSES[name], data).failure) for what, data in kept_inputs(name)]
    assert not [each for each in found if each[1]]


@pytest.mark.parametrize("name", HARNESSES)
def test_hostile_bytes_are_refused_in_the_documented_way(name: str) -> None:
    harness, refused = HARNESSES[name], 0
    for data in mutated(harness, harness.tries):
        found = tried(harness, data)
        assert not found.failure, f"{found.failure}; the input: {data[:2_000]!r}"
        refused += found.is_refused
    assert refused


def taken(data: bytes) -> None:
    """Stand for a decoder with every fault that a harness looks for."""
    match data:
        case b"refuse":
            raise ValueError
        case b"crash":
            raise KeyError("a name")
        case b"disagree":
            raise Disagreement("encoded otherwise")
        case b"hang":
            sum(range(10**7))
        case b"grow":
            bytearray(700 << 20)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"refuse", ""),
        (b"fine", ""),
        (b"crash", "KeyError at "),
        (b"disagree", "Disagreement at "),
        (b"hang", "slow: "),
        (b"grow", "memory: "),
    ],
)
def test_a_harness_tells_each_kind_of_failure(data: bytes, what: str) -> None:
    harness = Harness("none", lambda: [b"fine"], taken, (ValueError,))
    found = tried(harness, data, most_seconds=0.05 if data == b"hang" else 3.0)
    assert found.failure.startswith(what) and bool(found.failure) == bool(what)
    assert found.is_refused == (data == b"refuse")
