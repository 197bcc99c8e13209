"""The kinds of lies, when each is told, and the runs that tell them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path

import numpy as np

from infernet.actors.holdings import Holding, Run
from infernet.backend.hashing import hash_bytes
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter.merkle import Hash
from interpreter.program import Header, Step
from interpreter.state import final_state


class Kind(StrEnum):
    """What a liar does.

    FIRST, LAST, ANY: a false step and faithful arithmetic after it. OUTPUT: another output behind
    true states. OTHER_INPUT: the run of another input. HALTED: the true output as one of a program
    that halted, which makes its root false. HIDDEN: any output for an input that nobody is shown.
    SILENT_0, SILENT_1: a false step, and not a word after so many moves.
    """

    FIRST = "false first step"
    LAST = "false last step"
    ANY = "false step at random"
    OUTPUT = "other output, true states"
    OTHER_INPUT = "run of another input"
    HALTED = "true output, false root"
    HIDDEN = "input withheld"
    SILENT_0 = "silent after the result"
    SILENT_1 = "silent after one move"


_MOVES = {Kind.SILENT_0: 0, Kind.SILENT_1: 1}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is told when: for each liar, which of its results is what; and which requests hide.

    The numbers are of a liar's own results, and of requests, from 0.
    """

    told: tuple[dict[int, Kind], ...]
    hidden: frozenset[int]

    @property
    def lies(self) -> int:
        """Return how many lies there are."""
        return len(self.hidden) + sum(map(len, self.told))


def draw(tasks: int, share: float, liars: int, miners: int, seed: int) -> Plan:
    """Return a plan with a share of lies, each kind as often as any other, give or take one.

    A liar has told all of its lies by three quarters of the results that are its part among so
    many `miners`, so that chance in who claims what leaves no lie untold.
    """
    rng, kinds = random.Random(seed), list(Kind)
    wanted = [kinds[number % len(kinds)] for number in range(max(1, round(tasks * share)))]
    rng.shuffle(wanted)
    hidden = rng.sample(range(tasks), wanted.count(Kind.HIDDEN))
    shown = [kind for kind in wanted if kind is not Kind.HIDDEN]
    told = list[dict[int, Kind]]()
    for liar in range(liars):
        own = shown[liar::liars]
        places = rng.sample(range(max(len(own), tasks * 3 // (miners * 4))), len(own))
        told.append(dict(zip(places, own, strict=True)))
    return Plan(tuple(told), frozenset(hidden))


def write(path: Path, told: dict[int, Kind]) -> None:
    """Write what one liar tells, for its process to read."""
    path.write_text(json.dumps({str(place): kind.value for place, kind in told.items()}))


def read(path: Path) -> dict[int, Kind]:
    """Return what one liar tells."""
    return {int(place): Kind(kind) for place, kind in json.loads(path.read_text()).items()}


@dataclass(frozen=True, slots=True)
class Ending:
    """A run with another end: its output, and the hash of its last state."""

    run: Run
    steps: int
    output: bytes
    halted: bool
    final: Hash

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step, in the order given."""
        true = self.run.state_hashes(steps)
        return [
            self.final if step == self.steps else hash_
            for step, hash_ in zip(steps, true, strict=True)
        ]

    def proof(self, step: Step) -> bytes:
        """Return the one-step proof of `step`."""
        return self.run.proof(step)


def false_run(kind: Kind, holding: Holding, truth: Trace, seed: bytes) -> Run:
    """Return the run that a liar tells instead of the true one; the same for the same seed."""
    rng = random.Random(seed)
    if kind is Kind.OTHER_INPUT:
        return _elsewhere(holding, truth, rng)
    if kind in (Kind.OUTPUT, Kind.HALTED):
        is_halted = truth.halted != (kind is Kind.HALTED)
        output = truth.output if kind is Kind.HALTED else _changed(truth.output, rng)
        final = _final(truth.program.header, truth.steps, output, is_halted)
        return Ending(truth, truth.steps, output, is_halted, final)
    step = {Kind.FIRST: 0, Kind.LAST: truth.steps - 1}.get(kind, rng.randrange(truth.steps))
    return TamperedTrace(truth, Step(step), Mutation(rng.choice((1, -1, 77, 1_000_003))))


def blank_run(header: Header, iterations: int) -> Run:
    """Return what a liar tells of an input that it does not know."""
    output, steps = bytes(header.output_type.byte_count), header.steps_per_iteration * iterations
    return Ending(_NoRun(), steps, output, False, _final(header, steps, output, False))


def is_silent(kind: Kind | None, moves_made: int) -> bool:
    """Say whether a liar makes no further move."""
    return kind in _MOVES and moves_made >= _MOVES[kind]


class _NoRun:
    """The run that nobody has made; it is never asked about."""

    output, halted = b"", False

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Refuse."""
        raise LookupError("the input of this run is not known")

    def proof(self, step: Step) -> bytes:
        """Refuse."""
        raise LookupError("the input of this run is not known")


def _elsewhere(holding: Holding, truth: Trace, rng: random.Random) -> Run:
    """Return the run of another input that has another output."""
    for _ in count():
        run = holding.start_run(rng.randbytes(len(truth.data)), truth.iterations)
        if run.output != truth.output:
            return run
    raise AssertionError("the loop above has no end")


def _changed(output: bytes, rng: random.Random) -> bytes:
    changed = bytearray(output)
    changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
    return bytes(changed)


def _final(header: Header, steps: int, output: bytes, is_halted: bool) -> Hash:
    root = hash_bytes(np.frombuffer(output, np.uint8)).root
    return final_state(header, root, steps, is_halted).hash
