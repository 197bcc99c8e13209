"""Disputes about sequence models: runs, lies of each kind, and what no dispute may cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from bisection.game import Player
from bisection.solver import first_false_segment
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from interpreter.merkle import Hash, tree_of_bytes
from interpreter.operators import (
    Copy,
    Draw,
    Halt,
    Instruction,
    Keep,
    MatMul,
    Reduce,
    ReduceKind,
    Token,
)
from interpreter.program import Step
from interpreter.state import final_state

from .disputes_arena import Arena, Dispute, solver
from .disputes_liars import TraceClaim

MOST_TRANSACTIONS = 16
MOST_GAS = 2_000_000
MOST_PROOF_GAS = 300_000
MOST_PROOF_BYTES = 6_900


class Flipped(TraceClaim):
    """A true run with the other halted flag."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.halted = not trace.halted
        root = tree_of_bytes(self.output).root
        self.final = final_state(trace.program.header, root, trace.steps, self.halted).hash

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the true hashes, but for the last state."""
        found = super().state_hashes(steps)
        pairs = zip(steps, found, strict=True)
        return [self.final if step == self.trace.steps else value for step, value in pairs]


class Told:
    """A true run and where its lies can be told: from the iteration `first` on."""

    def __init__(self, truth: Trace, seed: int, first: int = 0) -> None:
        self.truth, self.rng, self.first = truth, Random(seed), first
        self.program, self.iterations = truth.program, truth.iterations
        self.instructions = truth.timeline(0).instructions
        self.kept = {each.dst for each in self.instructions if isinstance(each, Keep)}
        self.halt: tuple[int, Halt] | None = None
        for index, instruction in enumerate(self.instructions):
            if isinstance(instruction, Halt):
                self.halt = index, instruction
        self.end = self._end()

    def _end(self) -> int | None:
        """Return the iteration in which the run halts, as its tokens say."""
        if self.halt is None:
            return None
        tokens = np.frombuffer(self.truth.output, "<i4")[: self.iterations].tolist()
        ends = [p for p in range(self.prompt - 1, self.iterations) if self._is_end(tokens[p])]
        assert bool(ends) == self.truth.halted
        return ends[0] if ends else None

    def _is_end(self, token: int) -> bool:
        return self.halt is not None and token in self.halt[1].tokens

    @property
    def prompt(self) -> int:
        """Return the tokens of the prompt; 1 where there is none, or what is no length."""
        return max(1, int(self.truth.data.view("<i4")[self.halt[1].length])) if self.halt else 1

    @property
    def reached(self) -> int:
        """Return how many iterations run."""
        return self.iterations if self.end is None else self.end + 1

    def lie(self, kind: str) -> TraceClaim:
        """Return a claim that is false in a way of `KINDS`, or in a step of an opcode's name."""
        if kind == "halted flag":
            return Flipped(self.truth)
        at = KINDS[kind](self) if kind in KINDS else self.in_step_of(kind)
        mutation = Mutation(self.rng.randrange(1, 256), self.rng.randrange(1 << 16))
        tampered = TamperedTrace(self.truth, at, mutation)
        return TraceClaim(tampered, at if tampered.lies_again_at_the_end else None)

    def kinds(self) -> list[str]:
        """Return the kinds of lies that this run has room for."""
        found = ["halted flag"]
        for kind, draw in KINDS.items():
            try:
                draw(self)
            except LookupError:
                continue
            found.append(kind)
        return found

    # Where

    def step(self, iteration: int, operator: int, index: int) -> Step:
        """Return a step by its place."""
        first = self.program.operators[operator].first_step
        return Step(iteration * self.program.header.steps_per_iteration + first + index)

    def anywhere(self) -> Step:
        """Return any step of an iteration that runs."""
        each = self.program.header.steps_per_iteration
        return Step(self.rng.randrange(self.first * each, self.reached * each))

    def in_step_of(self, opcode: str) -> Step:
        """Return any step of any operator of an opcode, in an iteration that runs."""
        operators = self.program.operators
        operator = self.rng.choice(
            [i for i, op in enumerate(operators) if op.opcode.name == opcode]
        )
        index = self.rng.randrange(self.instructions[operator].steps)
        return self.step(self.rng.randrange(self.first, self.reached), operator, index)

    def in_operator(
        self, wanted: Callable[[Instruction], bool], position: int | None = None
    ) -> tuple[int, int, Instruction]:
        """Return an iteration that runs, and an operator; raise LookupError if there is none."""
        found = [i for i, each in enumerate(self.instructions) if wanted(each)]
        if position is not None:
            found = found[position:][:1]
        operator = self.rng.choice(found)
        iteration = self.rng.randrange(self.first, self.reached)
        return iteration, operator, self.instructions[operator]

    def at_halt(self, positions: list[int]) -> Step:
        """Return the HALT of one of some positions; raise LookupError if there is none."""
        if self.halt is None:
            raise LookupError("the program never halts")
        return self.step(self.rng.choice(positions), self.halt[0], 0)


def _finish(told: Told, wanted: Callable[[Instruction], bool], position: int | None = None) -> Step:
    """Return the last step of an element."""
    iteration, operator, instruction = told.in_operator(wanted, position)
    index = told.rng.randrange(instruction.steps)
    while index + 1 < instruction.steps and instruction.element_start(index + 1) != index + 1:
        index += 1
    return told.step(iteration, operator, index)


def _token(told: Told) -> Step:
    return _finish(told, lambda each: isinstance(each, Token))


def _logit(told: Told) -> Step:
    return _finish(told, lambda each: isinstance(each, MatMul), -1)


def _kept(told: Told) -> Step:
    iteration, operator, copy = told.in_operator(
        lambda each: isinstance(each, Copy) and each.dst in told.kept
    )
    assert isinstance(copy, Copy)
    full = [i for i in range(copy.steps) if copy.span(i, iteration)[2]]
    return told.step(iteration, operator, told.rng.choice(full))


def _sample(told: Told) -> Step:
    return _finish(
        told,
        lambda each: (
            isinstance(each, Draw) or (isinstance(each, Reduce) and each.kind == ReduceKind.PICK)
        ),
    )


def _ignored(told: Told) -> Step:
    return told.at_halt([] if told.end is None else [told.end])


def _early(told: Told) -> Step:
    return told.at_halt(list(range(told.prompt - 1, told.reached - (told.end is not None))))


def _in_prompt(told: Told) -> Step:
    tokens = np.frombuffer(told.truth.output, "<i4").tolist()
    return told.at_halt([p for p in range(told.prompt - 1) if told._is_end(tokens[p])])


def _tail(told: Told) -> Step:
    if told.end is None or told.halt is None:
        raise LookupError("the run does not halt")
    first = told.step(told.end, told.halt[0], 1)
    return Step(told.rng.randrange(first, told.truth.steps))


KINDS: dict[str, Callable[[Told], Step]] = {
    "token": _token,
    "logit": _logit,
    "KV entry": _kept,
    "sample": _sample,
    "stop ignored": _ignored,
    "stop too early": _early,
    "stop inside the prompt": _in_prompt,
    "halted tail": _tail,
    "any step": Told.anywhere,
}


@dataclass(frozen=True, slots=True)
class Played:
    """A dispute, what the lie was, and the step that it came to."""

    dispute: Dispute
    kind: str
    disputed: Step


class Court:
    """Plays disputes about one run on one chain; each must end as the design promises."""

    def __init__(self, arena: Arena, told: Told) -> None:
        self.arena, self.told = arena, told
        arena.register(told.program)
        self.honest = TraceClaim(told.truth)
        self.played: list[Played] = []
        self._task: bytes | None = None

    def play(self, kind: str, liars: Player) -> Played:
        """Play a dispute with a lie of a kind on one side, and check all that it may cost."""
        arena, truth, lie = self.arena, self.told.truth, self.told.lie(kind)
        asserted, challenged = self.honest, lie
        if liars is Player.EXECUTOR:
            asserted, challenged = lie, self.honest
        task = arena.post(truth.program, truth.data, truth.iterations)
        assertion = arena.assert_result(task, asserted)
        choosers = {liars: solver(lie), liars.opponent: solver(self.honest)}
        dispute = arena.play(assertion, challenged.final, liars.opponent, choosers)
        check(dispute)
        played = Played(dispute, kind, self._disputed(dispute, lie))
        self._require_refuted(played.disputed)
        self.played.append(played)
        return played

    def _disputed(self, dispute: Dispute, lie: TraceClaim) -> Step:
        if dispute.proved_step is not None:
            return Step(dispute.proved_step)
        assert dispute.last is not None
        segment = first_false_segment(dispute.last, lie)
        assert segment is not None and segment.length == 1, "the game ended before one step"
        return segment.start

    def _require_refuted(self, at: Step) -> None:
        """Have the chain execute the disputed step and compare with the true states."""
        truth = self.told.truth
        arguments = truth.program.root, truth.iterations, at, truth.proof(at)
        found = self.arena.verifier.functions.prove(*arguments).call()
        assert [bytes(each) for each in found] == truth.state_hashes([at, Step(at + 1)])


def check(dispute: Dispute) -> None:
    """Require what the design promises of every dispute about a sequence model."""
    honest = dispute.honest
    assert dispute.winner is honest
    assert not [reason for player, reason in dispute.refused if player is honest]
    assert dispute.dissections <= dispute.bound
    assert dispute.moves_of(honest.opponent) <= (dispute.bound + 1) // 2
    assert len(dispute.sent) <= MOST_TRANSACTIONS
    assert dispute.gas <= MOST_GAS
    for proof in [*dispute.of_kind("prove by executor"), *dispute.of_kind("prove by challenger")]:
        assert proof.gas <= MOST_PROOF_GAS
        assert proof.calldata_bytes <= MOST_PROOF_BYTES


def summary(name: str, told: Told, played: list[Played]) -> str:
    """Return what disputes about a run took at most, in one line."""
    disputes = [each.dispute for each in played]
    proofs = [s for d in disputes for s in d.sent if s.kind.startswith("prove")]
    most = {
        "transactions": max(len(each.sent) for each in disputes),
        "gas": max(each.gas for each in disputes),
        "dissections": max(each.dissections for each in disputes),
        "gas of one step": max((each.gas for each in proofs), default=0),
        "bytes of one step": max((each.calldata_bytes for each in proofs), default=0),
    }
    return (
        f"{name}: {told.truth.steps:,} steps in {told.iterations} iterations, {len(played)} "
        f"disputes won; at most " + ", ".join(f"{value:,} {what}" for what, value in most.items())
    )
