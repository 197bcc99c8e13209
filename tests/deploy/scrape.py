"""Read metrics as Prometheus does, and evaluate the shipped alert rules on what was read."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from .promql import History, Labels, Series, evaluate, names_in, seconds

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
STEP_SECONDS = 60
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")


@cache
def rules() -> dict[str, dict[str, Any]]:
    """Return the shipped rules by the alert's name."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


@dataclass
class Prometheus:
    """Scrapes once a minute of its own time. `targets`: URLs by job."""

    targets: dict[str, str]
    start: float = 0.0
    history: History = field(default_factory=History)

    @property
    def now(self) -> float:
        """Return the time of the next scrape."""
        return self.start + STEP_SECONDS * len(self.history.scrapes)

    def scrape(self, times: int = 1) -> None:
        """Read every target so often; one that does not answer is down."""
        for _ in range(times):
            samples: dict[Series, float] = {}
            for job, url in self.targets.items():
                samples |= _read(job, url)
            self.history.scrapes.append((self.now, samples))

    def firing(self) -> set[str]:
        """Return the alerts that fire at the last scrape, as the shipped rules say.

        Where promtool is installed, Prometheus's own engine must say the same.
        """
        found = {name for name, rule in rules().items() if self._holds(rule)}
        if PROMTOOL:
            _agree(self, found, PROMTOOL)
        return found

    def _holds(self, rule: dict[str, Any]) -> bool:
        last = self.history.scrapes[-1][0]
        first = last - seconds(rule.get("for", "0s"))
        times = [time for time, _ in self.history.scrapes if time >= first]
        if times[0] > first:
            return False
        return all(evaluate(rule["expr"], self.history.until(time)) for time in times)


def _read(job: str, url: str) -> dict[Series, float]:
    own = {"job": job, "instance": job}
    try:
        text = requests.get(f"{url}/metrics", timeout=5).text
    except requests.ConnectionError:
        return {("up", frozenset(own.items())): 0.0}
    found = {("up", frozenset(own.items())): 1.0}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, frozenset({**sample.labels, **own}.items())] = sample.value
    return found


def _agree(seen: Prometheus, firing: set[str], promtool: str) -> None:
    """Raise AssertionError unless Prometheus's own engine says that just these alerts fire."""
    used = {name for rule in rules().values() for name in names_in(rule["expr"])}
    scrapes = [samples for _, samples in seen.history.scrapes]
    keys = {key for samples in scrapes for key in samples if key[0] in used}
    test = {
        "interval": f"{STEP_SECONDS}s",
        "input_series": [
            {"series": _written(*key), "values": _values(key, scrapes, seen.start)} for key in keys
        ],
        "promql_expr_test": [
            {
                "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{STEP_SECONDS * (len(scrapes) - 1)}s",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing
                ],
            }
        ],
    }
    content = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{STEP_SECONDS}s",
        "tests": [test],
    }
    with TemporaryDirectory() as folder:
        path = Path(folder, "test.yml")
        path.write_text(yaml.safe_dump(content))
        done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _values(key: Series, scrapes: list[dict[Series, float]], start: float) -> str:
    """Return a series as promtool reads it, whose time begins at zero."""
    shift = start if key[0] == "process_start_time_seconds" else 0.0
    written: list[str] = []
    for samples in scrapes:
        # Prometheus marks what a target no longer has.
        is_gone = bool(written) and written[-1] not in ("_", "stale")
        gone = "stale" if is_gone else "_"
        written.append(f"{samples[key] - shift:.6f}" if key in samples else gone)
    return " ".join(written)


def _written(name: str, labels: Labels) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels))
    return f"{name}{{{inside}}}"
