"""A toy machine whose whole run is known, and a small language for games over it.

The state is one number; a step is `x := (multiplier·x + increment) mod 2^64`. States, proofs and
verdicts are as real as those of the reference machine, only small: enough to try every strategy.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from interpreter.merkle import Hash
from interpreter.program import Step

from .errors import GameError, IllegalMove, InvalidProof
from .game import (
    Assertion,
    ClaimTimeout,
    Clocks,
    Dissect,
    Game,
    Move,
    Player,
    Prove,
    Seconds,
    new_game,
)
from .referee import ExecuteStep, claim_timeout, play
from .solver import TraceProvider, next_actions

_STATE = struct.Struct(">QQ")
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class ToyMachine:
    """An affine counter that starts at `seed`."""

    seed: int
    multiplier: int = 6364136223846793005
    increment: int = 1442695040888963407

    def after(self, value: int) -> int:
        """Return the value one step later."""
        return (self.multiplier * value + self.increment) & _MASK

    def value_at(self, step: int) -> int:
        """Return the value before `step`, by repeated squaring of the affine map."""
        value, a, b = self.seed, self.multiplier, self.increment
        while step:
            if step & 1:
                value = (a * value + b) & _MASK
            a, b = a * a & _MASK, (a * b + b) & _MASK
            step >>= 1
        return value

    def execute(self, step: Step, proof: bytes) -> tuple[Hash, Hash]:
        """Run one step from a proof: (pre-state hash, post-state hash)."""
        if len(proof) != _STATE.size:
            raise InvalidProof(f"a toy proof has {_STATE.size} bytes, not {len(proof)}")
        at, value = _STATE.unpack(proof)
        if at != step:
            raise InvalidProof(f"the proof is of step {at}, the dispute is about step {step}")
        return toy_hash(step, value), toy_hash(Step(step + 1), self.after(value))


def toy_hash(step: Step, value: int) -> Hash:
    """Return the hash of a toy state."""
    return Hash(sha256(_STATE.pack(step, value)).digest())


@dataclass(frozen=True, slots=True)
class ToyTrace:
    """The true run of a toy machine."""

    machine: ToyMachine

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step."""
        return [toy_hash(step, self.machine.value_at(step)) for step in steps]

    def proof(self, step: Step) -> bytes:
        """Return the proof of one step."""
        return _STATE.pack(step, self.machine.value_at(step))


@dataclass(frozen=True, slots=True)
class CoherentLie:
    """A run that is true up to `lie_at`, whose step stores a wrong value; then computes on."""

    machine: ToyMachine
    lie_at: Step
    offset: int = 1

    def _value(self, step: Step) -> int:
        if step <= self.lie_at:
            return self.machine.value_at(step)
        wrong = (self.machine.value_at(self.lie_at + 1) + self.offset) & _MASK
        later = ToyMachine(wrong, self.machine.multiplier, self.machine.increment)
        return later.value_at(step - self.lie_at - 1)

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the claimed state hash before each step."""
        return [toy_hash(step, self._value(step)) for step in steps]

    def proof(self, step: Step) -> bytes:
        """Return the proof of one step from the claimed state."""
        return _STATE.pack(step, self._value(step))


@dataclass(frozen=True, slots=True)
class PatchedTrace:
    """A trace with some hashes replaced: an incoherent lie, or one about a single state."""

    base: TraceProvider
    patches: Mapping[Step, Hash]

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the claimed state hash before each step."""
        pairs = zip(steps, self.base.state_hashes(steps), strict=True)
        return [self.patches.get(step, value) for step, value in pairs]

    def proof(self, step: Step) -> bytes:
        """Return the proof that the base trace has."""
        return self.base.proof(step)


Strategy = Callable[[Game, Player, Seconds], "Move | ClaimTimeout | None"]
"""Chooses what to send, legal or not; None sends nothing and lets the clock run."""


def solver_strategy(trace: TraceProvider) -> Strategy:
    """Return the strategy of a player that follows `next_actions` over a trace."""

    def choose(game: Game, me: Player, now: Seconds) -> Move | ClaimTimeout | None:
        for action in next_actions(game, me, trace, now):
            if isinstance(action, Dissect | Prove | ClaimTimeout):
                return action
        return None

    return choose


@dataclass(slots=True)
class Record:
    """What happened in a game: the states it passed through and the moves that were refused."""

    games: list[Game]
    refused: list[tuple[Player, str]] = field(default_factory=list)

    @property
    def last(self) -> Game:
        """Return the game as it ended."""
        return self.games[-1]

    @property
    def winner(self) -> Player:
        """Return who won; raise GameError while the game is open."""
        if self.last.verdict is None:
            raise GameError("the game has no verdict yet")
        return self.last.verdict.winner


def play_out(
    game: Game,
    strategies: Mapping[Player, Strategy],
    execute: ExecuteStep,
    think_seconds: int = 7,
) -> Record:
    """Play a game to its verdict. Both players try at every tick; refused moves change nothing."""
    record = Record([game])
    now = game.opens_after
    while record.last.verdict is None:
        now = Seconds(now + think_seconds)
        for player, strategy in strategies.items():
            _attempt(record, player, strategy(record.last, player, now), now, execute)
    return record


def _attempt(
    record: Record,
    player: Player,
    choice: Move | ClaimTimeout | None,
    now: Seconds,
    execute: ExecuteStep,
) -> None:
    if choice is None or record.last.verdict is not None:
        return
    try:
        if isinstance(choice, ClaimTimeout):
            record.games.append(claim_timeout(record.last, now))
        else:
            record.games.append(play(record.last, player, choice, now, execute))
    except (IllegalMove, InvalidProof) as error:
        record.refused.append((player, str(error)))


@dataclass(frozen=True, slots=True)
class ToyGame:
    """A builder: who claims what, who plays how; `run` plays it to its verdict.

    `final`: the asserted final hash, the true one unless given. `think_seconds`: time that passes
    between two attempts.
    """

    machine: ToyMachine
    steps: int
    k: int
    final: Hash | None = None
    clock_seconds: int = 1000
    grace_seconds: int = 10
    think_seconds: int = 7

    @property
    def truth(self) -> ToyTrace:
        """Return the true trace."""
        return ToyTrace(self.machine)

    @property
    def assertion(self) -> Assertion:
        """Return the assertion under dispute."""
        initial, end = self.truth.state_hashes([Step(0), Step(self.steps)])
        return Assertion(self.steps, initial, self.final or end)

    def asserting(self, trace: TraceProvider) -> ToyGame:
        """Return the game in which the executor asserts the final state of `trace`."""
        (final,) = trace.state_hashes([Step(self.steps)])
        return replace(self, final=final)

    def start(self, claimed: Hash | None = None) -> Game:
        """Return the game before its opening move, committed to at second 0."""
        full = Seconds(self.clock_seconds)
        clocks = Clocks(full, full, Seconds(self.grace_seconds))
        return new_game(self.assertion, self.k, clocks, Seconds(0), full, claimed)

    def run(self, executor: Strategy, challenger: Strategy) -> Record:
        """Play to the verdict."""
        strategies = {Player.EXECUTOR: executor, Player.CHALLENGER: challenger}
        return play_out(self.start(), strategies, self.machine.execute, self.think_seconds)
