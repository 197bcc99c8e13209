"""Rounded division: `ElementLib.divideRounded`, `MapProver._add` and their twins."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from interpreter.operators.grid import divided

from .algebra import Integers
from .solidity import Contract, Node
from .symbols import paths
from .theorem import Goal, Mutant, Theorem, obligations

LIMIT = 1 << 254


def _rounds(tree: Node) -> Iterator[Goal]:
    n, d = z3.Ints("n d")
    given = [n > -LIMIT, n < LIMIT, d >= 1, d < LIMIT]
    algebra = Integers()
    quotient = Contract(tree, algebra).call("divideRounded", n, d)
    yield obligations(algebra, given)
    given += algebra.axioms
    # q is the floor of x / d if and only if q·d <= x < (q + 1)·d.
    dividend = n + d / 2
    claim = z3.And(quotient * d <= dividend, dividend < (quotient + 1) * d)
    yield Goal("is the floor of (n + floor(d / 2)) / d", given, claim)
    for given_here, found in paths(divided, given, n, d):
        yield Goal("interpreter/operators/grid.py, divided", given_here, found.term == quotient)


THEOREMS = (
    Theorem(
        "division",
        "divideRounded(n, d) = floor((n + floor(d/2)) / d), with no overflow on the way",
        "|n| < 2^254, 1 <= d < 2^254",
        "libraries/ElementLib.sol",
        _rounds,
        (
            Mutant("n := add(n, shr(1, d))", "n := add(n, shr(2, d))"),
            Mutant(
                "quotient := sub(quotient, slt(smod(n, d), 0))",
                "quotient := sub(quotient, slt(n, 0))",
            ),
        ),
    ),
)
