"""Rows: what `infernet model digest --json` says at a place."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .places import Place

Row = dict[str, Any]
THREADS = (1, 2)


class Failed(Exception):
    """The command ended with an error; the message is what it said last."""


def rows_at(place: Place, models: Sequence[Path], threads: Sequence[int] = THREADS) -> list[Row]:
    """Return a row for each number of threads."""
    command = [*place.python, "-m", "infernet", "model", "digest", "--json", *map(str, models)]
    for count in threads:
        command += ["--threads", str(count)]
    done = subprocess.run(
        command,
        env={**os.environ, **place.variables},
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{place.name}: {done.stderr.strip()[-2000:]}")
    return read_rows(done.stdout)


def read_rows(text: str) -> list[Row]:
    """Return the rows of a text that has one a line."""
    return [json.loads(line) for line in text.splitlines()]


def differences(rows: Iterable[Row]) -> list[str]:
    """Return what keeps rows from being of machines that agree; none if they do."""
    wrong: list[str] = []
    digests: dict[str, str] = {}
    for row in rows:
        where = f"{row['processor']}, {row['architecture']}, {row['threads']} thread(s)"
        if row["conformance"] != row["expected_conformance"]:
            wrong.append(f"{where}: the vectors' digest is not the published one")
        for entry in row["models"]:
            first = digests.setdefault(entry["program_root"], entry["digest"])
            if {entry["digest"], entry["expected_digest"] or first} != {first}:
                wrong.append(f"{where}: {entry['name']} has another digest")
            if entry["engine"].startswith("reference"):
                wrong.append(f"{where}: {entry['name']} was run by the reference, not an engine")
    return wrong
