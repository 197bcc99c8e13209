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


SECURITY_PAGES = ("attempts", "threat-model")
# `place: a_name…` or `place`; the place is a file of tests, or a contract that forge runs.
NAMED_TEST = re.compile(r"`((?:\w+/)*(?:test_\w+|[A-Z]\w+(?=: )))(?:: (\w+))?…?`")


def test_every_test_that_the_security_pages_name_exists() -> None:
    sources = {
        path: path.read_text()
        for folder, pattern in (("tests", "test_*.py"), ("contracts/test", "*.t.sol"))
        for path in (ROOT / folder).rglob(pattern)
    }
    named = [
        (page, place, name)
        for page in SECURITY_PAGES
        for place, name in NAMED_TEST.findall(
            (ROOT / "docs" / "security" / f"{page}.md").read_text()
        )
    ]
    missing = [each for each in named if not _is_there(sources, *each[1:])]
    assert missing == []
    assert len(named) > 80


def _is_there(sources: dict[Path, str], place: str, name: str) -> bool:
    found = [text for path, text in sources.items() if _is_at(path, place)]
    return any(re.search(rf"(?:def|function) test(?:Fuzz)?_\w*{name}", text) for text in found)


def _is_at(path: Path, place: str) -> bool:
    """Say whether a test file is the one that a page calls `place`: the end of its path."""
    bare = path.with_name(path.name.split(".")[0]).as_posix()
    return f"/{bare}".endswith(f"/{place}")
