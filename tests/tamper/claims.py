"""False results: what a liar says that a run leaves, and the states that it plays from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from infernet.backend.hashing import hash_bytes
from infernet.backend.trace import Trace
from interpreter.merkle import Hash
from interpreter.program import Program, Step
from interpreter.state import final_state
from tests.e2e.disputes_arena import Claim
from tests.e2e.disputes_liars import TraceClaim

from .networks import Constant, Network, Number, run_of

Output = np.ndarray


class Falsehood(Protocol):
    """A way to make a false claim about a network's run."""

    def claim(self, network: Network) -> Claim:
        """Return the claim."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run's states up to its last, which is what another output and flag make of it."""

    trace: Trace
    output: Output
    halted: bool

    @property
    def final(self) -> Hash:
        """Return the final state hash."""
        return _end(self.trace.program, Step(self.trace.steps), self.output, self.halted)

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the run's hashes, but for the last state."""
        found = self.trace.state_hashes(steps)
        pairs = zip(steps, found, strict=True)
        return [self.final if step == self.trace.steps else value for step, value in pairs]

    def proof(self, step: Step) -> bytes:
        """Return the run's proof."""
        return self.trace.proof(step)


def _end(program: Program, at: Step, output: Output, halted: bool) -> Hash:
    return final_state(program.header, hash_bytes(output).root, at, halted).hash


# Another end behind true states


def _at(index: int, amount: int) -> Callable[[Output], None]:
    def change(output: Output) -> None:
        output[index] = (int(output[index]) + amount) % 256

    return change


def _swap(output: Output) -> None:
    other = next(i for i in range(len(output)) if output[i] != output[0])
    output[[0, other]] = output[[other, 0]]


def _flip(output: Output) -> None:
    output[len(output) // 2] ^= 16


def _blank(output: Output) -> None:
    output[:] = 0


CHANGES: dict[str, Callable[[Output], None]] = {
    "first byte": _at(0, 1),
    "last byte": _at(-1, 255),
    "one bit": _flip,
    "two bytes swapped": _swap,
    "all zeros": _blank,
}


@dataclass(frozen=True, slots=True)
class Behind:
    """True states, and behind them an output that is changed."""

    change: str

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        truth = network.truth
        output = np.frombuffer(truth.output, np.uint8).copy()
        CHANGES[self.change](output)
        return Ended(truth, output, truth.halted)


@dataclass(frozen=True, slots=True)
class OtherFlag:
    """The true output with the other halted flag."""

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        truth = network.truth
        return Ended(truth, np.frombuffer(truth.output, np.uint8), not truth.halted)


@dataclass(frozen=True, slots=True)
class OtherTask:
    """True states, and behind them the end of another task's run."""

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        other = network.other
        return Ended(network.truth, np.frombuffer(other.output, np.uint8), other.halted)


# Runs of something else


@dataclass(frozen=True, slots=True)
class OtherInput:
    """The whole run of another input."""

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        return TraceClaim(network.other)


@dataclass(frozen=True, slots=True)
class Revision:
    """The whole run of a changed program."""

    change: Constant | Number

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        return TraceClaim(run_of(self.change.apply(network.program), network.truth))


@dataclass(frozen=True, slots=True)
class Fewer:
    """A run of fewer iterations, said to be the whole."""

    iterations: int

    def claim(self, network: Network) -> Claim:
        """Return the claim."""
        truth = network.truth
        return _Stopped(Trace(truth.program, truth.data, truth.engine, self.iterations), truth)


class _Stopped:
    """A run that stands still after its end."""

    def __init__(self, trace: Trace, truth: Trace) -> None:
        self.trace, self.truth = trace, truth
        self.output, self.halted = np.frombuffer(trace.output, np.uint8), trace.halted
        self.final = self._after(Step(truth.steps))

    def _after(self, at: Step) -> Hash:
        return _end(self.trace.program, at, self.output, self.halted)

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step."""
        inside = [step for step in steps if step < self.trace.steps]
        found = dict(zip(inside, self.trace.state_hashes(inside), strict=True))
        return [found[step] if step in found else self._after(step) for step in steps]

    def proof(self, step: Step) -> bytes:
        """Return the true run's proof: there is no other."""
        return self.truth.proof(step)
