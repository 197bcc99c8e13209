"""docs/operating.md does what it says: its trial runs as it stands, its tables are complete."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from infernet.chain.connection import connect
from infernet.chain.deployment import Contracts, Deployment
from infernet.cli import KNOWN, exit_code_of
from infernet.config import load
from infernet.config.load import names
from infernet.config.show import lines
from tests.anvil import Anvil, find_anvil, free_port, needs_anvil

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
TASKS = 3
_SECONDS = 300


def section(title: str) -> str:
    """Return the text below a heading, up to the next of the same rank."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found)


def cells(title: str) -> list[list[str]]:
    """Return the rows of the first table of a section, without its head."""
    rows = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows[2:]]


def script(node: int, metrics: int, more_metrics: int) -> str:
    """Return the commands of the trial, with ports that are free here."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", section("Try it without money"), re.M | re.S)
    text = "\n".join(blocks).replace("8545", str(node))
    text = text.replace("port = 9090/port = 9091", f"port = 9090/port = {more_metrics}")
    # The settings that `miner init` writes name the usual ports.
    free = f"sed -i 's/8545/{node}/' */miner.toml; sed -i 's/9090/{metrics}/' miner/miner.toml\n"
    assert "config check" in text and "anvil --silent" in text
    head = "set -euo pipefail\n"
    place = text.index("sed -i 's/port = 9090")
    text = text[:place] + free + text[place:]
    return head + text.replace("anvil --silent", f"anvil --port {node} --silent")


def let_time_pass(node: Anvil, file: Path, is_over: threading.Event) -> None:
    """Once all results are asserted and checked, skip the window that a person waits for."""
    while not is_over.wait(0.3):
        log = file.parent / "fisherman.log"
        if log.exists() and log.read_text().count("result_checked") == TASKS:
            contracts = Contracts(connect(node.url), Deployment.from_file(file))
            node.skip(contracts.market_constants.window_seconds + 1)
            return


@pytest.mark.slow
@needs_anvil
def test_the_trial_runs_as_it_is_written(tmp_path: Path) -> None:
    port = free_port()
    commands = script(port, free_port(), free_port())
    program = find_anvil()
    assert program
    around = {name: value for name, value in os.environ.items() if "INFERNET" not in name}
    around |= {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "COLUMNS": "80"}
    places = [str(Path(sys.executable).parent), str(program.parent), around["PATH"]]
    around["PATH"] = os.pathsep.join(places)
    is_over = threading.Event()
    clock = threading.Thread(
        target=let_time_pass, args=(Anvil(port), tmp_path / "trial/contracts.json", is_over)
    )
    clock.start()
    process = subprocess.Popen(
        ["bash", "-c", commands],
        cwd=ROOT,
        env=around,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, said = process.communicate(timeout=_SECONDS)
    finally:
        is_over.set()
        clock.join()
        # All that the script started is in its session, and some may have outlived it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, f"{printed}\n{said}"
    assert f"final {TASKS}" in printed
    assert "fees 0.030000" in printed
    assert f"checked {TASKS} of {TASKS} sampled" in printed
    assert "8.03 ETH taken out; 0 ETH stay locked" in said
    status = [line for line in printed.splitlines() if line.startswith(("│", "╭", "╰"))]
    assert status and max(map(len, status)) <= 80


def test_every_setting_is_in_the_table_with_its_true_default(tmp_path: Path) -> None:
    empty = tmp_path / "miner.toml"
    empty.touch()
    expected = []
    for line in lines(load(empty, environment={})):
        value = json.dumps(line.value).strip('"') if line.value is not None else "–"
        unit = f" {line.unit}" if line.unit and line.value is not None else ""
        expected.append([line.name, f"{value}{unit}", line.variable, line.help])
    assert cells("Settings") == expected
    assert len(expected) == len(list(names()))


def test_every_exit_code_is_in_the_table() -> None:
    listed = {int(row[0]) for row in cells("Exit codes")}
    assert {exit_code_of(kind.__new__(kind)) for kind in KNOWN} <= listed
    assert listed == set(range(11))


def test_the_section_that_doctor_names_is_there() -> None:
    assert "Start the player again" in section("After a crash")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)[^)]*\)", GUIDE))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
