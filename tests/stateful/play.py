"""The whole game as a state machine: anybody sends anything, and the honest side answers in time.

Three rogues send legal and illegal calls: moves from true, false and random states, by the wrong
player, late, twice, with wrong segments, hashes, siblings, proofs, values and too little gas; and
any function of any contract with any arguments. Before time passes the honest
side does what is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bisection.dissection import cuts
from bisection.game import Player
from bisection.solver import answer
from interpreter.merkle import Hash
from interpreter.program import Step

from . import books, honest
from .arguments import draw_arguments
from .mirror import Match, commitment_of
from .runs import Belief, programs, runs, traces
from .stage import GUARDIAN, REQUESTER, ROGUES, Stage
from .tally import Tally
from .world import CONTRACTS, ETHER, FUNDS_WEI, Refused, functions

FEES = (0, ETHER // 10, ETHER)
LIFETIMES = (400, 2000, 5000)
SALT = bytes(32)
randoms = st.randoms(use_true_random=False)
UPKEEP = {
    "expireClaim": "tasks",
    "reclaimFee": "tasks",
    "finalise": "assertions",
    "slash": "assertions",
    "timeoutReveal": "assertions",
    "claimReward": "assertions",
    "timeout": "games",
    "forfeit": "games",
    "settle": "games",
}
SENDABLE = sorted(
    name
    for name in functions()
    if name.split(".")[0] in CONTRACTS and not functions()[name].is_view
)


def spoil_place(rng: Random, place: list[Any]) -> None:
    """Make the segment that a move names wrong."""
    match rng.randrange(5):
        case 0:
            place[1] = rng.choice((place[1] + 1, 2**255, 0))
        case 1:
            place[2] = rng.randbytes(32)
        case 2:
            place[3] = rng.randbytes(32)
        case 3:
            place[4] = [*place[4], bytes(32)]
        case _:
            place[4] = place[4][1:]


def spoiled_proof(rng: Random, proof: bytes) -> bytes:
    """Return a proof that is sometimes changed or cut."""
    match rng.randrange(10):
        case 0:
            at = rng.randrange(len(proof))
            return proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]
        case 1:
            return proof[: rng.randrange(len(proof))]
        case _:
            return proof


class Play(RuleBasedStateMachine):
    """One deployment and what happens on it."""

    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.claims: dict[bytes, Belief] = {}
        self.beliefs: dict[tuple[bytes, Player], Belief | None] = {}

    @initialize(rng=randoms)
    def begin(self, rng: Random) -> None:
        """Have two results in the world, one of them a rogue's."""
        self.stage.post(REQUESTER, rng.choice(runs()), True, True, LIFETIMES[-1], ETHER)
        honest.serve(self.stage, *self.stage.tasks.values())
        self.stage.post(REQUESTER, rng.choice(runs()), True, True, LIFETIMES[-1], ETHER)
        self.rogue_result(rng)

    # Time and the honest side

    @rule(seconds=st.sampled_from((0, 0, 5, 19, 20, 60, 118, 150, 400)), rng=randoms)
    def let_time_pass(self, seconds: int, rng: Random) -> None:
        """Let everybody act in two blocks, then let time pass; the honest side acts last."""
        for _ in range(2):
            self.stage.world.pass_time(1)
            if rng.random() < 0.7:
                self.rogue_openings(rng)
                self.rogue_moves(rng)
                self.priority(rng)
            honest.act(self.stage)
        self.stage.world.pass_time(seconds)

    @rule()
    def next_block(self) -> None:
        """Begin a block in which the honest side does nothing."""
        self.stage.world.pass_time(1)

    @rule(rng=randoms)
    def request(self, rng: Random) -> None:
        """Have the honest requester ask for a run: in the open, or from the executor alone."""
        if self.stage.world.view("paused") or len(self.stage.tasks) > 8:
            return
        run, carried = rng.choice(runs()), rng.random() < 0.7
        self.stage.post(REQUESTER, run, carried, True, rng.choice(LIFETIMES), rng.choice(FEES))

    @precondition(lambda self: self.stage.tasks)
    @rule(rng=randoms)
    def serve(self, rng: Random) -> None:
        """Have the honest executor do a task."""
        honest.serve(self.stage, rng.choice(list(self.stage.tasks.values())))

    # Rogues

    @rule(rng=randoms)
    def rogue_request(self, rng: Random) -> None:
        """Ask for a run whose input is carried, kept back, or does not exist; or sign for one."""
        if self.stage.world.view("paused") or len(self.stage.tasks) > 8:
            return
        rogue, run, fee = rng.choice(ROGUES), rng.choice(runs()), rng.choice(FEES)
        match rng.randrange(4):
            case 0:
                self.stage.post_hidden(rogue, rng.randbytes(32), run.program.root, fee)
            case 1:
                is_carried = rng.random() < 0.5
                values, signature = self.stage.signed(rogue, run, fee, is_carried=is_carried)
                sender, data = rng.choice(ROGUES), run.data if is_carried else b""
                with suppress(Refused):
                    other = b"" if is_carried else run.data
                    self.stage.send(sender, "requestSigned", rogue, values, other, signature)
                    raise AssertionError("a signed input was left out or added")
                arguments = rogue, values, data, signature
                self.stage.send(sender, "requestSigned", *arguments)
                with suppress(Refused):
                    self.stage.send(sender, "requestSigned", *arguments)
                    raise AssertionError("a signed request was taken twice")
            case _:
                self.stage.post(rogue, run, rng.random() < 0.4, False, rng.choice(LIFETIMES), fee)

    @precondition(lambda self: self.stage.tasks)
    @rule(rng=randoms)
    def rogue_result(self, rng: Random) -> None:
        """Claim a task and assert a true, false or otherwise ended result, or nothing."""
        is_open = [
            p for p in self.stage.tasks.values() if self.stage.status("task", p.task_id) == 1
        ]
        posted = rng.choice(is_open or list(self.stage.tasks.values()))
        rogue = rng.choice(ROGUES)
        program = posted.run.program.root if posted.run else programs()[0].root
        stake = self.stage.world.view("model", program)["minimumStake"] * rng.choice((1, 1, 3))
        with suppress(Refused):
            self.stage.send(rogue, "claim", posted.task_id, stake)
        task = self.stage.world.view("task", posted.task_id)
        if rng.random() < 0.1 or task["executor"] not in ROGUES:
            return
        size = self.stage.world.view("model", task["programRoot"])["outputBytes"]
        trace: Belief | None = None
        output, halted = rng.randbytes(size), rng.random() < 0.3
        if posted.run and rng.random() < 0.8:
            chosen = rng.choice([posted.run.truth, *posted.run.lies])
            trace, output, halted = chosen, chosen.output, chosen.halted ^ (rng.random() < 0.1)
        with suppress(Refused):
            given = (posted.task_id, task["attempt"], output, halted)
            made = self.stage.send(task["executor"], "assertResult", *given)
            if trace is not None:
                self.claims[made] = trace

    @precondition(lambda self: self.stage.assertions)
    @rule(rng=randoms)
    def rogue_challenge(self, rng: Random) -> None:
        """Commit to a true, false or random final hash."""
        assertion_id = rng.choice(list(self.stage.assertions)[-3:])
        rogue, run = rng.choice(ROGUES), self.stage.run_of(assertion_id)
        belief = rng.choice(traces(run)) if run else None
        final = Hash(rng.randbytes(32))
        if belief and rng.random() < 0.9:
            (final,) = belief.state_hashes([Step(belief.steps)])
        commitment = commitment_of(assertion_id, rogue, final, SALT)
        value = min(rng.choice((0, 0, ETHER)), self.stage.world.balance(rogue))
        most = rng.choice((FUNDS_WEI, FUNDS_WEI, ETHER // 50))
        with suppress(Refused):
            made = self.stage.send(rogue, "commit", assertion_id, commitment, most, value=value)
            self.beliefs[made, Player.CHALLENGER] = belief

    @precondition(lambda self: self.stage.mirror.matches)
    @rule(rng=randoms)
    def rogue_openings(self, rng: Random) -> None:
        """Open games, most often as was committed to."""
        for match in list(self.stage.mirror.matches.values()):
            if match.model.is_opened or rng.random() < 0.1:
                continue
            sender = match.challenger if rng.random() < 0.9 else rng.choice(ROGUES)
            run = self.stage.run_of(match.assertion_id)
            if sender not in ROGUES or run is None:
                continue
            belief = self.beliefs.get((match.game_id, Player.CHALLENGER)) or run.truth
            steps = cuts(Step(0), Step(match.model.assertion.steps), match.model.k)[1:]
            hashes = self._hashes(rng, belief, steps)
            with suppress(Refused):
                self.stage.send(sender, "open", match.game_id, SALT, hashes, gas=self._gas(rng))
            if rng.random() < 0.1:
                arguments = match.game_id, SALT, hashes[-1], run.truth.proof(Step(0))
                with suppress(Refused):
                    self.stage.send(sender, "openWithProof", *arguments)

    @precondition(lambda self: self.stage.mirror.matches)
    @rule(rng=randoms)
    def rogue_moves(self, rng: Random) -> None:
        """Dissect or prove wherever it is a rogue's turn: as its belief says, or anyhow."""
        for match in list(self.stage.mirror.matches.values()):
            mover = match.executor if match.model.mover is Player.EXECUTOR else match.challenger
            sender = mover if rng.random() < 0.9 else rng.choice(ROGUES)
            is_live = match.model.is_opened and match.model.verdict is None
            if is_live and sender in ROGUES and rng.random() < 0.8:
                self._rogue_move(rng, match, sender)

    def _rogue_move(self, rng: Random, match: Match, sender: str) -> None:
        run = self.stage.run_of(match.assertion_id)
        if run is None:
            return
        belief = self.beliefs.get((match.game_id, match.model.mover))
        if match.model.mover is Player.EXECUTOR:
            belief = self.claims.get(match.assertion_id)
        if belief is None or rng.random() < 0.15:
            belief = rng.choice(traces(run))
        move, last = answer(match.model, belief), match.model.last
        any_segment = last.segment(rng.randrange(last.parts))
        segment = move.segment if move and rng.random() < 0.9 else any_segment
        place = list(honest.place_of(match, segment))
        if rng.random() < 0.1:
            spoil_place(rng, place)
        if (segment.length == 1) != (rng.random() < 0.05):
            name, said = "prove", spoiled_proof(rng, belief.proof(segment.start))
        else:
            steps = cuts(segment.start, segment.end, match.model.k)[1:]
            name, said = "dissect", self._hashes(rng, belief, steps)
        with suppress(Refused):
            self.stage.send(sender, name, *place, said, gas=self._gas(rng))

    @precondition(lambda self: self.stage.assertions)
    @rule(rng=randoms)
    def rogue_demand(self, rng: Random) -> None:
        """Demand an input, or answer a demand with true or false bytes."""
        assertion_id, rogue = rng.choice(list(self.stage.assertions)), rng.choice(ROGUES)
        run = self.stage.run_of(assertion_id)
        with suppress(Refused):
            if rng.random() < 0.5:
                self.stage.send(rogue, "demandReveal", assertion_id)
            else:
                data = run.data if run and rng.random() < 0.8 else rng.randbytes(40)
                self.stage.send(rogue, "reveal", assertion_id, data)

    @precondition(lambda self: self.stage.mirror.matches)
    @rule(rng=randoms)
    def priority(self, rng: Random) -> None:
        """Claim that an earlier commit deserves the reward."""
        for match in list(self.stage.mirror.matches.values()):
            run = self.stage.run_of(match.assertion_id)
            finals = [run.final, *(lie.final.hash for lie in run.lies)] if run else []
            for final in finals:
                with suppress(Refused):
                    self.stage.send(rng.choice(ROGUES), "claimPriority", match.game_id, final, SALT)

    @rule(name=st.sampled_from(sorted(UPKEEP)))
    def upkeep(self, name: str) -> None:
        """Have anybody do one kind of housekeeping wherever it is possible."""
        for one in self.stage.things(UPKEEP[name]):
            with suppress(Refused):
                self.stage.send(ROGUES[0], name, one)

    @rule(rng=randoms)
    def money(self, rng: Random) -> None:
        """Move money in and out of the vault."""
        rogue, amount = rng.choice(ROGUES), rng.choice((0, 1, ETHER, 600 * ETHER))
        with suppress(Refused):
            match rng.randrange(3):
                case 0:
                    self.stage.send(rogue, "withdraw", amount)
                case 1:
                    value = min(amount, self.stage.world.balance(rogue))
                    self.stage.send(rogue, "depositFor", rng.choice(ROGUES), value=value)
                case _:
                    self.stage.send(GUARDIAN, "setPaused", rng.random() < 0.3)

    @rule(name=st.sampled_from(SENDABLE), rng=randoms)
    def anything(self, name: str, rng: Random) -> None:
        """Call any function with any arguments of its types."""
        function, rogue = functions()[name], rng.choice(ROGUES)
        arguments = draw_arguments(function, self.stage, rng)
        value = rng.choice((0, 1, ETHER)) if function.is_payable and rng.random() < 0.5 else 0
        if value > self.stage.world.balance(rogue):
            return
        # Two contracts have an `initialise`.
        called = name if function.name == "initialise" else function.name
        with suppress(Refused):
            self.stage.send(rogue, called, *arguments, value=value, gas=self._gas(rng))

    # What holds

    @invariant()
    def everything_holds(self) -> None:
        """Require what holds whatever anybody does."""
        books.check(self.stage)

    def teardown(self) -> None:
        """Require that everything can be brought to its end and nothing stays locked."""
        books.close(self.stage, UPKEEP)
        self.tally.add(self.stage)

    # Draws

    def _hashes(self, rng: Random, trace: Belief, steps: Sequence[Step]) -> list[Hash]:
        hashes = trace.state_hashes(steps)
        match rng.randrange(12):
            case 0:
                hashes[-1] = Hash(rng.randbytes(32))
            case 1:
                hashes[rng.randrange(len(hashes))] = hashes[0]
            case 2:
                hashes.append(hashes[-1])
        return hashes

    def _gas(self, rng: Random) -> int | None:
        return rng.randrange(60_000) if rng.random() < 0.05 else None
