"""One digest over every tensor that a model computes, for comparing machines, engines and threads.

`python -m tests.exactness FOLDER [THREADS ...]` prints, for each model stored in FOLDER and each
thread count, its name, the threads and the digest of the fast engine. Another processor, or this
one with features hidden, must print the same lines.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import numpy as np

from infernet.backend.engine import Engine, OrtEngine
from infernet.backend.hashing import hash_bytes
from infernet.models.store import load_model
from interpreter.program import Program

INPUTS = 4


def inputs_of(program: Program) -> list[np.ndarray]:
    """Return `INPUTS` inputs: noise, a smooth ramp, both ends of the range, and a constant."""
    count = program.header.input_type.byte_count
    rng = np.random.default_rng(count)
    return [
        rng.integers(0, 256, count, dtype=np.uint8),
        (np.sin(np.arange(count) / 97) * 127 + 128).astype(np.uint8),
        rng.choice(np.array([0, 255], np.uint8), count),
        np.full(count, 255, np.uint8),
    ]


def tensors_of(engine: Engine, data: np.ndarray) -> dict[int, np.ndarray]:
    """Return every tensor of a run of one iteration, by the operator that stored it."""
    (exposed,) = engine.expose(data, 1, [0])
    return exposed.tensors


def digest(engine: Engine) -> str:
    """Return the digest of all tensors of all inputs, in hexadecimal."""
    hasher = sha256()
    for data in inputs_of(engine.program):
        tensors = tensors_of(engine, data)
        for index in sorted(tensors):
            hasher.update(tensors[index].tobytes())
        hasher.update(engine.run(data).output.tobytes())
    return hasher.hexdigest()


def main(folder: Path, threads: list[int]) -> None:
    """Print the digests of the models in a folder."""
    for path in sorted(child for child in folder.iterdir() if child.is_dir()):
        program = load_model(path, hash_bytes).program
        for count in threads:
            print(path.name, count, digest(OrtEngine(program, count)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]] or [1, 2])
