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
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from infernet.cli import app
from infernet.keys import CREDENTIAL
from infernet.monitor.metrics import Monitor, Sources
from infernet.monitor.observatory import Observatory
from infernet.monitor.snapshot import Capacity, Role
from infernet.store.checks import Checks
from infernet.store.database import open_database
from infernet.store.journal import Journal
from tests.stage import ETHER, new_stage

from .promql import names_in
from .scrape import ROOT, RULES, rules

DEPLOY, RUNBOOK = ROOT / "deploy", ROOT / "docs" / "runbook"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """Return every metric that a miner and a fisherman together export."""
    stage, found = new_stage(), {"up"}
    for role in Role:
        wallet, database = stage.wallet(), open_database(None)
        Journal(database, wallet.address)
        Checks(database)
        names, capacity = {stage.root: "toy"}, Capacity(1, ETHER)
        observatory = Observatory(stage.view(), wallet.address, role, names, database, capacity)
        monitor = Monitor(observatory, Sources(Path(), "onnxruntime", lambda: True))
        monitor.look()
        text = generate_latest(monitor.registry).decode()
        for family in text_string_to_metric_families(text):
            found |= {family.name, *(sample.name for sample in family.samples)}
            found |= {f"{family.name}_total"} if family.type == "counter" else set()
            found |= {f"{family.name}_bucket"} if family.type == "histogram" else set()
    return found


def test_every_alert_says_what_it_must(exported: set[str]) -> None:
    for name, rule in rules().items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["runbook"] == f"docs/runbook/{name}.md"
        assert names_in(rule["expr"]) and names_in(rule["expr"]) <= exported, name


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


def test_pages_link_to_pages_and_name_metrics_that_exist(exported: set[str]) -> None:
    for path in RUNBOOK.glob("*.md"):
        text = path.read_text()
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
        assert set(re.findall(r"\binfernet_\w+", text)) <= exported, path.name


def test_every_panel_shows_a_metric_that_exists(exported: set[str]) -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) and len(panels) > 20
    used = set()
    for panel in panels:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            names = names_in(target["expr"])
            assert names and names <= exported, f"{panel['title']}: {target['expr']}"
            used |= names
    own = {name for name in exported if name.startswith("infernet_") and "_created" not in name}
    bases = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in own}
    shown = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in used}
    assert bases - shown == {"infernet_info"}


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


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_accepts_its_files() -> None:
    for command in (
        ["check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")],
        ["check", "rules", str(RULES)],
    ):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True)
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
    assert f"LoadCredential={CREDENTIAL}:" in path.read_text()
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


def test_compose_runs_commands_that_exist_from_images_with_versions() -> None:
    content = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
    services = content["services"]
    for name in ("miner", "fisherman"):
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
    }
    assert (DEPLOY / services["miner"]["build"]["context"]).resolve() == ROOT
