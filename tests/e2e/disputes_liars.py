"""False claims over the fast backend's traces, and ways to play them besides the solver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np

from bisection.dissection import cuts
from bisection.game import Action, ClaimTimeout, Dissect, Game, Player, Prove, Seconds
from bisection.solver import TraceProvider
from infernet.backend.tamper import TamperedTrace
from infernet.backend.trace import Trace
from interpreter.merkle import Hash, digest
from interpreter.program import Step

from .disputes_arena import Arena, Chooser
from .disputes_chain import GAS_LIMIT


class TraceClaim:
    """A trace as a claim: its output, and the answers that the game asks for.

    States after `dirty_after` are hashed once more with dirt, so that they stay false.
    """

    def __init__(self, trace: Trace | TamperedTrace, dirty_after: Step | None = None) -> None:
        self.trace, self.dirty_after = trace, dirty_after
        self.output, self.halted = np.frombuffer(trace.output, np.uint8), trace.halted
        self.final = trace.final.hash

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the claimed state hash before each step."""
        found = self.trace.state_hashes(steps)
        return [self._claimed(step, value) for step, value in zip(steps, found, strict=True)]

    def _claimed(self, step: Step, value: Hash) -> Hash:
        if self.dirty_after is None or not self.dirty_after < step < self.trace.steps:
            return value
        return digest(value + b"dirt")

    def proof(self, step: Step) -> bytes:
        """Return the one-step proof from the claimed state."""
        return self.trace.proof(step)


def saboteur(trace: TraceProvider, rng: Random, opening: Hash | None = None) -> Chooser:
    """Return a player that answers any segment with any mixture of true, false and random hashes.

    It tries wrong counts, repeated ends, forged segments, proofs of other steps, moves out of turn
    and early timeouts as well. `opening` is the final hash it has committed to, as a challenger.
    """

    def choose(game: Game, me: Player, now: Seconds) -> Sequence[Action]:
        if rng.random() < 0.2:
            return [ClaimTimeout()]
        if game.mover is not me and rng.random() < 0.7:
            return []
        segment = game.last.segment(rng.randrange(game.last.parts))
        if segment.length == 1 or rng.random() < 0.1:
            proof = trace.proof(segment.start)
            flipped = bytes([proof[-1] ^ 1])
            return [Prove(segment, rng.choice((proof, proof[:-1] + flipped, proof[:-1], b"")))]
        steps = cuts(segment.start, segment.end, game.k)[1:]
        hashes = trace.state_hashes(steps)
        begin = rng.randrange(len(hashes))
        hashes[begin:] = [Hash(rng.randbytes(32)) for _ in hashes[begin:]]
        if not game.is_opened and opening is not None:
            hashes[-1] = opening
        attempt: Action = Dissect(segment, tuple(hashes))
        if rng.random() < 0.3:
            wrong = rng.choice((hashes[1:], [*hashes, hashes[0]], [*hashes[:-1], segment.end_hash]))
            return [Dissect(segment, tuple(wrong)), attempt]
        return [attempt]

    return choose


def random_answers(rng: Random, claim: Chooser) -> Chooser:
    """Return a player that opens as `claim` does and then answers the longest segment at random."""

    def choose(game: Game, me: Player, now: Seconds) -> Sequence[Action]:
        if game.mover is not me or not game.is_opened:
            return claim(game, me, now)
        segment = max(game.last.segments(), key=lambda part: part.length)
        if segment.length == 1:
            return []
        count = min(game.k, segment.length)
        return [Dissect(segment, tuple(Hash(rng.randbytes(32)) for _ in range(count)))]

    return choose


def silent(game: Game, me: Player, now: Seconds) -> Sequence[Action]:
    """Never move."""
    return []


def stingy(arena: Arena, player: Chooser, limits: Sequence[int]) -> Chooser:
    """Return a player that sends each proof with too little gas first.

    It requires that every attempt leaves the game as it was.
    """

    def choose(game: Game, me: Player, now: Seconds) -> Iterator[Action]:
        game_id = arena.events(arena.game, "ChallengeCommitted")[-1]["args"]["gameId"]
        for action in player(game, me, now):
            for limit in limits if isinstance(action, Prove) else ():
                arena.gas_limit = limit
                yield action
                assert arena.read_game(game_id) == game, f"{limit} gas changed the game"
            arena.gas_limit = GAS_LIMIT
            yield action

    return choose
