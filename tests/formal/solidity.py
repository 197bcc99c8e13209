"""Executes pure Solidity and its assembly on symbols, from the compiler's syntax tree.

Nothing is translated by hand: what a theorem is about is the shipped source. All paths run at once,
each assignment under the condition of its path. A construct that is not known stops with
NotImplementedError.
"""

# Methods carry the names of the kinds of nodes that they execute.
# ruff: noqa: N802

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import z3

from .algebra import Term, is_false
from .expressions import Evaluator, Frame, Intrinsic, Node, is_signed, unknown

__all__ = ["CONTRACTS", "Contract", "Intrinsic", "Node", "compile_trees"]

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"


def compile_trees(sources: Mapping[str, str]) -> dict[str, Node]:
    """Return the typed syntax tree of each source unit by its name; needs node and `npm ci`."""
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {"outputSelection": {"*": {"": ["ast"]}}},
    }
    command = [str(CONTRACTS / "solc"), "--standard-json"]
    answer = subprocess.run(
        command, input=json.dumps(request), capture_output=True, text=True, check=True
    )
    output = json.loads(answer.stdout)
    found = output.get("errors", [])
    if errors := [e["formattedMessage"] for e in found if e["severity"] == "error"]:
        raise ValueError("\n".join(errors))
    return {name: source["ast"] for name, source in output["sources"].items()}


@dataclass(slots=True)
class Contract(Evaluator):
    """One library or contract, ready to be called.

    `intrinsics` answer calls by name in place of the source: memory, fields of a descriptor.
    `constants` stand for constants of the source, or of other files: `Library.NAME`. `unroll`: how
    often a loop may run at most; that it
    runs no longer joins the obligations.
    """

    def call(self, name: str, *arguments: Term) -> Term:
        """Return what a function returns, a tuple where it is more than one value."""
        frame = self.run(name, *arguments)
        found = tuple(frame.values[result] for result in frame.results)
        return found if len(found) != 1 else found[0]

    def run(self, name: str, *arguments: Term, **members: Term) -> Frame:
        """Return how a call of a function ends; `members` of its structs are given by `s.name`."""
        function = self._function(name)
        names = [p["name"] for p in function["parameters"]["parameters"]]
        outputs = function["returnParameters"]["parameters"]
        results = [p["name"] or f"result {i}" for i, p in enumerate(outputs)]
        values = {result: self.algebra.number(0) for result in results}
        for i, result in enumerate(outputs):
            if result["typeName"].get("name") == "bool":
                values[results[i]] = z3.BoolVal(False)
        values.update(zip(names, arguments, strict=True))
        values.update(members)
        frame = Frame(values, results)
        self._run(function["body"], frame, z3.BoolVal(True))
        return frame

    def iterate(
        self, name: str, loop: int, values: Mapping[str, Term]
    ) -> tuple[Term, dict[str, Term]]:
        """Run the body of one loop of a function once; return its condition and the variables.

        Of a `do … while` the condition is that of going on, else that of having entered.
        """
        node, is_checked = _loops(self._function(name)["body"])[loop]
        frame = Frame(dict(values), [], is_checked=is_checked)
        if node["nodeType"] == "DoWhileStatement":
            self._run(node["body"], frame, z3.BoolVal(True))
            return self._value(node["condition"], frame), frame.values
        condition = self._value(node["condition"], frame)
        self._run(node["body"], frame, z3.BoolVal(True))
        if node.get("loopExpression"):
            self._run(node["loopExpression"], frame, z3.BoolVal(True))
        return condition, frame.values

    def _run(self, node: Node, frame: Frame, guard: Term) -> None:
        guard = z3.simplify(z3.And(guard, z3.Not(frame.ended)))
        if is_false(guard):
            return
        self.algebra.guard = guard
        getattr(self, "_run_" + node["nodeType"], unknown)(node, frame, guard)

    def _run_Block(self, node: Node, frame: Frame, guard: Term) -> None:
        for statement in node["statements"]:
            self._run(statement, frame, guard)

    def _run_UncheckedBlock(self, node: Node, frame: Frame, guard: Term) -> None:
        frame.is_checked = False
        self._run_Block(node, frame, guard)
        frame.is_checked = True

    def _run_YulBlock(self, node: Node, frame: Frame, guard: Term) -> None:
        self._run_Block(node, frame, guard)

    def _run_VariableDeclarationStatement(self, node: Node, frame: Frame, guard: Term) -> None:
        names = [d["name"] if d else None for d in node["declarations"]]
        if node.get("initialValue") is None:
            found: Term = self.algebra.number(0)
        else:
            found = self._value(node["initialValue"], frame)
        values = found if isinstance(found, tuple) else (found,)
        for name, value in zip(names, values, strict=True):
            if name:
                frame.values[name] = value

    def _run_ExpressionStatement(self, node: Node, frame: Frame, guard: Term) -> None:
        expression = node["expression"]
        if expression["nodeType"] == "Assignment":
            found = self._value(expression["rightHandSide"], frame)
            target = expression["leftHandSide"]
            if expression["operator"] != "=":
                current = self._value(target, frame)
                operator, signed = expression["operator"][:-1], is_signed(target)
                found = self._computed(operator, current, found, signed, frame)
            names = target["components"] if target["nodeType"] == "TupleExpression" else [target]
            values = found if isinstance(found, tuple) else (found,)
            for name, value in zip(names, values, strict=True):
                self._assign(_name_of(name), value, frame, guard)
        elif expression["nodeType"] == "UnaryOperation":
            operator = {"++": "+", "--": "-"}[expression["operator"]]
            target = expression["subExpression"]
            current, one = self._value(target, frame), self.algebra.number(1)
            value = self._computed(operator, current, one, is_signed(target), frame)
            self._assign(_name_of(target), value, frame, guard)
        else:
            self._value(expression, frame)

    def _run_IfStatement(self, node: Node, frame: Frame, guard: Term) -> None:
        condition = self._value(node["condition"], frame)
        self._run(node["trueBody"], frame, z3.And(guard, condition))
        if node.get("falseBody"):
            self._run(node["falseBody"], frame, z3.And(guard, z3.Not(condition)))

    def _run_Return(self, node: Node, frame: Frame, guard: Term) -> None:
        if node.get("expression") is not None:
            found = self._value(node["expression"], frame)
            values = found if isinstance(found, tuple) else (found,)
            for name, value in zip(frame.results, values, strict=True):
                self._assign(name, value, frame, guard)
        frame.ended = z3.simplify(z3.Or(frame.ended, guard))

    def _run_RevertStatement(self, node: Node, frame: Frame, guard: Term) -> None:
        frame.reverted = z3.simplify(z3.Or(frame.reverted, guard))
        frame.ended = z3.simplify(z3.Or(frame.ended, guard))

    def _run_WhileStatement(self, node: Node, frame: Frame, guard: Term) -> None:
        self._repeat(lambda: self._value(node["condition"], frame), [node["body"]], frame, guard)

    def _run_ForStatement(self, node: Node, frame: Frame, guard: Term) -> None:
        if node.get("initializationExpression"):
            self._run(node["initializationExpression"], frame, guard)
        body = [node["body"], *([node["loopExpression"]] if node.get("loopExpression") else [])]
        self._repeat(lambda: self._value(node["condition"], frame), body, frame, guard)

    def _run_YulForLoop(self, node: Node, frame: Frame, guard: Term) -> None:
        self._run(node["pre"], frame, guard)

        def goes_on() -> Term:
            return self._value(node["condition"], frame) != self.algebra.number(0)

        self._repeat(goes_on, [node["body"], node["post"]], frame, guard)

    def _repeat(
        self, goes_on: Callable[[], Term], body: list[Node], frame: Frame, guard: Term
    ) -> None:
        for _ in range(self.unroll):
            guard = z3.simplify(z3.And(guard, z3.Not(frame.ended), goes_on()))
            if is_false(guard):
                return
            for node in body:
                self._run(node, frame, guard)
        self.algebra.guard = z3.And(guard, z3.Not(frame.ended))
        self.algebra.require(z3.Not(goes_on()))

    def _run_InlineAssembly(self, node: Node, frame: Frame, guard: Term) -> None:
        self._run(node["AST"], frame, guard)

    def _run_YulFunctionDefinition(self, node: Node, frame: Frame, guard: Term) -> None:
        frame.values["function " + node["name"]] = node

    def _run_YulVariableDeclaration(self, node: Node, frame: Frame, guard: Term) -> None:
        (name,) = node["variables"]
        frame.values[name["name"]] = self._value(node["value"], frame)

    def _run_YulAssignment(self, node: Node, frame: Frame, guard: Term) -> None:
        (name,) = node["variableNames"]
        value = self._value(node["value"], frame)
        if z3.is_bool(frame.values.get(name["name"])):
            value = value != self.algebra.number(0)
        self._assign(name["name"], value, frame, guard)

    def _run_YulExpressionStatement(self, node: Node, frame: Frame, guard: Term) -> None:
        self._value(node["expression"], frame)

    def _run_YulSwitch(self, node: Node, frame: Frame, guard: Term) -> None:
        value, rest = self._value(node["expression"], frame), guard
        for case in node["cases"]:
            if case["value"] == "default":
                self._run(case["body"], frame, rest)
                continue
            taken = value == self._value(case["value"], frame)
            self._run(case["body"], frame, z3.And(rest, taken))
            rest = z3.And(rest, z3.Not(taken))

    def _assign(self, name: str, value: Term, frame: Frame, guard: Term) -> None:
        is_live = z3.eq(guard, z3.simplify(z3.Not(frame.ended))) and name not in frame.results
        # Paths that have ended read nothing any more but the results.
        if z3.is_true(guard) or name not in frame.values or is_live:
            frame.values[name] = value
        else:
            frame.values[name] = self.algebra.select(guard, value, frame.values[name])


def _name_of(node: Node) -> str:
    if node["nodeType"] == "MemberAccess":
        return f"{node['expression']['name']}.{node['memberName']}"
    name: str = node["name"]
    return name


def _loops(node: Any, is_checked: bool = True) -> list[tuple[Node, bool]]:
    """Return the loops in a tree in the order of the source, and whether overflow reverts there."""
    found: list[tuple[Node, bool]] = []
    if isinstance(node, dict):
        is_checked = is_checked and node.get("nodeType") != "UncheckedBlock"
        if node.get("nodeType") in ("WhileStatement", "DoWhileStatement", "ForStatement"):
            found.append((node, is_checked))
        node = list(node.values())
    if isinstance(node, list):
        found += [loop for part in node for loop in _loops(part, is_checked)]
    return found
