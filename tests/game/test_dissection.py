"""Cuts, segments and the bound on dissections."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from bisection.dissection import (
    Dissection,
    cuts,
    part_count,
    segment_root,
    worst_dissections,
)
from bisection.errors import InvalidDissection
from bisection.keccak import keccak256
from interpreter.merkle import Hash
from interpreter.program import Step

ranges = st.tuples(st.integers(0, 1 << 50), st.integers(1, 1 << 50))
fan_outs = st.integers(2, 64)


def hashes(count: int) -> tuple[Hash, ...]:
    return tuple(Hash(bytes([i]) * 32) for i in range(count))


@given(ranges, fan_outs)
def test_cuts_cover_the_range_in_nearly_equal_parts(span: tuple[int, int], k: int) -> None:
    start, length = span
    steps = cuts(Step(start), Step(start + length), k)
    sizes = [b - a for a, b in pairwise(steps)]
    assert (steps[0], steps[-1]) == (start, start + length)
    assert len(sizes) == min(k, length) == part_count(length, k)
    assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 1
    assert max(sizes) == -(-length // len(sizes))


@given(st.integers(1, 1 << 62), fan_outs)
def test_bound_is_the_least_power_that_covers_the_steps(steps: int, k: int) -> None:
    count = worst_dissections(steps, k)
    assert k**count >= steps
    assert count == 0 or k ** (count - 1) < steps


def test_bound_for_the_sizes_that_matter() -> None:
    assert worst_dissections(33_000_000, 32) == 5
    assert worst_dissections(39_000_000, 32) == 6
    assert worst_dissections(540_000_000_000, 32) == 8


def test_segments_inherit_starts_and_dispute_ends() -> None:
    dissection = Dissection(Step(10), Step(17), hashes(4))
    assert [(s.start, s.end) for s in dissection.segments()] == [(10, 12), (12, 14), (14, 17)]
    assert [s.start_hash for s in dissection.segments()] == list(hashes(4)[:3])
    assert [s.end_hash for s in dissection.segments()] == list(hashes(4)[1:])
    assert dissection.steps == (10, 12, 14, 17)


@pytest.mark.parametrize("index", [-1, 3])
def test_segments_outside_the_dissection_are_refused(index: int) -> None:
    with pytest.raises(InvalidDissection, match="0 … 2"):
        Dissection(Step(10), Step(17), hashes(4)).segment(index)


@pytest.mark.parametrize(
    ("end", "values"),
    [(10, hashes(2)), (12, hashes(4)), (12, hashes(1)), (12, (*hashes(2), Hash(b"short")))],
)
def test_impossible_dissections_are_refused(end: int, values: tuple[Hash, ...]) -> None:
    with pytest.raises(InvalidDissection):
        Dissection(Step(10), Step(end), values)


@pytest.mark.parametrize(("length", "k"), [(0, 2), (5, 1)])
def test_impossible_cuts_are_refused(length: int, k: int) -> None:
    with pytest.raises(InvalidDissection):
        cuts(Step(0), Step(length), k)


@given(st.binary(max_size=600))
def test_keccak_equals_the_one_that_the_chain_libraries_use(data: bytes) -> None:
    assert keccak256(data) == keccak(data)


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 5, 7, 8, 31, 32, 33])
def test_every_segment_proves_against_the_commitment_and_no_other_does(parts: int) -> None:
    dissection = Dissection(Step(0), Step(1000), hashes(parts + 1))
    depth = (parts - 1).bit_length()
    for segment in dissection.segments():
        path = dissection.siblings(segment.index)
        assert len(path) == depth
        assert segment_root(segment, path) == dissection.commitment
        for changed in (
            replace(segment, end_hash=Hash(b"\xee" * 32)),
            replace(segment, start_hash=Hash(b"\xee" * 32)),
            replace(segment, index=segment.index ^ 1),
        ):
            differs = segment_root(changed, path) != dissection.commitment
            assert differs or (depth == 0 and changed.index != segment.index)


def test_commitment_of_three_parts_is_as_specified() -> None:
    h = hashes(4)
    leaves = [keccak(h[0] + h[1]), keccak(h[1] + h[2]), keccak(h[2] + h[3]), bytes(32)]
    root = keccak(keccak(leaves[0] + leaves[1]) + keccak(leaves[2] + leaves[3]))
    assert Dissection(Step(0), Step(7), h).commitment == root
