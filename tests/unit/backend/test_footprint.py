"""What a run takes of memory: figures by hand, and what a few steps can ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from infernet.backend import footprint
from infernet.backend.footprint import machine_bytes, run_bytes
from interpreter.operators import Copy
from interpreter.program import Program
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder

ONE = (1, 1, 1, 1)
STILL = (0, 0, 0, 1)


def few_steps(count: int, stores: int) -> Program:
    """Return a program that stores single elements in a tensor of so many, one by one."""
    builder = ProgramBuilder(TensorType(DType.I64, 1))
    big = builder.begin(TensorType(DType.I64, count))
    for place in range(stores):
        builder.add(Copy(big, 0, DType.I64, 1, count, ONE, 0, STILL, place, STILL, 0, 0))
    out = builder.begin(TensorType(DType.I64, 1))
    builder.add(Copy(out, big, DType.I64, count, 1, ONE, 0, STILL, 0, STILL, 0, 0))
    builder.free(big)
    return builder.finish(out)


def test_a_run_takes_what_lives_at_once_and_a_copy_of_each_store() -> None:
    # Input, tensor and output live together; each store into the tensor, and the output's, is kept.
    assert run_bytes(few_steps(1_000, 3)) == (8 + 8_000 + 8) + (3 * 8_000 + 8)


def test_of_large_stores_a_dispute_keeps_a_bounded_part_at_once() -> None:
    assert run_bytes(few_steps(1 << 23, 40)) == (1 << 26) + 16 + (1 << 29)


def test_few_steps_can_take_any_amount() -> None:
    program = few_steps(1 << 32, 2)
    assert program.header.steps_per_iteration < 12
    assert run_bytes(program) > 100 * 10**9


def test_a_containers_limit_counts_where_it_is_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, lifted = tmp_path / "memory.max", tmp_path / "lifted"
    monkeypatch.setattr(footprint, "_LIMITS", (str(tmp_path / "none"), str(lifted)))
    lifted.write_text("max\n")
    physical = machine_bytes()
    assert physical > 1 << 28
    limit.write_text("1000000\n")
    monkeypatch.setattr(footprint, "_LIMITS", (str(limit),))
    assert machine_bytes() == 1_000_000
