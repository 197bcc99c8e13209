"""Compute every digest at every place of this machine, and compare.

`python -m tests.machines [PLACE …] [--record] [--write]`. Real models are compared where
INFERNET_TEST_DATA has them. Exits with 1 if a digest differs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from .models import import_models
from .places import PROFILES, TOO_OLD, Place, Unusable, arm64, masked, zen
from .rows import Failed, Row, differences, rows_at
from .table import FOLDER, recorded, write

PLACES: dict[str, Callable[[], Place]] = {
    **{name: partial(masked, profile) for profile, (name, _) in PROFILES.items()},
    "amd-zen3-emulated": zen,
    "arm64-emulated": arm64,
    "arm64-emulated-cortex-a72": partial(arm64, "cortex-a72"),
}


def main() -> int:
    """Run and compare; return the exit status."""
    parser = argparse.ArgumentParser(description="Compare the digests of this machine's places.")
    parser.add_argument("places", nargs="*", help=f"of {', '.join(PLACES)}; all if none is named")
    parser.add_argument("--record", action="store_true", help="write the rows to docs/machines")
    parser.add_argument("--write", action="store_true", help="only make docs/conformance.md anew")
    arguments = parser.parse_args()
    if unknown := set(arguments.places) - PLACES.keys():
        parser.error(f"no place is called {', '.join(unknown)}")
    if arguments.write:
        write()
        return 0
    found: dict[str, list[Row]] = {}
    failed: list[str] = []
    for name, rows in _rows(arguments.places or list(PLACES), failed):
        found[name] = rows
        if arguments.record:
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (FOLDER / f"{name}.jsonl").write_text(lines)
            write()
    everything = [row for rows in {**recorded(), **found}.values() for row in rows]
    wrong = failed + differences(everything)
    print("\n".join(wrong) or f"{len(everything)} rows, {len(found)} places run: all digests equal")
    return 0 if found and not wrong and _refuses_the_oldest() else 1


def _rows(places: list[str], failed: list[str]) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each place that can be had; add to `failed` what others say."""
    with tempfile.TemporaryDirectory() as home:
        models = import_models(Path(home)) if os.environ.get("INFERNET_TEST_DATA") else []
        if not models:
            print("INFERNET_TEST_DATA is not set: shipped models alone")
        for name in places:
            try:
                rows = rows_at(PLACES[name](), models)
            except Unusable as error:
                print(f"{name:26} left out: {error}", flush=True)
                continue
            except Failed as error:
                failed.append(str(error))
                continue
            for row in rows:
                digests = " ".join(entry["digest"][:8] for entry in row["models"])
                print(f"{name:26} {row['threads']} {row['conformance'][:8]} {digests}", flush=True)
            yield name, rows


def _refuses_the_oldest() -> bool:
    """Say whether a processor below NumPy's baseline is told so, where one can be had."""
    try:
        rows_at(masked(TOO_OLD), [])
    except Unusable:
        return True
    except Failed as error:
        print(f"below NumPy's baseline: {str(error).splitlines()[-1]}")
        return "baseline" in str(error)
    print("a processor without SSE4 was not refused")
    return False


if __name__ == "__main__":
    sys.exit(main())
