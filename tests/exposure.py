"""Comparison of a fast engine with the reference, tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from infernet.backend.engine import Engine, ReferenceEngine


def require_every_tensor(
    engine: Engine, data: np.ndarray, iterations: int, wanted: Sequence[int] | None = None
) -> None:
    """Compare a run, and every tensor of its wanted iterations (none: all), with the reference."""
    reference = ReferenceEngine(engine.program)
    expected, found = reference.run(data, iterations), engine.run(data, iterations)
    assert np.array_equal(found.output, expected.output)
    assert found.halted == expected.halted
    require_same_inside(engine, data, iterations, range(iterations) if wanted is None else wanted)


def require_same_inside(
    engine: Engine, data: np.ndarray, iterations: int, wanted: Sequence[int]
) -> None:
    """Compare the tensors of the wanted iterations, which ascend, and what was kept before each."""
    shown = ReferenceEngine(engine.program).expose(data, iterations, wanted)
    both = zip(shown, engine.expose(data, iterations, wanted), strict=True)
    for at, (expected, found) in zip(wanted, both, strict=False):
        assert found.tensors.keys() == expected.tensors.keys(), at
        assert found.kept.keys() == expected.kept.keys(), at
        for index, tensor in expected.tensors.items():
            name = engine.program.operators[index].opcode.name
            assert np.array_equal(found.tensors[index], tensor), f"{at}: operator {index} ({name})"
        for slot, tensor in expected.kept.items():
            assert np.array_equal(found.kept[slot], tensor), f"{at}: slot {slot}"
