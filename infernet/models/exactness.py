"""One digest over every tensor that a model computes: equal on every machine that is exact.

Runs and digests are defined by integers and SHAKE-256 alone, so that no other library's version or
instruction set has a say in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256, shake_256

import numpy as np
import numpy.typing as npt

from infernet.backend.engine import Engine
from infernet.backend.sequence.plan import is_of_sequences
from interpreter.operators import Embed, decode
from interpreter.program import Program

from .sequence.request import SEED_BYTES, encode_request

Bytes = npt.NDArray[np.uint8]

# Prompts of a decoder, and positions that are run of each.
PROMPTS, POSITIONS = (1, 24, 40), 48
# The ramp's rise from byte to byte.
_SLOPE = 5


@dataclass(frozen=True, slots=True)
class Run:
    """An input and for how many iterations it is run."""

    data: Bytes
    iterations: int = 1


def digest_of(engine: Engine) -> str:
    """Return, in hexadecimal, the digest of all tensors, kept ones and ends of all runs."""
    hasher = sha256()
    for run in runs_of(engine.program):
        outcome = engine.run(run.data, run.iterations)
        for exposed in engine.expose(run.data, run.iterations, range(run.iterations)):
            for tensors in (exposed.tensors, exposed.kept):
                for index in sorted(tensors):
                    hasher.update(tensors[index].tobytes())
        hasher.update(outcome.output.tobytes() + bytes([outcome.halted]))
    return hasher.hexdigest()


def runs_of(program: Program) -> list[Run]:
    """Return requests of a decoder, sequences of an encoder, or the inputs of another program."""
    if program.header.max_iterations > 1:
        return list(_requests_of(program))
    runs = [Run(data) for data in inputs_of(program)]
    if is_of_sequences(program):
        count = program.header.input_type.count
        for run, length in zip(runs, (1, count // 2, count, 17), strict=True):
            words = run.data.view(program.header.input_dtype.numpy)
            for table in _tables_of(program)[:1]:
                words %= table.entries
            # The last element of an encoder's input is its length.
            words[-1] = length
    return runs


def inputs_of(program: Program) -> list[Bytes]:
    """Return four inputs: noise, a ramp up and down, both ends of the range, and a constant."""
    count = program.header.input_type.byte_count
    noise = _noise(f"{count} bytes", count)
    ramp = np.abs(np.arange(count) * _SLOPE % 510 - 255).astype(np.uint8)
    ends = np.where(_noise(f"{count} ends", count) & 1, 255, 0).astype(np.uint8)
    return [noise, ramp, ends, np.full(count, 255, np.uint8)]


def _requests_of(program: Program) -> Iterator[Run]:
    """Yield prompts of a decoder, greedy and sampled ones in turns."""
    context = program.header.max_iterations
    entries = _tables_of(program)[0].entries
    for number, length in enumerate(PROMPTS):
        words = _noise(f"{context} prompt {number}", 4 * min(length, context)).view("<u4")
        seed = _noise(f"{context} seed {number}", SEED_BYTES).tobytes()
        # The first three tokens are no words in many vocabularies.
        prompt = [3 + int(word) % (entries - 3) for word in words]
        temperature = float(number % 2)
        data = encode_request(prompt, context, entries, temperature=temperature, seed=seed)
        yield Run(data, min(POSITIONS, context))


def _tables_of(program: Program) -> list[Embed]:
    """Return the tables that a program's input chooses rows of."""
    embeds = (op for op in map(decode, program.operators) if isinstance(op, Embed))
    return [embed for embed in embeds if not embed.is_by_row]


def _noise(name: str, count: int) -> Bytes:
    return np.frombuffer(bytearray(shake_256(name.encode()).digest(count)), np.uint8)
