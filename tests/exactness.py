"""What tests of exact engines share."""

from __future__ import annotations

import numpy as np

from infernet.backend.engine import Engine


def tensors_of(engine: Engine, data: np.ndarray) -> dict[int, np.ndarray]:
    """Return every tensor of a run of one iteration, by the operator that stored it."""
    (exposed,) = engine.expose(data, 1, [0])
    return exposed.tensors
