"""`infernet api key`, while a gateway reads the same keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.access.errors import Unauthenticated, UnknownKey
from api.access.keys import Keys, Scope
from infernet.cli.api_key import app
from infernet.config import ConfigError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_key_is_made_listed_and_revoked_while_the_gateway_reads(folder: Path) -> None:
    reader = Keys.reading(folder)
    made = _run("create", "shop", "--budget", "1.5", "--rate", "10", "--expires", "90d", "--json")
    facts = json.loads(made.stdout)
    key = reader.check(facts["key"])
    assert key.scopes == {Scope.TASKS_READ, Scope.TASKS_WRITE}
    assert (key.budget_wei, key.rate) == (15 * 10**17, 10.0)
    assert key.expires_at == key.created_at + 90 * 86_400
    listed = _run("list", "--json")
    assert facts["key"] not in listed.stdout
    assert [each["id"] for each in json.loads(listed.stdout)] == [key.id]
    shown = _run("list").stdout
    assert f"{key.id}  shop, good until" in shown
    assert "up to 1.5 ETH; 10 a second" in shown
    assert _run("revoke", key.id).exit_code == 0
    with pytest.raises(Unauthenticated, match="revoked"):
        reader.check(facts["key"])
    assert "revoked" in _run("list").stdout
    reader.close()


def test_only_the_key_is_on_the_standard_output(folder: Path) -> None:
    text = _run("create", "pipe", "--scope", "tasks:read").stdout.strip()
    reader = Keys.reading(folder)
    assert reader.check(text).scopes == {Scope.TASKS_READ}
    reader.close()


def test_a_variable_that_wins_over_the_settings_named_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = folder / "gateway.toml"
    settings.write_text(f'[data]\ndir = "{folder / "network"}"\n')
    found = _run("create", "lost", "--config", str(settings))
    assert found.exit_code == 0 and len(found.stdout.split()) == 1
    told = " ".join(found.stderr.split())
    assert "INFERNET_DATA_DIR is set" in told
    assert f"not about {folder / 'network'}" in told
    settings.write_text(f'[data]\ndir = "{folder}"\n')
    assert "INFERNET" not in _run("list", "--config", str(settings)).stderr
    monkeypatch.delenv("INFERNET_DATA_DIR")
    settings.write_text(f'[data]\ndir = "{folder / "network"}"\n')
    assert "INFERNET" not in _run("create", "found", "--config", str(settings)).stderr
    assert "found" in _run("list", "--config", str(settings)).stdout
    assert "lost" not in _run("list", "--config", str(settings)).stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("--budget", "-1"),
        ("--budget", "much"),
        ("--rate", "0"),
        ("--rate", "nan"),
        ("--rate", "inf"),
        ("--expires", "0d"),
        ("--expires", "tomorrow"),
        ("--expires", "٩d"),
        ("--expires", "999999d"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder: Path, wrong: tuple[str, str]) -> None:
    error = _run("create", "shop", *wrong).exception
    assert isinstance(error, ConfigError)
    assert wrong[0] in str(error)


def test_names_that_would_spoil_a_terminal_are_refused() -> None:
    assert isinstance(_run("create", "a\x1b[2Jb").exception, ConfigError)
    assert isinstance(_run("create", "").exception, ConfigError)


def test_revoking_nobody_says_so() -> None:
    assert isinstance(_run("revoke", "0" * 12).exception, UnknownKey)
