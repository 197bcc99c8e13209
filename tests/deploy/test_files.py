"""The files for operators fit the program: each alert has its page, each panel its metric."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer
import yaml

from infernet.cli import app
from infernet.config.load import names
from infernet.keys import CREDENTIAL

from .scrape import PROMTOOL, ROOT, RULES, rules

DEPLOY, RUNBOOK = ROOT / "deploy", ROOT / "docs" / "runbook"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def test_every_alert_says_what_it_must() -> None:
    for name, rule in rules().items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["runbook"] == f"docs/runbook/{name}.md"


def test_alerts_and_pages_are_the_same() -> None:
    pages = {path.stem for path in RUNBOOK.glob("*.md")} - {"README"}
    assert pages == rules().keys()
    index = (RUNBOOK / "README.md").read_text()
    for name, rule in rules().items():
        severity = rule["labels"]["severity"]
        assert f"| [{name}]({name}.md) | {severity} |" in index
        page = (RUNBOOK / f"{name}.md").read_text()
        parts = ["What it means", "What is at stake", "Look at", "Do", "Verify"]
        assert re.findall(r"^## (.*)$", page, re.MULTILINE) == parts
        assert f"Severity: **{severity}**" in page


def test_pages_link_to_pages() -> None:
    for path in (*RUNBOOK.glob("*.md"), DEPLOY / "README.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_pages_name_commands_units_and_events_that_exist() -> None:
    events = {
        word
        for package in ("infernet", "executor", "fisherman", "api")
        for path in (ROOT / package).rglob("*.py")
        for word in re.findall(r'"([a-z]+_[a-z_]+)"', path.read_text())
    }
    settings = {name.key for name in names()}
    commands = 0
    for path in (*RUNBOOK.glob("*.md"), DEPLOY / "README.md"):
        text = path.read_text()
        for words in re.findall(r"(?:^|`)infernet ([^`\n]+)", text, re.MULTILINE):
            commands_of(shlex.split(words, comments=True))
            commands += 1
        for unit in re.findall(r"\binfernet-(?:miner|fisherman|gateway|worker)\.service\b", text):
            assert unit in {each.name for each in UNITS}, path.name
        for unit in re.findall(r"(?:systemctl \w+|-u) (infernet-\w+)", text):
            assert f"{unit}.service" in {each.name for each in UNITS}, path.name
        for event in re.findall(r"(?:`| -e )(?!infernet_|process_)([a-z]+_[a-z_]+)\b", text):
            assert event in events or event in settings, f"{path.name}: {event}"
    assert commands > 10


def test_every_panel_has_its_own_number_and_asks_something() -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) and len(panels) > 20
    assert all(panel["targets"] for panel in panels)


def test_panels_do_not_overlap() -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert max(x for x, _ in cells) < 24 and not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_prometheus_accepts_its_files() -> None:
    for command in (
        ["check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")],
        ["check", "rules", str(RULES)],
    ):
        done = subprocess.run([str(PROMTOOL), *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_prometheus_understands_what_panels_ask(tmp_path: Path) -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    asked = [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]
    asked = [expr.replace("$__rate_interval", "5m").replace("$__range", "1h") for expr in asked]
    made = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))
    command = [str(PROMTOOL), "check", "rules", "--lint=none", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def commands_of(words: list[str]) -> None:
    """Raise unless the words are a command of the program with options that it knows."""
    command = typer.main.get_command(app)
    context = command.make_context("infernet", list(words), resilient_parsing=True)
    while hasattr(command, "resolve_command"):
        _, command, words = command.resolve_command(context, words)
        assert command is not None
        context = command.make_context(command.name, list(words), context, resilient_parsing=True)
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known, words


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_units_start_commands_that_exist(path: Path) -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read(path)
    service = unit["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program.endswith("/infernet")
    commands_of(words)
    assert service["Restart"] == "always" and service["NoNewPrivileges"] == "yes"
    holds_a_key = path.stem != "infernet-worker"
    assert (f"LoadCredential={CREDENTIAL}:" in path.read_text()) == holds_a_key
    assert "passphrase" not in service["ExecStart"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_accepts_units_and_finds_them_closed(path: Path, tmp_path: Path) -> None:
    here = tmp_path / path.name
    here.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", path.read_text(), flags=re.M))
    verify = ["systemd-analyze", "verify", "--man=no", str(here)]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(here)]
    done = subprocess.run(security, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_docker_accepts_the_compose_file(tmp_path: Path) -> None:
    # The client's own parser needs no daemon; it knows all but profiles.
    text = (DEPLOY / "docker-compose.yml").read_text()
    (tmp_path / "docker-compose.yml").write_text(re.sub(r"^ +profiles:.*\n", "", text, flags=re.M))
    command = ["docker", "stack", "config", "-c", "docker-compose.yml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"].keys() == yaml.safe_load(text)["services"].keys()


def test_compose_runs_commands_that_exist_from_images_with_versions() -> None:
    content = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
    services = content["services"]
    for name in ("miner", "fisherman", "gateway", "worker"):
        commands_of(list(services[name]["command"]))
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"]
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./config"):
                continue
            known = source in content["volumes"] or (DEPLOY / source).exists()
            assert known, f"{name}: {source}"
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())[
            "scrape_configs"
        ]
    }
    assert targets == {
        "infernet-miner": ["miner:9090"],
        "infernet-fisherman": ["fisherman:9090"],
        "infernet-gateway": ["gateway:8000"],
    }
    assert (DEPLOY / services["miner"]["build"]["context"]).resolve() == ROOT
