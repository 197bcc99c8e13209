"""The honest side: an executor and a watcher that follow the solver and answer in time."""

from __future__ import annotations

from hashlib import sha256

from bisection.dissection import Segment
from bisection.game import ClaimTimeout, Dissect, Player, Prove, Seconds
from bisection.solver import next_actions

from .mirror import Match, commitment_of
from .stage import EXECUTOR, WATCHER, Posted, Stage
from .world import FUNDS_WEI

OPEN_TASK, PENDING = 1, 1
DEMAND_NONE, DEMAND_OPEN = 0, 1


def act(stage: Stage) -> None:
    """Do everything that is due; none of it may be refused."""
    for match in list(stage.mirror.matches.values()):
        if not stage.world.view("isVoided", match.assertion_id):
            _play(stage, match)
    for assertion_id, posted in list(stage.assertions.items()):
        _look_at(stage, assertion_id, posted)


def serve(stage: Stage, posted: Posted) -> bool:
    """Claim a task and assert its true result, if it is open and its input is known."""
    task = stage.world.view("task", posted.task_id)
    is_open = task["status"] == OPEN_TASK and task["deadline"] >= stage.world.now
    if not is_open or posted.run is None or not posted.is_shared:
        return False
    stake = stage.world.view("model", posted.run.program.root)["minimumStake"]
    attempt = stage.send(EXECUTOR, "claim", posted.task_id, stake)
    truth = posted.run.truth
    stage.send(EXECUTOR, "assertResult", posted.task_id, attempt, truth.output, truth.halted)
    return True


def _play(stage: Stage, match: Match) -> None:
    """Make the move of whichever honest player is in the game."""
    run = stage.run_of(match.assertion_id)
    for account, me in ((EXECUTOR, Player.EXECUTOR), (WATCHER, Player.CHALLENGER)):
        if account != (match.executor if me is Player.EXECUTOR else match.challenger):
            continue
        assert run is not None, "an honest player plays without the input"
        now = Seconds(stage.world.now)
        for action in next_actions(match.model, me, run.truth, now):
            if isinstance(action, Dissect | Prove):
                _move(stage, match, account, action)
            elif isinstance(action, ClaimTimeout):
                name = "timeout" if match.model.is_opened else "forfeit"
                stage.send(account, name, match.game_id)


def _move(stage: Stage, match: Match, account: str, move: Dissect | Prove) -> None:
    segment = move.segment
    if not match.model.is_opened:
        assert isinstance(move, Dissect), "no registrable program has one step"
        stage.send(account, "open", match.game_id, salt_of(match.assertion_id), list(move.hashes))
        return
    place = place_of(match, segment)
    if isinstance(move, Prove):
        stage.send(account, "prove", *place, move.proof)
    else:
        stage.send(account, "dissect", *place, list(move.hashes))


def place_of(match: Match, segment: Segment) -> tuple[object, ...]:
    """Return the first arguments of a move on a segment."""
    siblings = list(match.model.last.siblings(segment.index))
    return match.game_id, segment.index, segment.start_hash, segment.end_hash, siblings


def salt_of(assertion_id: bytes) -> bytes:
    """Return the watcher's salt: secret, and the same after a restart."""
    return sha256(b"the watcher's secret" + assertion_id).digest()


def _look_at(stage: Stage, assertion_id: bytes, posted: Posted) -> None:
    """Answer or make a demand, and challenge what is false."""
    world = stage.world
    found = world.view("assertion", assertion_id)
    if found["status"] != PENDING or world.view("isVoided", assertion_id):
        return
    is_mine = found["executor"] == EXECUTOR
    if is_mine and found["demand"] == DEMAND_OPEN and posted.run is not None:
        stage.send(EXECUTOR, "reveal", assertion_id, posted.run.data)
    if is_mine or world.now > found["windowEnd"]:
        return
    if not posted.is_shared:
        if found["demand"] == DEMAND_NONE:
            stage.send(WATCHER, "demandReveal", assertion_id)
        return
    assert posted.run is not None
    final = posted.run.final
    if found["finalHash"] == final:
        return
    commitment = commitment_of(assertion_id, WATCHER, final, salt_of(assertion_id))
    mine = [m for m in stage.mirror.matches.values() if m.assertion_id == assertion_id]
    if not any(match.challenger == WATCHER for match in mine):
        stage.send(WATCHER, "commit", assertion_id, commitment, FUNDS_WEI)
