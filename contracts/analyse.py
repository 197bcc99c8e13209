"""Run Slither over the contracts and compare what it finds with what has been judged.

    python contracts/analyse.py

Needs node, `npm ci` in this folder and slither-analyzer; works offline. `slither.toml` gives the
reason why each finding is none. Exits 1 on a finding that is not listed there, and on an entry that
nothing answers to any more.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from crytic_compile import CryticCompile
from crytic_compile.compilation_unit import CompilationUnit
from crytic_compile.compiler.compiler import CompilerVersion
from crytic_compile.platform.solc_standard_json import (
    SolcStandardJson,
    parse_standard_json_output,
)
from slither import Slither
from slither.detectors import all_detectors
from slither.detectors.abstract_detector import AbstractDetector

HERE = Path(__file__).resolve().parent
JUDGED = HERE / "slither.toml"
# Slither reads the syntax trees alone; bytecode would take minutes and change nothing.
NO_CODE = {
    "bytecode": {"object": "", "sourceMap": ""},
    "deployedBytecode": {"object": "", "sourceMap": ""},
}


class Trees(SolcStandardJson):
    """The syntax trees of npm's solc, as Slither's loader expects them."""

    def compile(self, crytic_compile: CryticCompile, **kwargs: Any) -> None:
        """Compile without code generation."""
        paths = sorted((HERE / "src").rglob("*.sol"))
        names = {path.relative_to(HERE).as_posix(): path for path in paths}
        selection = {"*": {"": ["ast"], "*": ["abi", "userdoc", "devdoc"]}}
        request = {
            "language": "Solidity",
            "sources": {name: {"content": path.read_text()} for name, path in names.items()},
            "settings": {"evmVersion": "prague", "outputSelection": selection},
        }
        command = [str(HERE / "solc"), "--standard-json"]
        answer = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, check=True
        )
        output = json.loads(answer.stdout)
        for contracts in output["contracts"].values():
            for contract in contracts.values():
                contract["evm"] = NO_CODE
        unit = CompilationUnit(crytic_compile, "contracts")
        unit.compiler_version = CompilerVersion(compiler="solc", version="0.8.37", optimized=True)
        parse_standard_json_output(output, unit, solc_working_dir=str(HERE))


def findings() -> list[tuple[str, str, str]]:
    """Return (check, where, description) of everything that any detector reports."""
    slither = Slither(CryticCompile(Trees({})))
    for _, detector in inspect.getmembers(all_detectors, inspect.isclass):
        if issubclass(detector, AbstractDetector) and detector is not AbstractDetector:
            slither.register_detector(detector)
    results = [result for found in slither.run_detectors() for result in found]
    return sorted((r["check"], _place(r["elements"][0]), r["description"]) for r in results)


def _place(element: dict[str, Any]) -> str:
    """Return `Contract.member`, or the contract alone."""
    parent = element.get("type_specific_fields", {}).get("parent", {})
    while parent and parent["type"] not in ("contract", "file"):
        element, parent = parent, parent.get("type_specific_fields", {}).get("parent", {})
    is_member = parent and parent["type"] == "contract"
    return f"{parent['name']}.{element['name']}" if is_member else str(element["name"])


def main() -> int:
    """Analyse and compare; return the exit status."""
    judged = tomllib.loads(JUDGED.read_text())
    everywhere = judged["everywhere"]
    listed = {(entry["check"], place) for entry in judged["finding"] for place in entry["where"]}
    found = findings()
    kinds, places = {check for check, _, _ in found}, {(check, where) for check, where, _ in found}
    new = [one for one in found if one[0] not in everywhere and one[:2] not in listed]
    for check, where, description in new:
        print(f"new: {check} in {where}\n  {description.strip()}", file=sys.stderr)
    stale = [f"{check} in {where}" for check, where in sorted(listed - places)]
    stale += sorted(everywhere.keys() - kinds)
    for entry in stale:
        print(f"stale: {entry}; take it out of {JUDGED.name}", file=sys.stderr)
    print(f"{len(found)} findings, {len(found) - len(new)} judged, {len(new)} new")
    return 1 if new or stale else 0


if __name__ == "__main__":
    sys.exit(main())
