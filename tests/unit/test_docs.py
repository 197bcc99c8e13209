"""The documents fit the program: links lead somewhere, commands and interfaces exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from infernet.chain.artifacts import load
from tests.deploy.test_files import commands_of

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md")]
)


def test_links_lead_to_files_and_headings_that_exist() -> None:
    links = 0
    for page in PAGES:
        for target, heading in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text()):
            if target.startswith(("http://", "https://")):
                continue
            place = page.parent / target if target else page
            assert place.exists(), f"{page.name}: {target}"
            if heading:
                assert heading in headings_of(place), f"{page.name}: {target}#{heading}"
            links += 1
    assert links > 30


def headings_of(page: Path) -> set[str]:
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in found}


def test_commands_in_documents_exist_with_their_options() -> None:
    commands = 0
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        for words in re.findall(
            r"(?:^|`|bin/)infernet ([a-z-][^`\n]*)", page.read_text(), re.MULTILINE
        ):
            commands_of(shlex.split(words, comments=True))
            commands += 1
    assert commands > 40


@pytest.mark.parametrize("contract", ["StakeManager", "TaskMarket", "DisputeGame"])
def test_the_spec_declares_what_the_contract_has(contract: str) -> None:
    text = (ROOT / "docs" / "spec" / "dispute.md").read_text()
    section = text.split(f"### {contract}\n", 1)[1].split("\n### ", 1)[0]
    declared = re.findall(r"^(event|function) (\w+)\(([^)]*)\)", section, re.MULTILINE)
    written = {(kind, name, _types(inputs)) for kind, name, inputs in declared}
    there = {
        (
            entry["type"],
            entry["name"],
            tuple(
                ("indexed " if each.get("indexed") else "") + _type_of(each)
                for each in entry["inputs"]
            ),
        )
        for entry in load(contract).abi
        if entry["type"] in ("event", "function")
    }
    assert written - there == set()
    assert {entry for entry in there - written if entry[0] == "event"} == set()


def _type_of(item: dict[str, Any]) -> str:
    """Return an argument's type; a struct's is its name, as declarations write it."""
    return item["internalType"].split(".")[-1] if item["type"] == "tuple" else item["type"]


def _types(inputs: str) -> tuple[str, ...]:
    parts = [each.split() for each in inputs.split(",") if each.strip()]
    return tuple(("indexed " if "indexed" in words else "") + words[0] for words in parts)
