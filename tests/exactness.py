"""One digest over every tensor that a model computes, for comparing machines, engines and threads.

`python -m tests.exactness FOLDER [THREADS ...]` prints, for each model stored in FOLDER and each
thread count, its name, the threads and the digest of the fast engine. Another processor, or this
one with features hidden, must print the same lines.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from infernet.backend.engine import Engine, open_engine
from infernet.backend.errors import UnsupportedProgram
from infernet.backend.hashing import hash_bytes
from infernet.backend.sequence.plan import is_of_sequences
from infernet.models.sequence.request import LENGTH, encode_request
from infernet.models.store import load_model
from interpreter.operators import Embed, decode
from interpreter.program import Program

INPUTS = 4
# Prompts of a decoder, and positions that are run of each.
PROMPTS, POSITIONS = (1, 24, 40), 48


@dataclass(frozen=True, slots=True)
class Run:
    """An input and for how many iterations it is run."""

    data: np.ndarray
    iterations: int = 1


def runs_of(program: Program) -> list[Run]:
    """Return requests of a decoder, sequences of an encoder, or the inputs of another program."""
    if program.header.max_iterations > 1:
        return requests_of(program)
    runs = [Run(data) for data in inputs_of(program)]
    if is_of_sequences(program):
        count = program.header.input_type.count
        for run, length in zip(runs, (1, count // 2, count, 17), strict=True):
            # The last element of an encoder's input is its length.
            run.data.view(program.header.input_dtype.numpy)[-1] = length
    return runs


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


def requests_of(program: Program) -> list[Run]:
    """Return prompts of a decoder, greedy and sampled ones in turns."""
    context = program.header.max_iterations
    words = next(op for op in map(decode, program.operators) if isinstance(op, Embed)).entries
    rng, runs = np.random.default_rng(context), []
    for number, length in enumerate(PROMPTS):
        prompt = [int(token) for token in rng.integers(3, words, length)]
        request = (prompt, context, words)
        data = encode_request(*request, temperature=float(number % 2), seed=rng.bytes(32))
        assert data.view("<i4")[LENGTH] == length
        runs.append(Run(data, min(POSITIONS, context)))
    return runs


def tensors_of(engine: Engine, data: np.ndarray) -> dict[int, np.ndarray]:
    """Return every tensor of a run of one iteration, by the operator that stored it."""
    (exposed,) = engine.expose(data, 1, [0])
    return exposed.tensors


def digest(engine: Engine) -> str:
    """Return the digest of all tensors, kept ones, and ends of all runs, in hexadecimal."""
    hasher = sha256()
    for run in runs_of(engine.program):
        outcome = engine.run(run.data, run.iterations)
        for exposed in engine.expose(run.data, run.iterations, range(run.iterations)):
            for tensors in (exposed.tensors, exposed.kept):
                for index in sorted(tensors):
                    hasher.update(tensors[index].tobytes())
        hasher.update(outcome.output.tobytes() + bytes([outcome.halted]))
    return hasher.hexdigest()


def main(folder: Path, threads: list[int]) -> None:
    """Print the digests of the models in a folder."""
    for path in sorted(child for child in folder.iterdir() if child.is_dir()):
        program = load_model(path, hash_bytes).program
        for count in threads:
            engine = open_engine(program, count)
            if engine.reasons:
                raise UnsupportedProgram(f"{path.name}: {'; '.join(engine.reasons)}")
            print(path.name, count, digest(engine), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]] or [1, 2])
