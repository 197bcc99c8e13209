"""Prove sampled steps of networks of true size: `python -m tests.twin.large resnet50 --count 2000`.

The first and last step of every operator, the corners of every convolution and pool, and random
steps are proven on chain from the fast backend's states, and forged.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from infernet.backend.engine import open_engine
from infernet.backend.hashing import hash_bytes
from infernet.backend.trace import Trace
from infernet.models.build import synthetic_images, topology
from infernet.models.manifest import input_bytes
from infernet.models.pipeline import Model, Options, import_source
from infernet.models.source import read_model
from interpreter.operators import Conv, MaxPool, decode
from interpreter.program import DESCRIPTOR_BYTES, Program, Step

from .bulk import Report
from .evm import Contracts
from .steps import Case

NETWORKS = ("mobilenetv2", "resnet50")
CALIBRATION_IMAGES = 2


def network(name: str, seed: int) -> tuple[Model, np.ndarray]:
    """Return a built network and the bytes of an input."""
    images = synthetic_images(CALIBRATION_IMAGES, seed)
    source = read_model(topology(name, seed), f"{name} {seed}")
    model = import_source(source, Options(name, hash_bytes=hash_bytes), images)
    return model, input_bytes(model.manifest, images[0])


def sample(program: Program, count: int, rng: np.random.Generator) -> list[Step]:
    """Return `count` steps: ends of operators and corners of windows first, then random ones."""
    wanted: set[int] = set()
    for operator in program.operators:
        instruction = decode(operator)
        first = operator.first_step
        wanted |= {first, first + instruction.steps - 1}
        if isinstance(instruction, Conv | MaxPool):
            wanted |= {first + index for index in corners(instruction, rng)}
    total = program.header.steps_per_iteration
    while len(wanted) < count:
        wanted.add(int(rng.integers(total)))
    return [Step(int(at)) for at in rng.permutation(sorted(wanted))[:count]]


def corners(instruction: Conv | MaxPool, rng: np.random.Generator) -> list[int]:
    """Return steps of the four corners of the output: a run, and the finish."""
    w = instruction.window
    elements = instruction.out_count
    channels = elements // (w.out_height * w.out_width)
    per_element = instruction.steps // elements
    found = []
    for row in (0, w.out_height - 1):
        for column in (0, w.out_width - 1):
            position = row * w.out_width + column
            element = position * channels + int(rng.integers(channels))
            phase = int(rng.integers(per_element))
            found += [element * per_element + phase, (element + 1) * per_element - 1]
    return found


def register(contracts: Contracts, program: Program, chunk: int = 100) -> list[int]:
    """Register a program in chunks and return the gas of each call."""
    header = program.header.encode()
    descriptors = b"".join(operator.encode() for operator in program.operators)
    size = chunk * DESCRIPTOR_BYTES
    gas = [contracts.register(header, descriptors[:size]).gas]
    for start in range(size, len(descriptors), size):
        gas.append(contracts.extend(header, descriptors[start : start + size]).gas)
    assert contracts.model(program.root)["registered"]
    return gas


def prove_sample(name: str, count: int, seed: int) -> tuple[Report, list[int]]:
    """Prove `count` steps of a network; return what was proven and the gas of registration."""
    rng, contracts = np.random.default_rng(seed), Contracts()
    model, data = network(name, seed)
    program = model.program
    registration = register(contracts, program)
    trace = Trace(program, data, open_engine(program, threads=2))
    report = Report(programs=1)
    for at in sample(program, count, rng):
        proof = trace.one_step_proof(at)
        after = trace.state(Step(at + 1))
        case = Case(program, at, proof, trace.state(at), after, iterations=1)
        report.prove(contracts, case, rng)
    return report, registration


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Prove sampled steps of a large network.")
    parser.add_argument("name", choices=NETWORKS)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    report, registration = prove_sample(arguments.name, arguments.count, arguments.seed)
    print(f"registration: {len(registration)} calls, {sum(registration)} gas")
    report.show(time.monotonic() - began)


if __name__ == "__main__":
    main()
