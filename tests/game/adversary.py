"""Play random games: an honest player that follows the solver against one that tries anything.

`python -m tests.game.adversary --count 200000` plays that many and prints what happened.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

from bisection.dissection import Dissection, Segment, cuts, part_count
from bisection.game import ClaimTimeout, Dissect, Game, Move, Player, Prove, Seconds
from bisection.solver import answer
from bisection.toy import (
    CoherentLie,
    PatchedTrace,
    Record,
    ToyGame,
    ToyMachine,
    ToyTrace,
    solver_strategy,
)
from interpreter.merkle import Hash
from interpreter.program import Step

Choice = Move | ClaimTimeout | None


def random_hash(rng: Random) -> Hash:
    """Return 32 random bytes."""
    return Hash(rng.randbytes(32))


class Adversary:
    """Draws each attempt from everything that a player could send, legal or not.

    It knows the true states (it may collude with anyone who does) and has a lie of its own.
    """

    def __init__(self, rng: Random, truth: ToyTrace, lie: CoherentLie) -> None:
        self.rng = rng
        self.truth = truth
        self.lie = lie
        self.temper = rng.random()
        self.laziness = rng.choice((0.0, 0.0, 0.2, 0.7))

    def __call__(self, game: Game, me: Player, now: Seconds) -> Choice:
        """Choose an attempt: mostly on its turn, sometimes out of turn, sometimes nothing."""
        if self.rng.random() < self.laziness:
            return None
        if self.rng.random() < 0.05:
            return ClaimTimeout()
        if game.mover is not me and self.rng.random() < 0.8:
            return None
        segment = self._segment(game.last)
        should_prove = segment.length == 1
        if self.rng.random() < 0.05:
            should_prove = not should_prove
        if should_prove:
            return Prove(segment, self._proof(segment))
        return self._dissection(game, segment)

    def _segment(self, last: Dissection) -> Segment:
        rng = self.rng
        longest = max(last.segments(), key=lambda part: part.length)
        segment = longest if rng.random() < 0.3 else last.segment(rng.randrange(last.parts))
        if rng.random() > 0.1:
            return segment
        return rng.choice(
            (
                replace(segment, start_hash=random_hash(rng)),
                replace(segment, end_hash=random_hash(rng)),
                replace(segment, index=segment.index + 1),
                replace(segment, index=-1),
                replace(segment, start=Step(segment.start + 1)),
                replace(segment, end=Step(segment.end + 1)),
                replace(segment, end=Step(segment.start + 1)),
            )
        )

    def _dissection(self, game: Game, segment: Segment) -> Move:
        rng = self.rng
        if segment.length < 1:
            return Dissect(segment, (random_hash(rng),))
        steps = cuts(segment.start, segment.end, game.k)[1:]
        true, lie = self.truth.state_hashes(steps), self.lie.state_hashes(steps)
        kinds: tuple[Callable[[], list[Hash]], ...] = (
            lambda: true,
            lambda: lie,
            lambda: [*true[:-1], random_hash(rng)],
            lambda: [random_hash(rng) for _ in steps],
            lambda: [rng.choice(pair) for pair in zip(true, lie, strict=True)],
            lambda: [segment.start_hash] * len(steps),
            lambda: [*([segment.start_hash] * (len(steps) - 1)), random_hash(rng)],
            lambda: [true[0]] * len(steps),
            lambda: [*lie[:-1], true[-1]],
            lambda: [*true[:-1], segment.end_hash],
            lambda: self._tail_lie(true),
        )
        hashes = rng.choice(kinds)()
        if rng.random() < 0.05:
            hashes = rng.choice((hashes[1:], [*hashes, random_hash(rng)], hashes[-1:], []))
        return Dissect(segment, tuple(hashes))

    def _tail_lie(self, true: list[Hash]) -> list[Hash]:
        begin = self.rng.randrange(len(true))
        return [*true[:begin], *(random_hash(self.rng) for _ in true[begin:])]

    def _proof(self, segment: Segment) -> bytes:
        rng = self.rng
        return rng.choice(
            (
                self.truth.proof(segment.start),
                self.lie.proof(segment.start),
                self.truth.proof(Step(segment.start + 1)),
                rng.randbytes(16),
                b"",
            )
        )


class HalfAdversary(Adversary):
    """Follows the solver over its lie, but answers alternate disagreements in its own way."""

    def _dissection(self, game: Game, segment: Segment) -> Move:
        move = answer(game, self.lie)
        if move is None or self.rng.random() < 0.3:
            return super()._dissection(game, segment)
        return move


def random_steps(rng: Random) -> int:
    """Return a number of steps, log-uniform from 1 to 2^40, often near a power of two."""
    bits = rng.randrange(0, 41) if rng.random() < 0.1 else rng.randrange(0, 14)
    return max(
        1, rng.choice((1 << bits, (1 << bits) + 1, (1 << bits) - 1, rng.getrandbits(bits + 1)))
    )


def random_record(seed: int) -> tuple[Player, Record]:
    """Play the game that a seed means; return who was honest and what happened."""
    rng = Random(seed)
    machine = ToyMachine(rng.getrandbits(64))
    truth = ToyTrace(machine)
    k = rng.choice((2, 3, 4, 7, 8, 16, 31, 32, 33))
    toy = ToyGame(machine, random_steps(rng), k, clock_seconds=60)
    lie = CoherentLie(machine, Step(rng.randrange(toy.steps)), rng.randrange(1, 1 << 64))
    honest = rng.choice(tuple(Player))
    kind = rng.choice((Adversary, HalfAdversary))
    adversary = kind(rng, truth, lie)
    if honest is Player.EXECUTOR:
        return honest, toy.run(solver_strategy(truth), adversary)
    claimed = (
        lie if rng.random() < 0.7 else PatchedTrace(truth, {Step(toy.steps): random_hash(rng)})
    )
    return honest, toy.asserting(claimed).run(adversary, solver_strategy(truth))


def check(seed: int) -> Record:
    """Play the game that a seed means and require everything that the design promises."""
    honest, record = random_record(seed)
    verdict = record.last.verdict
    assert record.winner is honest, f"seed {seed}: the honest {honest.value} lost by {verdict}"
    assert record.last.dissections <= record.last.most_dissections, f"seed {seed}: too many moves"
    blamed = [reason for player, reason in record.refused if player is honest]
    assert not blamed, f"seed {seed}: the honest player's move was refused: {blamed}"
    for before, after in zip(record.games, record.games[1:], strict=False):
        if after.verdict is None:
            assert after.last.length < before.last.length or not before.is_opened
            assert after.last.parts == part_count(after.last.length, after.k)
    return record


def main() -> None:
    """Play many games and print how they ended."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    ends: Counter[str] = Counter()
    for seed in range(options.first_seed, options.first_seed + options.count):
        record = check(seed)
        verdict = record.last.verdict
        assert verdict is not None
        ends[f"{verdict.winner.value} won by {verdict.reason.value}"] += 1
        ends["dissections"] += record.last.dissections
        ends["games at the bound"] += record.last.dissections == record.last.most_dissections > 0
        ends["refused moves"] += len(record.refused)
    print(f"{options.count} games; the honest player won all of them")
    for name, count in sorted(ends.items()):
        print(f"  {name}: {count}")


if __name__ == "__main__":
    main()
