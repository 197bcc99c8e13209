"""Whole disputes on MobileNetV2 and ResNet50: who wins, in how many transactions, at what gas.

    python -m benchmarks.disputes [--models …] [--count N] [--arity K] [--seed N]

Real contracts on py-evm with the Prague rules (receipts include the calldata floor), production k.
Every dispute has one false step, half uniform over all steps, half kind by kind; executor and
challenger lie. What follows a false step is computed from it; where that would come out true again,
the liar's later states stay dirty, and one time in ten it lies a second time in END instead.
Prints tables; returns how many limits were passed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random
from statistics import median
from time import perf_counter

from bisection.game import Player
from bisection.solver import first_false_segment
from infernet.backend.engine import open_engine
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter.operators import Conv, decode
from interpreter.program import Operator, Program, Step
from tests.e2e.disputes_arena import Arena, Dispute, solver
from tests.e2e.disputes_chain import PRODUCTION_ARITY, Sent
from tests.e2e.disputes_liars import TraceClaim

from .nets import NETWORKS, network

MOST_TRANSACTIONS = 16
MOST_GAS = 1_500_000
MOST_PROOF_GAS = 300_000
MOST_PROOF_BYTES = 6_900
DISPUTES = 50


@dataclass(frozen=True, slots=True)
class Played:
    """A dispute with what was disputed in the end, and the wall time that it took."""

    dispute: Dispute
    kind: str
    disputed: Step
    seconds: float


def kind_of(operator: Operator, index: int) -> str:
    """Return a step's kind in words; convolutions are told apart by how they run."""
    instruction = decode(operator)
    name = operator.opcode.name
    if isinstance(instruction, Conv):
        groups = instruction.groups
        name = "CONV" if groups == 1 else "CONV depthwise"
    return f"{name} {instruction.note(index).kind}"


def kind_at(program: Program, step: Step) -> str:
    """Return the kind of a step of a program with one iteration."""
    where = program.locate(step, 1)
    return kind_of(program.operators[where.operator], where.index)


def kinds_of(program: Program) -> dict[str, list[tuple[int, int]]]:
    """Return, by kind, `(operator, period)`: which operators have such steps, and how often."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for index, operator in enumerate(program.operators):
        instruction = decode(operator)
        last = instruction.steps - 1
        for local in sorted({0, last}):
            found[kind_of(operator, local)].append((index, local))
    return found


def false_steps(program: Program, rng: Random) -> Iterable[Step]:
    """Yield steps to lie at: uniform over the run and kind by kind, in turn."""
    kinds = kinds_of(program)
    order = sorted(kinds)
    rng.shuffle(order)
    for kind in cycle(order):
        operator, edge = rng.choice(kinds[kind])
        instruction = decode(program.operators[operator])
        local = edge
        for _ in range(64):
            drawn = rng.randrange(instruction.steps)
            if kind_of(program.operators[operator], drawn) == kind:
                local = drawn
                break
        yield Step(program.operators[operator].first_step + local)
        yield Step(rng.randrange(program.header.steps_per_iteration))


class Series:
    """The disputes of one network, all about one task."""

    def __init__(self, name: str, arity: int, seed: int) -> None:
        net = network(name)
        self.name, self.program, self.rng = name, net.model.program, Random(seed)
        self.arena = Arena(arity)
        self.registration = self.arena.register(self.program)
        self.task_id = self.arena.post(self.program, net.data)
        self.truth = Trace(self.program, net.data, open_engine(self.program))
        self.honest = TraceClaim(self.truth)
        self.played: list[Played] = []

    def play(self, count: int) -> None:
        """Play `count` disputes: first lying executors, then lying challengers of a true result."""
        steps = false_steps(self.program, self.rng)
        for index in range(count):
            if index < count // 2:
                self._dispute(next(iter(steps)), Player.EXECUTOR)
            else:
                self._dispute(next(iter(steps)), Player.CHALLENGER)
        if count > count // 2:
            self.arena.finalise(self.assertion_id)

    def _dispute(self, at: Step, liars: Player) -> None:
        mutation = Mutation(self.rng.randrange(1, 256), self.rng.randrange(1 << 20))
        tampered = TamperedTrace(self.truth, at, mutation)
        vanishes = tampered.lies_again_at_the_end and len(self.played) % 10 != 9
        liar, began = TraceClaim(tampered, at if vanishes else None), perf_counter()
        if liars is Player.EXECUTOR:
            self.assertion_id = self.arena.assert_result(self.task_id, liar)
        elif not self.played or self.played[-1].dispute.honest is Player.CHALLENGER:
            self.assertion_id = self.arena.assert_result(self.task_id, self.honest)
        challenged = self.honest if liars is Player.EXECUTOR else liar
        choosers = {liars: solver(liar), liars.opponent: solver(self.honest)}
        dispute = self.arena.play(self.assertion_id, challenged.final, liars.opponent, choosers)
        self._require_honest_win(dispute)
        disputed = self._disputed_step(dispute, liar)
        if disputed != at and (vanishes or not tampered.lies_again_at_the_end):
            raise AssertionError(f"the lie is at step {at}, the game came to step {disputed}")
        took = perf_counter() - began
        self.played.append(Played(dispute, kind_at(self.program, disputed), disputed, took))
        print(".", end="", flush=True)

    def _require_honest_win(self, dispute: Dispute) -> None:
        honest = dispute.honest
        if dispute.winner is not honest:
            raise AssertionError(f"the honest {honest.value} lost: {dispute}")
        refused = [reason for player, reason in dispute.refused if player is honest]
        if refused:
            raise AssertionError(f"a move of the honest {honest.value} was refused: {refused}")
        if dispute.dissections > dispute.bound:
            raise AssertionError(f"{dispute.dissections} dissections, at most {dispute.bound}")
        if dispute.moves_of(honest.opponent) > (dispute.bound + 1) // 2:
            raise AssertionError(f"the liar moved {dispute.moves_of(honest.opponent)} times")

    def _disputed_step(self, dispute: Dispute, liar: TraceClaim) -> Step:
        """Return the one step the game came to, and require that the chain refutes the lie."""
        if dispute.proved_step is not None:
            return Step(dispute.proved_step)
        assert dispute.last is not None
        segment = first_false_segment(dispute.last, liar)
        if segment is None or segment.length != 1:
            raise AssertionError(f"the game ended before one step was left: {dispute}")
        arguments = (self.program.root, 1, segment.start, self.truth.proof(segment.start))
        before, after = self.arena.verifier.functions.prove(*arguments).call()
        true = self.truth.state_hashes([segment.start, segment.end])
        if [bytes(before), bytes(after)] != true:
            raise AssertionError(f"the verifier contradicts the true states at {segment.start}")
        return segment.start


def report(series: Series, seconds: float) -> int:
    """Print the tables of one network and return how many limits it passed."""
    played = [each.dispute for each in series.played]
    proofs = [sent for each in played for sent in each.sent if sent.kind.startswith("prove")]
    longest = max(len(each.sent) for each in played)
    most_gas = max(each.gas for each in played)
    steps = series.program.header.steps_per_iteration
    registration = sum(sent.gas for sent in series.registration)
    print(
        f"\n{series.name}: {steps:,} steps, k = {series.arena.arity}, {len(played)} disputes in "
        f"{seconds:.0f} s; registered in {len(series.registration)} transactions, "
        f"{registration:,} gas"
    )
    liars = Counter(each.honest.opponent.value for each in played)
    ends = Counter("proof" if each.proved_step is not None else "timeout" for each in played)
    print(
        f"the honest side won {len(played)} of {len(played)}; liars: {dict(liars)}; ends: "
        f"{dict(ends)}; seconds a dispute: {median(e.seconds for e in series.played):.1f}"
    )
    print_moves(sent for each in played for sent in each.sent)
    covered = Counter(each.kind for each in series.played)
    print("disputed steps: " + ", ".join(f"{kind} {n}" for kind, n in sorted(covered.items())))
    most_moves = (played[0].bound + 1) // 2
    missing = sorted(set(kinds_of(series.program)) - set(covered))
    rows = (
        ("dissections", max(each.dissections for each in played), played[0].bound),
        ("liar's moves", max(e.moves_of(e.honest.opponent) for e in played), most_moves),
        ("transactions", longest, MOST_TRANSACTIONS),
        ("total gas", most_gas, MOST_GAS),
        ("one-step gas", max((sent.gas for sent in proofs), default=0), MOST_PROOF_GAS),
        (
            "one-step bytes",
            max((sent.calldata_bytes for sent in proofs), default=0),
            MOST_PROOF_BYTES,
        ),
        ("kinds never disputed", len(missing), 0),
    )
    for name, value, limit in rows:
        print(f"  most {name:<21} {value:>10,}   limit {limit:>10,}")
    if missing:
        print(f"  never disputed: {missing}")
    return sum(value > limit for _, value, limit in rows)


def print_moves(sent: Iterable[Sent]) -> None:
    """Print transactions, gas and calldata by kind of move."""
    kinds: dict[str, list[Sent]] = defaultdict(list)
    for each in sent:
        kinds[each.kind].append(each)
    print(
        f"  {'transaction':<22} {'count':>5} {'median gas':>11} {'most gas':>9} {'most bytes':>10}"
    )
    for kind, group in sorted(kinds.items()):
        gas = [each.gas for each in group]
        size = max(each.calldata_bytes for each in group)
        print(f"  {kind:<22} {len(group):>5} {median(gas):>11,.0f} {max(gas):>9,} {size:>10,}")


def main(arguments: Sequence[str] = ()) -> int:
    """Play and print; return how many limits were passed."""
    parser = argparse.ArgumentParser(description="disputes on true networks")
    parser.add_argument("--models", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--count", type=int, default=DISPUTES)
    parser.add_argument("--arity", type=int, default=PRODUCTION_ARITY)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    missed = 0
    for name in options.models:
        series, began = Series(name, options.arity, options.seed), perf_counter()
        series.play(options.count)
        missed += report(series, perf_counter() - began)
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
