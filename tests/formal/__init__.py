"""Theorems about the arithmetic of the shipped contracts (docs/security/formal.md)."""

from . import dissection, division, dot, elements, location, requantise, root, trees

THEOREMS = (
    *division.THEOREMS,
    *root.THEOREMS,
    *requantise.THEOREMS,
    *dot.THEOREMS,
    *elements.THEOREMS,
    *dissection.THEOREMS,
    *location.THEOREMS,
    *trees.THEOREMS,
)
