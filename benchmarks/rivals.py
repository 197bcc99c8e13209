"""Our figures beside rivals' on their own shapes, theirs as measured on two cores.

Needs `INFERNET_TEST_DATA`. Committing is timed in this process; the dispute is a whole
`infernet demo` on the embedded chain, in its own process, whose peak memory is the operating
system's figure.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from infernet.backend.engine import open_engine
from infernet.backend.hashing import hash_bytes
from infernet.models.store import load_model
from interpreter.state import final_state

RUNS = 200
SHAPES = (
    ("mlp-784-20-10", (1, 784)),
    ("mnist", (1, 1, 28, 28)),
)
THEIRS = {
    "mlp-784-20-10": (
        ("opML", "dispute", "77 transactions, 10.1 M gas, one-step proof 6.1 M gas, 93 s"),
        ("EZKL", "proof", "setup 6.7 s, proof 3.1 s, 339 MiB, proving key 138 MB"),
    ),
    "mnist": (("EZKL", "proof", "setup 371 s, proof 255 s, 21.4 GiB, proving key 9.2 GB"),),
}


def infernet(arguments: list[str], data_dir: Path) -> str:
    """Run the command `infernet` in its own process and return what it printed."""
    environment = {**os.environ, "INFERNET_DATA_DIR": str(data_dir)}
    command = [str(Path(sys.executable).with_name("infernet")), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"infernet {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def time_commit(name: str, data_dir: Path, data: np.ndarray) -> float:
    """Return the median seconds from input bytes to (output, final state hash), one thread."""
    model = load_model(str(data_dir / "models" / name), hash_bytes)
    program = model.program
    engine = open_engine(program, threads=1)
    steps, committed = program.header.steps_per_iteration, b""
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        root = hash_bytes(engine.run(data).output).root
        committed = final_state(program.header, root, steps, False).hash
        seconds.append(time.perf_counter() - began)
    assert committed
    return median(seconds)


def measure(name: str, shape: tuple[int, ...], source: Path, data_dir: Path) -> dict[str, Any]:
    """Import a network, commit to a result and play a whole dispute."""
    rng = np.random.default_rng(1)
    calibration = data_dir / f"{name}-calibration.npz"
    np.savez(calibration, *(rng.random(shape, np.float32) for _ in range(8)))
    infernet(["model", "import", str(source), "--name", name, "--calibration", str(calibration)],
             data_dir)  # fmt: skip
    picture = data_dir / f"{name}.npy"
    header = load_model(str(data_dir / "models" / name), hash_bytes).program.header
    data = rng.integers(0, 256, header.input_type.byte_count, np.uint8)
    np.save(picture, rng.random(shape, np.float32))
    commit = time_commit(name, data_dir, data)
    shown = infernet(["demo", "--json", "--seed", "1", "--model", name, "--input", str(picture)],
                     data_dir)  # fmt: skip
    return {"commit": commit, **json.loads(shown)}


def main() -> int:
    """Print the table; return 0, as nothing here has a target."""
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        print("left out: INFERNET_TEST_DATA is not set")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for name, shape in SHAPES:
            found = measure(name, shape, Path(root) / "onnx-small" / f"{name}.onnx", Path(folder))
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"{name}")
            print(f"  InferNet  commit   {found['commit'] * 1e6:.0f} µs from input to state hash")
            dispute = found["dispute"]
            print(
                f"  InferNet  dispute  {len(dispute['transactions'])} transactions, "
                f"{dispute['gas'] / 1e6:.2f} M gas, one-step proof "
                f"{found['proof_gas'] / 1e3:.0f} k gas"
            )
            print(
                f"  InferNet  all      {found['seconds']:.1f} s and {peak:.0f} MiB for chain, "
                "deployment, registration, an honest and a disputed task"
            )
            for who, what, figures in THEIRS[name]:
                print(f"  {who:9} {what:8} {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
