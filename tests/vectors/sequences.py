"""Vectors of the operators of sequence models, and of chains of them that a backend may join."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .chains import chain_cases
from .folds import product_cases, reduce_cases
from .maps import map_cases
from .runs import run_cases
from .sheet import Case


def sequence_cases() -> Iterator[Case]:
    """Return every vector of these operators, in the published order."""
    rng = np.random.default_rng(31_415)
    yield from product_cases(rng)
    yield from reduce_cases(rng)
    yield from map_cases(rng)
    yield from run_cases(rng)
    yield from chain_cases(rng)
