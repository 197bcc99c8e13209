"""Where compiled code branches, and which line of Solidity each branch is.

The sources are compiled for this alone: by the pipeline that ships them, but unoptimised, so that
every branch of the source is a jump of its own in the code and the source map tells which.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
JUMPI, PUSH1, PUSH32 = 0x57, 0x60, 0x7F
LINK = re.compile(r"__\$[0-9a-f]{34}\$__")
SETTINGS: dict[str, Any] = {
    "viaIR": True,
    "evmVersion": "prague",
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "optimizer": {
        "enabled": False,
        "details": {
            **dict.fromkeys(("peephole", "inliner", "jumpdestRemover", "orderLiterals"), False),
            **dict.fromkeys(("deduplicate", "cse", "constantOptimizer"), False),
            # Only what moves variables from the full stack to memory.
            "yul": True,
            "yulDetails": {"stackAllocation": True, "optimizerSteps": ":"},
        },
    },
    "outputSelection": {"*": {"*": ["evm.deployedBytecode"], "": ["ast"]}},
}
# What a person wrote; every other jump is the compiler's own, such as a check of calldata.
LOOPS = ("ForStatement", "WhileStatement", "DoWhileStatement")
YUL = ("YulIf", "YulForLoop", "YulCase")


@dataclass(frozen=True, slots=True, order=True)
class Branch:
    """A place of the source that goes on in one of two ways."""

    source: str
    line: int
    start: int
    order: int
    condition: str
    jumps_if: bool
    """What the condition was if the code jumps."""

    @property
    def place(self) -> str:
        """Return `RowProver.sol:74`."""
        return f"{Path(self.source).name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Compiled:
    """Deployed code, the branch at each jump of it (None: the compiler's own), and immutables."""

    name: str
    code: bytes
    branches: dict[int, Branch | None]
    immutables: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the syntax tree that can branch."""

    kind: str
    start: int
    condition: tuple[int, int]
    jumps_if: bool = True


def compile_branches(sources: dict[str, str]) -> dict[str, Compiled]:
    """Return what the contracts among `sources` compile to, by name."""
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": SETTINGS,
    }
    answer = subprocess.run(
        [str(CONTRACTS / "solc"), "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    return read_output(json.loads(answer.stdout), sources)


def read_output(output: dict[str, Any], sources: dict[str, str]) -> dict[str, Compiled]:
    """Return the contracts of solc's output by name."""
    errors = [e["formattedMessage"] for e in output.get("errors", []) if e["severity"] == "error"]
    if errors:
        raise RuntimeError("\n".join(errors))
    names = {unit["id"]: name for name, unit in output["sources"].items()}
    nodes: dict[tuple[int, int, int], list[Node]] = {}
    for unit in output["sources"].values():
        _collect(unit["ast"], nodes, frozenset())
    found = {}
    for contracts in output["contracts"].values():
        for name, contract in contracts.items():
            deployed = contract["evm"]["deployedBytecode"]
            if not deployed["object"]:
                continue
            # A library that is only inlined leaves its address where nothing reads it.
            code = bytes.fromhex(LINK.sub("0" * 40, deployed["object"]))
            branches = _branches(code, deployed["sourceMap"], names, sources, nodes)
            references = deployed.get("immutableReferences", {})
            places = [references[key] for key in sorted(filter(str.isdecimal, references), key=int)]
            starts = tuple(tuple(one["start"] for one in place) for place in places)
            found[name] = Compiled(name, code, branches, starts)
    return found


def prover_sources() -> dict[str, str]:
    """Return the verifier, its provers and all that they may use, by path under contracts/."""
    paths = [CONTRACTS / "src" / "OneStepProof.sol"]
    for folder in ("prover", "libraries", "interfaces"):
        paths += sorted((CONTRACTS / "src" / folder).glob("*.sol"))
    return {path.relative_to(CONTRACTS).as_posix(): path.read_text() for path in paths}


def _collect(
    tree: Any, nodes: dict[tuple[int, int, int], list[Node]], loops: frozenset[str]
) -> None:
    """Note every node that can branch under its place; `loops`: places of loop conditions."""
    if isinstance(tree, list):
        for part in tree:
            _collect(part, nodes, loops)
    if not isinstance(tree, dict):
        return
    kind = tree.get("nodeType", "")
    if kind in LOOPS and tree.get("condition"):
        loops |= {tree["condition"]["src"]}
    if kind == "InlineAssembly":
        nodes.setdefault(_place(tree), []).extend(_yul(tree["AST"]))
        return
    if "src" in tree and kind:
        is_condition = tree["src"] in loops
        is_logical = kind == "BinaryOperation" and tree["operator"] in ("&&", "||")
        if kind in ("IfStatement", "Conditional") or is_condition or is_logical:
            place = _place(tree)
            # The compiler jumps if a condition is 0 where there is something to do in both cases.
            has_both = (
                kind == "Conditional" or tree.get("falseBody") or tree.get("operator") == "||"
            )
            jumps_if = not has_both and not is_condition
            node = Node(kind, place[0], _condition(tree), jumps_if)
            nodes.setdefault(place, []).append(node)
    for part in tree.values():
        _collect(part, nodes, loops)


def _yul(tree: Any) -> Iterator[Node]:
    if isinstance(tree, list):
        for part in tree:
            yield from _yul(part)
    elif isinstance(tree, dict):
        kind = tree.get("nodeType", "")
        if kind in YUL and tree.get("value") != "default":
            yield Node(kind, _place(tree)[0], _condition(tree))
        for part in tree.values():
            yield from _yul(part)


def _condition(tree: dict[str, Any]) -> tuple[int, int]:
    """Return start and end of what decides: of && and || the left side, which may be all."""
    for field in (
        "condition",
        "leftExpression" if tree.get("operator") in ("&&", "||") else "",
        "value",
    ):
        if isinstance(tree.get(field), dict):
            start, length, _ = _place(tree[field])
            return start, start + length
    start, length, _ = _place(tree)
    return start, start + length


def _place(tree: dict[str, Any]) -> tuple[int, int, int]:
    start, length, unit = (int(part) for part in tree["src"].split(":"))
    return start, length, unit


def _jumps(code: bytes, source_map: str) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Yield program counter and source range of each conditional jump."""
    at, counter = [0, 0, 0], 0
    for entry in source_map.split(";"):
        for field, text in enumerate(entry.split(":")[:3]):
            if text:
                at[field] = int(text)
        if code[counter] == JUMPI:
            yield counter, (at[0], at[1], at[2])
        pushed = code[counter] - PUSH1 + 1 if PUSH1 <= code[counter] <= PUSH32 else 0
        counter += 1 + pushed


def _branches(
    code: bytes,
    source_map: str,
    names: dict[int, str],
    sources: dict[str, str],
    nodes: dict[tuple[int, int, int], list[Node]],
) -> dict[int, Branch | None]:
    found: dict[int, Branch | None] = {}
    seen: Counter[tuple[int, int, int]] = Counter()
    for counter, place in _jumps(code, source_map):
        order, here = seen[place], nodes.get(place, [])
        seen[place] += 1
        if order >= len(here):
            found[counter] = None
            continue
        node, source = here[order], names[place[2]]
        text = sources[source].encode()
        shown = " ".join(text[slice(*node.condition)].decode().split())
        line = text.count(b"\n", 0, node.start) + 1
        found[counter] = Branch(source, line, node.start, order, shown, node.jumps_if)
    return found
