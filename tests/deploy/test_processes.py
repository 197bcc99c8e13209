"""A miner and a fisherman as processes of their own: what they export, and their deaths."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.anvil import find_anvil, running
from tests.api.explorer.scene import digits, scene_on
from tests.api.office import funded_key
from tests.api.routes.conftest import over_http
from tests.proxy import faulty
from tests.survival.town import BRISK

from .players import Company, Player, company, wait_until
from .promql import names_in
from .scrape import ROOT, Prometheus, rules

SEEN = 'infernet_results_seen_total{outcome="checked"} 1.0'


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Company, Player, Player]]:
    """Give a miner that has served a task and a fisherman that has checked it."""
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as anvil, company(anvil, tmp_path_factory.mktemp("staff"), BRISK) as here:
        miner, fisherman = here.hire("miner", "miner"), here.hire("fisherman", "fisherman")
        for player in (miner, fisherman):
            player.start()
        here.request()
        wait_until("the result is checked", lambda: SEEN in (fisherman.scraped() or ""))
        yield here, miner, fisherman


@pytest.fixture(scope="module")
def gateway_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the metrics of a gateway on a node of its own."""
    with running() as node:
        scene = scene_on(node, digits())
        with over_http(scene, tmp_path_factory.mktemp("gateway"), funded_key(node)) as counter:
            yield httpx.get(f"{counter.url}/metrics").text


def exported(*pages: str | None) -> set[str]:
    """Return the names of all metrics on pages."""
    found = {"up"}
    for page in pages:
        for family in text_string_to_metric_families(page or ""):
            found |= {family.name, *(sample.name for sample in family.samples)}
            found |= {f"{family.name}_total"} if family.type == "counter" else set()
            found |= {f"{family.name}_bucket"} if family.type == "histogram" else set()
    return found


def test_every_metric_that_alerts_pages_and_panels_name_is_served(
    staff: tuple[Company, Player, Player], gateway_page: str
) -> None:
    _, miner, fisherman = staff
    names = exported(miner.scraped(), fisherman.scraped(), gateway_page)
    for name, rule in rules().items():
        assert names_in(rule["expr"]) and names_in(rule["expr"]) <= names, name
    for path in (ROOT / "docs" / "runbook").glob("*.md"):
        assert set(re.findall(r"\binfernet_\w+", path.read_text())) <= names, path.name
    board = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
    shown = set()
    for panel in (panel for panel in board["panels"] if panel["type"] != "row"):
        for target in panel["targets"]:
            used = names_in(target["expr"])
            assert used and used <= names, f"{panel['title']}: {target['expr']}"
            shown |= used
    own = {name for name in names if name.startswith("infernet_") and "_created" not in name}
    suffix = re.compile(r"_(total|bucket|count|sum)$")
    left_out = {suffix.sub("", name) for name in own} - {suffix.sub("", name) for name in shown}
    assert left_out == {"infernet_info"}


def test_status_that_stays_tells_of_a_running_player_until_it_is_interrupted(
    staff: tuple[Company, Player, Player],
) -> None:
    _, _, fisherman = staff
    words = ["status", "--watch", "--json", "--config", str(fisherman.folder / "miner.toml")]
    command = [sys.executable, "-m", "infernet", *words]
    with subprocess.Popen(
        command, env=fisherman.around, stdout=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None and fisherman.process is not None
        first, second = (json.loads(shown.stdout.readline()) for _ in range(2))
        shown.send_signal(signal.SIGINT)
        assert shown.wait(30) == 0
    for found in (first, second):
        assert found["process"]["number"] == fisherman.process.pid
        assert found["coverage"]["checked"] == 1
        assert (found["role"], found["backend"]) == ("fisherman", "onnxruntime")


def test_status_that_stays_says_that_the_node_is_gone_and_keeps_what_it_knew(
    staff: tuple[Company, Player, Player],
) -> None:
    here, miner, _ = staff
    with faulty(here.anvil.url) as proxy:
        words = ["status", "--watch", "--rpc", proxy.url]
        words += ["--config", str(miner.folder / "miner.toml")]
        command = [sys.executable, "-m", "infernet", *words]
        around = {**miner.around, "COLUMNS": "100", "FORCE_COLOR": "1"}
        with subprocess.Popen(command, env=around, stdout=subprocess.PIPE, text=True) as shown:
            assert shown.stdout is not None
            seen = _read_until("RUNNING", shown.stdout)
            proxy.set(drop=1.0)
            seen += _read_until("no chain answers", shown.stdout)
            shown.send_signal(signal.SIGINT)
            rest = shown.stdout.read()
            assert shown.wait(30) == 0
    assert "Traceback" not in seen + rest


def _read_until(words: str, stream: IO[str]) -> str:
    """Return what a stream says up to some words, which may be broken over two lines."""
    seen = ""
    while words not in seen.replace("\n", " "):
        line = stream.readline()
        assert line, f"it ended before it said {words!r}: {seen[-3_000:]}"
        seen += line
    return seen


def test_a_second_player_with_the_same_key_and_folder_is_refused(
    staff: tuple[Company, Player, Player],
) -> None:
    here, _, fisherman = staff
    folder = fisherman.folder / "data"
    for role in ("fisherman", "miner"):
        second = here.hire(f"second-{role}", role, key=fisherman.key, data=folder)
        second.start()
        assert second.process is not None and second.process.wait() == 7
        assert f"in use by process {fisherman.process and fisherman.process.pid}" in re.sub(
            r"\s+", " ", second.log
        )


def test_players_that_are_killed_are_down(staff: tuple[Company, Player, Player]) -> None:
    _, miner, fisherman = staff
    targets = {"infernet-miner": miner.url, "infernet-fisherman": fisherman.url}
    prometheus = Prometheus(targets, start=time.time())
    prometheus.scrape(2)
    assert prometheus.firing() == set()
    for player in (miner, fisherman):
        player.kill()
    prometheus.scrape()
    assert prometheus.firing() == set()
    prometheus.scrape()
    assert prometheus.firing() == {"MinerDown", "FishermanDown"}
