"""Seconds to import: from a built float graph to a stored program, calibration included."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from infernet.backend.hashing import hash_bytes, hashing_status
from infernet.models.build import IMAGENET, TOPOLOGIES, synthetic_images, topology
from infernet.models.pipeline import Options, import_source
from infernet.models.source import read_onnx
from infernet.models.store import load_model, save_model

SEED = 1
CALIBRATION_IMAGES = 8
REPEATS = 3


def measure(name: str, folder: Path) -> tuple[list[float], list[float], int]:
    """Return seconds of each import and of each load, and the bytes of constants."""
    path = folder / f"{name}.onnx"
    path.write_bytes(topology(name, SEED).SerializeToString())
    images = synthetic_images(CALIBRATION_IMAGES, SEED)
    options = Options(name, path.name, pixels=IMAGENET, hash_bytes=hash_bytes)
    imports, loads, size = [], [], 0
    for _ in range(REPEATS):
        started = perf_counter()
        model = import_source(read_onnx(path), options, images)
        stored = save_model(model, folder=folder / "models", replace=True)
        imports.append(perf_counter() - started)
        started = perf_counter()
        size = load_model(stored, hash_bytes).program.header.constants_bytes
        loads.append(perf_counter() - started)
    return imports, loads, size


def main() -> int:
    """Print the table; there is no target to miss."""
    print(f"hashing: {hashing_status()}; {CALIBRATION_IMAGES} calibration images")
    print(f"{'network':<14}{'constants':>14}{'import':>11}{'load, checked':>17}")
    with tempfile.TemporaryDirectory() as folder:
        for name in TOPOLOGIES:
            imports, loads, size = measure(name, Path(folder))
            print(f"{name:<14}{size:>14,}{median(imports):>9.2f} s{median(loads):>15.2f} s")
    return 0


if __name__ == "__main__":
    main()
