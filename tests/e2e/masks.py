"""Digests of stored models under processors with features hidden."""

from pathlib import Path

import pytest

from tests.machines.places import PROFILES, Unusable, masked
from tests.machines.rows import rows_at

__all__ = ["PROFILES", "require_digests"]


def require_digests(profile: str, folder: Path, digests: dict[str, str]) -> None:
    """Check that each model of a folder has its digest with 1 and 2 threads; skip if impossible."""
    try:
        place = masked(profile)
    except Unusable as error:
        pytest.skip(str(error))
    models = [folder / name for name in sorted(digests)]
    rows = rows_at(place, models)
    assert [row["threads"] for row in rows] == [1, 2]
    for row in rows:
        found = {entry["name"]: entry["digest"] for entry in row["models"]}
        assert {name: found[name] for name in digests} == digests
        assert row["conformance"] == row["expected_conformance"]
