"""Who lied in a dispute: every claim of both sides against a run of one's own."""

from __future__ import annotations

from dataclasses import dataclass

from bisection.dissection import Dissection
from bisection.game import Player
from infernet.backend.trace import Trace
from infernet.chain.deployment import Contracts
from infernet.chain.game import DissectedFound
from infernet.chain.records import AssertionId, GameId, GameStatus, TaskId
from interpreter.merkle import Hash
from interpreter.program import Step

from .disputes import WINNERS
from .errors import NotAsserted
from .replay import ShownStep, show_step


@dataclass(frozen=True, slots=True)
class JudgedMove:
    """One dissection against the truth. `first_false`: index of the first segment with a false
    end, None: all are true; `segment`: its first step and length.

    `is_start_true`: whether the state that the mover agreed to start from is the true one.
    """

    by: Player
    start: int
    length: int
    parts: int
    false: int
    is_start_true: bool
    first_false: int | None
    segment: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """The step that a proof decided. `claimed`: the post-state that the loser had named."""

    shown: ShownStep
    prover: Player
    is_proof_true: bool
    claimed: Hash | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A dispute against the truth. `should_win`: who is right; `winner`: by the chain, if any."""

    is_result_true: bool
    moves: tuple[JudgedMove, ...]
    step: JudgedStep | None
    should_win: Player
    winner: Player | None

    @property
    def is_confirmed(self) -> bool:
        """Return whether the chain's verdict, if there is one, is the right one."""
        return self.winner in (None, self.should_win)


def input_of(contracts: Contracts, task_id: TaskId) -> bytes:
    """Return the input that a disputed run had, or raise NotAsserted."""
    data = contracts.market.carried_input(task_id)
    if data is None:
        raise NotAsserted(
            f"the input of task 0x{task_id.hex()} is not on the chain; its run cannot be repeated"
        )
    return data


def judge(
    contracts: Contracts, game_id: GameId, trace: Trace, names: tuple[str, ...] = ()
) -> Judgement:
    """Compare all that both players claimed with the true run. `names`: of layers, by operator."""
    record = contracts.games.game(game_id)
    terms = contracts.market.terms(AssertionId(record.assertion_id))
    (final,) = trace.state_hashes([Step(terms.steps)])
    is_true = final == terms.final_hash
    found = contracts.games.dissections(game_id)
    return Judgement(
        is_true,
        tuple(_judged(each, trace) for each in found),
        _step(contracts, game_id, trace, names, found),
        Player.EXECUTOR if is_true else Player.CHALLENGER,
        WINNERS.get(GameStatus(record.status)),
    )


def _judged(found: DissectedFound, trace: Trace) -> JudgedMove:
    cut = _dissection(found)
    truth = trace.state_hashes(cut.steps)
    pairs = zip(cut.segments(), truth[1:], strict=True)
    false = [segment for segment, end in pairs if segment.end_hash != end]
    first = false[0] if false else None
    return JudgedMove(
        Player.CHALLENGER if found.by_challenger else Player.EXECUTOR,
        found.start,
        found.length,
        cut.parts,
        len(false),
        cut.hashes[0] == truth[0],
        first.index if first else None,
        (first.start, first.length) if first else None,
    )


def _dissection(found: DissectedFound) -> Dissection:
    hashes = tuple(map(Hash, (found.start_hash, *found.hashes)))
    return Dissection(Step(found.start), Step(found.start + found.length), hashes)


def _step(
    contracts: Contracts,
    game_id: GameId,
    trace: Trace,
    names: tuple[str, ...],
    found: list[DissectedFound],
) -> JudgedStep | None:
    proved = contracts.games.events("StepProved", gameId=game_id)
    if not proved:
        return None
    event = proved[0]
    shown = show_step(trace, Step(event["step"]), names)
    # A proof from a state that both agreed on, though it is false, is still a right execution;
    # only the one from the true state can be compared.
    pair = bytes(event["preHash"]), bytes(event["postHash"])
    is_true = pair == (shown.pre_hash, shown.post_hash)
    prover = Player.CHALLENGER if event["byChallenger"] else Player.EXECUTOR
    claimed = None
    if found:
        segments = _dissection(found[-1]).segments()
        claimed = next(s.end_hash for s in segments if s.start == shown.step)
    return JudgedStep(shown, prover, is_true, claimed)
