"""Two meanings of a Solidity word: 256 bits that wrap, and a whole number that must not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import z3

BITS = 256
# A z3 term, or a Python integer where the value is known.
Term = Any


def is_true(condition: Term) -> bool:
    """Say whether a condition simplifies to true."""
    return z3.is_true(z3.simplify(condition)) if z3.is_expr(condition) else bool(condition)


def is_false(condition: Term) -> bool:
    """Say whether a condition simplifies to false."""
    return z3.is_false(z3.simplify(condition)) if z3.is_expr(condition) else not condition


class Algebra(ABC):
    """What must hold so that a meaning is that of the EVM is collected as obligations.

    `guard`: the condition of the path that is being executed.
    """

    def __init__(self) -> None:
        self.guard: Term = z3.BoolVal(True)
        self.obligations: list[Term] = []
        self.axioms: list[Term] = []

    def require(self, *conditions: Term) -> None:
        """Add conditions that must hold on the path that is being executed."""
        self.obligations += [z3.Implies(self.guard, condition) for condition in conditions]

    @abstractmethod
    def number(self, value: int) -> Term:
        """Return a constant."""

    @abstractmethod
    def select(self, condition: Term, one: Term, other: Term) -> Term:
        """Return one value where a condition holds, else the other."""

    @abstractmethod
    def binary(self, operator: str, x: Term, y: Term, signed: bool) -> Term:
        """Return `x operator y`; the operators are Solidity's."""

    @abstractmethod
    def invert(self, x: Term) -> Term:
        """Return all bits of `x` flipped."""

    @abstractmethod
    def convert(self, x: Term, bits: int, signed: bool) -> Term:
        """Return `x` as a value of a type of so many bits."""


class Words(Algebra):
    """Bit vectors of 256 bits: exactly what the EVM computes, division by zero apart."""

    def number(self, value: int) -> Term:
        return z3.BitVecVal(value, BITS)

    def select(self, condition: Term, one: Term, other: Term) -> Term:
        return z3.If(condition, one, other)

    def binary(self, operator: str, x: Term, y: Term, signed: bool) -> Term:
        """Return `x operator y`; the operators are Solidity's."""
        match operator:
            case "+":
                return x + y
            case "-":
                return x - y
            case "*":
                return x * y
            case "/":
                self.require(y != 0)
                return x / y if signed else z3.UDiv(x, y)
            case "%":
                self.require(y != 0)
                return z3.SRem(x, y) if signed else z3.URem(x, y)
            case "<<":
                return x << y
            case ">>":
                return x >> y if signed else z3.LShR(x, y)
            case "&":
                return x & y
            case "|":
                return x | y
            case "^":
                return x ^ y
        return self._compare(operator, x, y, signed)

    def _compare(self, operator: str, x: Term, y: Term, signed: bool) -> Term:
        match operator:
            case "==":
                return x == y
            case "!=":
                return x != y
            case "<":
                return x < y if signed else z3.ULT(x, y)
            case ">":
                return x > y if signed else z3.UGT(x, y)
            case "<=":
                return x <= y if signed else z3.ULE(x, y)
            case ">=":
                return x >= y if signed else z3.UGE(x, y)
        raise NotImplementedError(f"operator {operator}")

    def invert(self, x: Term) -> Term:
        return ~x

    def convert(self, x: Term, bits: int, signed: bool) -> Term:
        """Return `x` cut to a type of that many bits."""
        if bits == BITS:
            return x
        low = z3.Extract(bits - 1, 0, x)
        return z3.SignExt(BITS - bits, low) if signed else z3.ZeroExt(BITS - bits, low)


class Integers(Algebra):
    """Whole numbers. Each result must lie in [-2**255, 2**255), which joins the obligations.

    Where the obligations hold, the numbers are what the EVM computes. A quotient and a remainder
    are fresh numbers with the axioms that define them, so that `n = q·d + r` has one product.
    `divisions`: quotient and rest of (dividend, divisor) that the hypotheses define already.
    """

    def __init__(
        self, divisions: Mapping[tuple[Term, Term], tuple[Term, Term]] | None = None
    ) -> None:
        super().__init__()
        self.divisions = dict(divisions or {})
        self._found: dict[tuple[str, str, bool], tuple[Term, Term]] = {
            (str(n), str(d), False): found for (n, d), found in self.divisions.items()
        }

    def number(self, value: int) -> Term:
        return value

    def select(self, condition: Term, one: Term, other: Term) -> Term:
        return (
            z3.If(condition, one, other) if z3.is_expr(condition) else one if condition else other
        )

    def binary(self, operator: str, x: Term, y: Term, signed: bool) -> Term:
        """Return `x operator y`; the operators are Solidity's."""
        match operator:
            case "+":
                return self._bounded(x + y)
            case "-":
                return self._bounded(x - y)
            case "*":
                return self._bounded(x * y)
            case "/":
                return self._divide(x, y, signed)[0]
            case "%":
                return self._divide(x, y, signed)[1]
            case "<<" if isinstance(y, int):
                return self._bounded(x * (1 << y))
            case ">>" if isinstance(y, int):
                return self._divide(x, 1 << y, False)[0]
            case "&" if isinstance(x, int) and isinstance(y, int):
                return x & y
            # A mask of low bits takes a remainder, its inverse (a negative number) takes it off.
            case "&" if isinstance(y, int) and y > 0 and y & (y + 1) == 0:
                return self._divide(x, y + 1, False)[1]
            case "&" if isinstance(y, int) and y < 0 and -y & (-y - 1) == 0:
                return x - self._divide(x, -y, False)[1]
            case "|" if isinstance(x, int) and isinstance(y, int):
                return x | y
        if not signed and operator in ("<", ">", "<=", ">="):
            self.require(x >= 0, y >= 0)
        return self._compare(operator, x, y)

    def _compare(self, operator: str, x: Term, y: Term) -> Term:
        match operator:
            case "==":
                return x == y
            case "!=":
                return x != y
            case "<":
                return x < y
            case ">":
                return x > y
            case "<=":
                return x <= y
            case ">=":
                return x >= y
        raise NotImplementedError(f"operator {operator} on whole numbers")

    def invert(self, x: Term) -> Term:
        if isinstance(x, int):
            return ~x
        raise NotImplementedError("bits of a whole number")

    def convert(self, x: Term, bits: int, signed: bool) -> Term:
        """Return `x`, which must lie in the type's range."""
        low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << min(bits, 255))
        self.require(x >= low, x < high)
        return x

    def _bounded(self, x: Term) -> Term:
        self.require(x >= -(1 << 255), x < 1 << 255)
        return x

    def _divide(self, n: Term, d: Term, signed: bool) -> tuple[Term, Term]:
        if isinstance(n, int) and isinstance(d, int) and n >= 0 < d:
            return divmod(n, d)
        self.require(d > 0)
        if not signed:
            self.require(n >= 0)
        key = (str(n), str(d), signed)
        if key not in self._found:
            count = len(self._found)
            quotient, rest = z3.Ints(f"quotient{count} rest{count}")
            self._found[key] = self.divisions[n, d] = (quotient, rest)
            # Truncation: the remainder has the sign of the dividend. Divisors are positive.
            towards_zero = z3.If(n >= 0, z3.And(rest >= 0, rest < d), z3.And(-d < rest, rest <= 0))
            self.axioms.append(z3.Implies(d > 0, z3.And(n == quotient * d + rest, towards_zero)))
        return self._found[key]
