"""All theorems, in the order in which they are proven and listed."""

from __future__ import annotations

from . import (
    dissection,
    division,
    dot,
    elements,
    location,
    requantise,
    root,
    scaling,
    trees,
)

THEOREMS = (
    *division.THEOREMS,
    *scaling.THEOREMS,
    *root.THEOREMS,
    *requantise.THEOREMS,
    *dot.THEOREMS,
    *elements.THEOREMS,
    *dissection.THEOREMS,
    *location.THEOREMS,
    *trees.THEOREMS,
)
