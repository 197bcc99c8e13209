"""The values of expressions of Solidity and its assembly, in one of the meanings of a word."""

# Methods carry the names of the kinds of nodes that they evaluate.
# ruff: noqa: N802

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import z3

from .algebra import Algebra, Integers, Term

Node = dict[str, Any]
Intrinsic = Callable[..., Term]

_YUL = {
    "add": ("+", False),
    "sub": ("-", False),
    "mul": ("*", False),
    "div": ("/", False),
    "sdiv": ("/", True),
    "mod": ("%", False),
    "smod": ("%", True),
    "and": ("&", False),
    "or": ("|", False),
    "xor": ("^", False),
    "lt": ("<", False),
    "gt": (">", False),
    "slt": ("<", True),
    "sgt": (">", True),
    "eq": ("==", False),
}
_COMPARISONS = {"<", ">", "<=", ">=", "==", "!="}


@dataclass(slots=True)
class Frame:
    """The variables of one call, under which condition it has ended, and under which reverted.

    Members of a struct are variables: `s.count`.
    """

    values: dict[str, Term]
    results: list[str]
    ended: Term = field(default_factory=lambda: z3.BoolVal(False))
    reverted: Term = field(default_factory=lambda: z3.BoolVal(False))
    is_checked: bool = True


@dataclass(slots=True)
class Evaluator(ABC):
    """What an expression needs to know of its contract."""

    tree: Node
    algebra: Algebra
    intrinsics: Mapping[str, Intrinsic] = field(default_factory=dict)
    constants: Mapping[str, int] = field(default_factory=dict)
    unroll: int = 64

    @abstractmethod
    def call(self, name: str, *arguments: Term) -> Term:
        """Return what a function returns, a tuple where it is more than one value."""

    @abstractmethod
    def _run(self, node: Node, frame: Frame, guard: Term) -> None:
        """Execute a statement under a condition."""

    def _function(self, name: str) -> Node:
        for node in self._members():
            if node["nodeType"] == "FunctionDefinition" and node["name"] == name:
                return node
        raise KeyError(f"no function {name}")

    def _members(self) -> list[Node]:
        (contract,) = (n for n in self.tree["nodes"] if n["nodeType"] == "ContractDefinition")
        members: list[Node] = contract["nodes"]
        return members

    def _value(self, node: Node, frame: Frame) -> Term:
        return getattr(self, "_value_" + node["nodeType"], unknown)(node, frame)

    def _value_Identifier(self, node: Node, frame: Frame) -> Term:
        name = node["name"]
        if name in frame.values:
            return frame.values[name]
        if name in self.constants:
            return self.algebra.number(self.constants[name])
        for member in self._members():
            if member["nodeType"] == "VariableDeclaration" and member["name"] == name:
                return self._value(member["value"], frame)
        raise NotImplementedError(f"name {name}")

    def _value_YulIdentifier(self, node: Node, frame: Frame) -> Term:
        value = self._value_Identifier(node, frame)
        return self._as_word(value) if z3.is_bool(value) else value

    def _value_Literal(self, node: Node, frame: Frame) -> Term:
        if node["kind"] == "bool":
            return z3.BoolVal(node["value"] == "true")
        return self.algebra.number(int(node["value"], 0))

    def _value_YulLiteral(self, node: Node, frame: Frame) -> Term:
        return self.algebra.number(int(node["value"], 0))

    def _value_TupleExpression(self, node: Node, frame: Frame) -> Term:
        found = tuple(self._value(part, frame) for part in node["components"])
        return found if len(found) != 1 else found[0]

    def _value_BinaryOperation(self, node: Node, frame: Frame) -> Term:
        operator = node["operator"]
        left = self._value(node["leftExpression"], frame)
        if operator in ("&&", "||"):
            reached = left if operator == "&&" else z3.Not(left)
            right = self._under(reached, node["rightExpression"], frame)
            return z3.And(left, right) if operator == "&&" else z3.Or(left, right)
        right = self._value(node["rightExpression"], frame)
        common = node["commonType"]["typeString"]
        signed = bool(re.match(r"int\d", common)) or is_signed(node["leftExpression"])
        kind = node["leftExpression"] if operator in ("<<", ">>") else node["commonType"]
        _require_whole_word(operator, kind.get("typeDescriptions", kind)["typeString"])
        return self._computed(operator, left, right, signed, frame)

    def _computed(self, operator: str, left: Term, right: Term, signed: bool, frame: Frame) -> Term:
        value = self.algebra.binary(operator, left, right, signed)
        if frame.is_checked and operator in ("+", "-", "*"):
            if not isinstance(self.algebra, Integers):
                raise NotImplementedError(f"{operator} that may revert")
            # It has to be shown that it does not.
            self.algebra.require(signed or value >= 0)
        return value

    def _under(self, condition: Term, node: Node, frame: Frame) -> Term:
        """Return the value of a part that is reached only where a condition holds."""
        guard = self.algebra.guard
        self.algebra.guard = z3.And(guard, condition)
        value = self._value(node, frame)
        self.algebra.guard = guard
        return value

    def _value_UnaryOperation(self, node: Node, frame: Frame) -> Term:
        value = self._value(node["subExpression"], frame)
        match node["operator"]:
            case "!":
                return z3.Not(value)
            case "-":
                return self.algebra.binary("-", self.algebra.number(0), value, True)
            case "~":
                return self.algebra.invert(value)
        raise NotImplementedError(f"operator {node['operator']}")

    def _value_Conditional(self, node: Node, frame: Frame) -> Term:
        condition = self._value(node["condition"], frame)
        one = self._under(condition, node["trueExpression"], frame)
        other = self._under(z3.Not(condition), node["falseExpression"], frame)
        return self.algebra.select(condition, one, other)

    def _value_MemberAccess(self, node: Node, frame: Frame) -> Term:
        inner = node["expression"]
        if inner["nodeType"] == "Identifier":
            name = f"{inner['name']}.{node['memberName']}"
            if name in self.constants:
                return self.algebra.number(self.constants[name])
            return frame.values[name]
        kind = re.fullmatch(r"type\((u?)int(\d+)\)", inner["typeDescriptions"]["typeString"])
        if kind is None:
            raise NotImplementedError(f"member {node['memberName']}")
        bits = int(kind[2]) - (kind[1] == "")
        if node["memberName"] == "max":
            return self.algebra.number((1 << bits) - 1)
        return self.algebra.number(0 if kind[1] else -(1 << bits))

    def _value_FunctionCall(self, node: Node, frame: Frame) -> Term:
        values = [self._value(argument, frame) for argument in node["arguments"]]
        if node["kind"] == "typeConversion":
            target = node["expression"]["typeName"]["name"]
            signed, bits = target.startswith("int"), int(target.lstrip("uint"))
            return self.algebra.convert(values[0], bits, signed)
        called = node["expression"]
        name = called["name"] if called["nodeType"] == "Identifier" else called["memberName"]
        if name in self.intrinsics:
            return self.intrinsics[name](*values)
        return self.call(name, *values)

    def _value_YulFunctionCall(self, node: Node, frame: Frame) -> Term:
        name = node["functionName"]["name"]
        values = [self._value(argument, frame) for argument in node["arguments"]]
        if name in self.intrinsics:
            return self.intrinsics[name](*values)
        if function := frame.values.get("function " + name):
            return self._call_yul(function, values, frame)
        match name:
            case "shl" | "shr" | "sar":
                operator = "<<" if name == "shl" else ">>"
                return self.algebra.binary(operator, values[1], values[0], name == "sar")
            case "not":
                return self.algebra.invert(values[0])
            case "iszero":
                return self._as_word(values[0] == self.algebra.number(0))
            case "signextend":
                return _sign_extend(*values)
            case "byte":
                return _byte(*values)
        operator, signed = _YUL[name]
        value = self.algebra.binary(operator, values[0], values[1], signed)
        return self._as_word(value) if operator in _COMPARISONS else value

    def _call_yul(self, function: Node, values: list[Term], outer: Frame) -> Term:
        (result,) = (variable["name"] for variable in function["returnVariables"])
        names = [parameter["name"] for parameter in function["parameters"]]
        inner = {
            name: value for name, value in outer.values.items() if name.startswith("function ")
        }
        inner.update(zip(names, values, strict=True))
        inner[result] = self.algebra.number(0)
        frame = Frame(inner, [])
        self._run(function["body"], frame, z3.BoolVal(True))
        return frame.values[result]

    def _as_word(self, condition: Term) -> Term:
        return self.algebra.select(condition, self.algebra.number(1), self.algebra.number(0))


def _sign_extend(size: Term, value: Term) -> Term:
    """Return a word's low `size + 1` bytes with their sign, as SIGNEXTEND does."""
    bits = z3.simplify(8 * (size + 1))
    if z3.is_bv_value(bits):
        length = bits.as_long()
        return z3.SignExt(256 - length, z3.Extract(length - 1, 0, value))
    places = 256 - bits
    return (value << places) >> places


def _byte(index: Term, value: Term) -> Term:
    """Return a word's byte `index` from the top; there are 32."""
    moved = z3.LShR(value, 8 * (31 - index)) & 0xFF
    return z3.If(z3.ULT(index, 32), moved, z3.BitVecVal(0, 256))


def _require_whole_word(operator: str, type_name: str) -> None:
    """Raise NotImplementedError where a result would wrap at fewer bits than a word has."""
    narrow = re.fullmatch(r"u?int(\d+)", type_name)
    if narrow and narrow[1] != "256" and operator in ("+", "-", "*", "<<"):
        raise NotImplementedError(f"{operator} of {type_name}")


def is_signed(node: Node) -> bool:
    return bool(re.match(r"int\d", node["typeDescriptions"]["typeString"]))


def unknown(node: Node, *_: Any) -> Term:
    raise NotImplementedError(f"{node['nodeType']} at {node['src']}")
