"""Runs the shipped Python on symbols: whole numbers with Python's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import z3

from .algebra import Term

Divisions = Mapping[tuple[Term, Term], tuple[Term, Term]]


@dataclass(slots=True)
class Path:
    """One way through a function: the branches taken so far and what defines its quotients.

    `divisions`: quotient and rest of (dividend, divisor) that the hypotheses define already, for
    dividends that are not negative.
    """

    hypotheses: list[Term]
    script: list[bool]
    divisions: Divisions
    axioms: list[Term] = field(default_factory=list)
    taken: list[bool] = field(default_factory=list)

    def follows(self, claim: Term) -> bool:
        """Say whether a claim is certain on this path."""
        solver = z3.Solver()
        solver.set("timeout", 5_000)
        solver.add(*self.hypotheses, *self.axioms, z3.Not(claim))
        return solver.check() == z3.unsat

    def choose(self, condition: Term) -> bool:
        """Take the branch that is certain, else the one of the script, at first the true one."""
        if self.follows(condition):
            return True
        if self.follows(z3.Not(condition)):
            return False
        index = len(self.taken)
        branch = self.script[index] if index < len(self.script) else True
        self.taken.append(branch)
        self.hypotheses.append(condition if branch else z3.Not(condition))
        return branch


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison, which a branch decides."""

    term: Term
    path: Path

    def __bool__(self) -> bool:
        return self.path.choose(self.term)


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """A whole number. `//` and `%` floor; their divisor must be positive on the path."""

    term: Term
    path: Path

    def _of(self, term: Term) -> Symbol:
        return Symbol(term, self.path)

    def __add__(self, other: Any) -> Symbol:
        return self._of(self.term + plain(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Symbol:
        return self._of(self.term - plain(other))

    def __rsub__(self, other: Any) -> Symbol:
        return self._of(plain(other) - self.term)

    def __mul__(self, other: Any) -> Symbol:
        return self._of(self.term * plain(other))

    __rmul__ = __mul__

    def __neg__(self) -> Symbol:
        return self._of(-self.term)

    def __abs__(self) -> Symbol:
        return -self if self < 0 else self

    def __divmod__(self, other: Any) -> tuple[Symbol, Symbol]:
        divisor = plain(other)
        for (known, by), (quotient, rest) in self.path.divisions.items():
            is_known = _equal(known, self.term) and _equal(by, divisor)
            if is_known and self.path.follows(self.term >= 0):
                return self._of(quotient), self._of(rest)
        if not self.path.follows(z3.BoolVal(True) if divisor == 1 else divisor > 0):
            raise NotImplementedError("a divisor that may not be positive")
        count = len(self.path.axioms)
        quotient, rest = z3.Ints(f"floor{count} modulo{count}")
        axiom = z3.And(self.term == quotient * divisor + rest, rest >= 0, rest < divisor)
        self.path.axioms.append(axiom)
        return self._of(quotient), self._of(rest)

    def __floordiv__(self, other: Any) -> Symbol:
        return divmod(self, other)[0]

    def __mod__(self, other: Any) -> Symbol:
        return divmod(self, other)[1]

    def __eq__(self, other: object) -> Any:
        return Condition(self.term == plain(other), self.path)

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: Any) -> Condition:
        return Condition(self.term < plain(other), self.path)

    def __le__(self, other: Any) -> Condition:
        return Condition(self.term <= plain(other), self.path)

    def __gt__(self, other: Any) -> Condition:
        return Condition(self.term > plain(other), self.path)

    def __ge__(self, other: Any) -> Condition:
        return Condition(self.term >= plain(other), self.path)


def _equal(one: Term, other: Term) -> bool:
    difference = one - other
    return difference == 0 if isinstance(difference, int) else _is_zero(z3.simplify(difference))


def _is_zero(term: Term) -> bool:
    return z3.is_int_value(term) and term.as_long() == 0


def plain(value: Any) -> Term:
    """Return the term of a symbol, or a number as it is."""
    return value.term if isinstance(value, Symbol) else value


def paths(
    function: Callable[..., Any],
    hypotheses: Sequence[Term],
    *arguments: Any,
    divisions: Divisions | None = None,
) -> Iterator[tuple[list[Term], Any]]:
    """Yield, for every way through a function, what holds on it and what it returns.

    Arguments that are z3 terms become symbols.
    """
    scripts: list[list[bool]] = [[]]
    while scripts:
        path = Path(list(hypotheses), scripts.pop(), divisions or {})
        given = [Symbol(a, path) if z3.is_expr(a) else a for a in arguments]
        result = function(*given)
        for index in range(len(path.script), len(path.taken)):
            scripts.append([*path.taken[:index], not path.taken[index]])
        yield path.hypotheses + path.axioms, result
