"""Compile the contracts into the package, or check that what it ships is what they compile to.

    python contracts/build.py [--check]

Needs node and `npm ci` in this folder. Writes `infernet/chain/artifacts/<Contract>.json` for every
contract under `src/` that can be deployed; with `--check` it writes nothing and exits 1 on any
difference.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE.parent / "infernet" / "chain" / "artifacts"
MAX_CODE_BYTES = 24_576

# Equal to foundry.toml, so that the tests run what is shipped. Metadata is left out: bytecode then
# depends on the code alone.
SETTINGS: dict[str, Any] = {
    "viaIR": True,
    "optimizer": {"enabled": True, "runs": 100_000},
    "evmVersion": "prague",
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}
OUTPUTS = [
    "abi",
    "evm.bytecode.object",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.immutableReferences",
]


class BuildError(Exception):
    """The contracts do not compile, or are too large."""


def compile_sources() -> dict[str, Any]:
    """Return solc's output for all sources, or raise BuildError."""
    paths = sorted((HERE / "src").rglob("*.sol"))
    selection = {"*": {"*": OUTPUTS, "": ["ast"]}}
    request = {
        "language": "Solidity",
        "sources": {p.relative_to(HERE).as_posix(): {"content": p.read_text()} for p in paths},
        "settings": {**SETTINGS, "outputSelection": selection},
    }
    command = [str(HERE / "solc"), "--standard-json"]
    answer = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True)
    if answer.returncode:
        raise BuildError(f"solc did not run; is `npm ci` done in contracts/?\n{answer.stderr}")
    output: dict[str, Any] = json.loads(answer.stdout)
    errors = [e for e in output.get("errors", []) if e["severity"] != "info"]
    if errors:
        raise BuildError("\n".join(error["formattedMessage"] for error in errors))
    return output


def compiler_version() -> str:
    """Return the compiler's version, platform left out."""
    command = [str(HERE / "solc"), "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    version = answer.stdout.rsplit("Version: ", 1)[1]
    return version.split(".Emscripten", 1)[0].strip()


def immutables(code: dict[str, Any]) -> list[list[int]]:
    """Return start and size of each place in deployed code that the constructor fills in."""
    references = code.get("immutableReferences", {}).values()
    return sorted([place["start"], place["length"]] for places in references for place in places)


def artifacts() -> dict[str, str]:
    """Return the text of each artifact by contract name; raise BuildError if one is too large."""
    output = compile_sources()
    compiler = {"version": compiler_version(), "settings": SETTINGS}
    found: dict[str, str] = {}
    for source, contracts in sorted(output["contracts"].items()):
        deployable = {
            node["name"]
            for node in output["sources"][source]["ast"]["nodes"]
            if node["nodeType"] == "ContractDefinition"
            and node["contractKind"] == "contract"
            and not node["abstract"]
        }
        for name in sorted(deployable):
            evm = contracts[name]["evm"]
            deployed = evm["deployedBytecode"]["object"]
            if len(deployed) // 2 > MAX_CODE_BYTES:
                size = len(deployed) // 2
                raise BuildError(f"{name} has {size} bytes of code; the limit is {MAX_CODE_BYTES}")
            artifact = {
                "contract": name,
                "source": source,
                "compiler": compiler,
                "abi": contracts[name]["abi"],
                "bytecode": "0x" + evm["bytecode"]["object"],
                "deployedBytecode": "0x" + deployed,
                "immutables": immutables(evm["deployedBytecode"]),
            }
            found[name] = json.dumps(artifact, indent=1, sort_keys=True) + "\n"
    return found


def differences(built: dict[str, str]) -> list[str]:
    """Return a line for each shipped artifact that is missing, stale or unknown."""
    shipped = {path.stem: path.read_text() for path in ARTIFACTS.glob("*.json")}
    lines = [f"{name}: not shipped" for name in sorted(built.keys() - shipped.keys())]
    lines += [f"{name}: has no source" for name in sorted(shipped.keys() - built.keys())]
    both = sorted(built.keys() & shipped.keys())
    return lines + [f"{name}: differs" for name in both if built[name] != shipped[name]]


def write(built: dict[str, str]) -> None:
    """Replace the shipped artifacts."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for path in ARTIFACTS.glob("*.json"):
        if path.stem not in built:
            path.unlink()
    for name, text in built.items():
        (ARTIFACTS / f"{name}.json").write_text(text)


def main() -> int:
    """Build or check; return the exit status."""
    parser = argparse.ArgumentParser(description="Compile the contracts into the package.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    arguments = parser.parse_args()
    try:
        built = artifacts()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    for name, text in built.items():
        size = len(json.loads(text)["deployedBytecode"]) // 2 - 1
        print(f"{name:16} {size:6} bytes")
    if not arguments.check:
        write(built)
        return 0
    found = differences(built)
    for line in found:
        print(f"artifact {line}; run `make artifacts`", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
