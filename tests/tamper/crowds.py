"""Lies in many games, by saying nothing, too late, and with contracts of one's own."""

from __future__ import annotations

from tests.e2e.disputes_chain import ETHER

from .case import Case
from .courses import Challenge, junk, lie_of
from .ground import Party
from .lie import acted

EXECUTOR, CHALLENGER, REQUESTER = Party.EXECUTOR, Party.CHALLENGER, Party.REQUESTER
FRIEND = Party.FRIEND


def _doubted(case: Case) -> None:
    case.assert_result(case.honest)
    case.found_by = "executor's run"


def _forfeited(case: Case, challenges: list[Challenge]) -> None:
    """Have commits that nobody opened declared so, and settled, by the executor."""
    ground = case.ground
    ground.pass_until(ground.game.functions.game(challenges[-1].game_id).call()[2])
    for each in challenges:
        each.send("forfeit", each.game_id, caller=EXECUTOR)
        each.send("settle", each.game_id, caller=EXECUTOR)


def commits_a_hundred(case: Case) -> None:
    """Commit a hundred challenges of two accounts and open none."""
    _doubted(case)
    parties = CHALLENGER, FRIEND
    _forfeited(case, [junk(case, parties[each % 2], each) for each in range(100)])
    case.finalise()
    case.verdict = "executor, by 100 forfeits"


def opens_eight(case: Case) -> None:
    """Open eight games at once, and say nothing more in any."""
    _doubted(case)
    games = [junk(case, CHALLENGER, each) for each in range(8)]
    for each in games:
        each.open()
    for each in games:
        each.answered()
    for each in games:
        each.time_out(EXECUTOR)
        each.send("settle", each.game_id, caller=EXECUTOR)
    case.finalise()
    case.verdict = "executor, on time in 8 games"


def commits_in_the_last_second(case: Case) -> None:
    """Commit as the window closes, and do not open."""
    _doubted(case)
    case.ground.pass_until(case.window_end - 2)
    challenge = junk(case, CHALLENGER)
    case.attempt(CHALLENGER, case.ground.game, "settle", challenge.game_id)
    _forfeited(case, [challenge])
    case.finalise()
    case.verdict = "executor, by forfeit"


def opens_in_the_last_second(case: Case) -> None:
    """Commit as the window closes, open as the time for it ends, and say nothing more."""
    _doubted(case)
    ground = case.ground
    ground.pass_until(case.window_end - 2)
    challenge = junk(case, CHALLENGER)
    ground.pass_until(ground.game.functions.game(challenge.game_id).call()[2] - 2)
    challenge.open()
    challenge.answered()
    challenge.time_out(EXECUTOR)
    challenge.send("settle", challenge.game_id, caller=EXECUTOR)
    case.finalise()
    case.verdict = "executor, on time"


# No answer, and too late


def _claimed(case: Case) -> None:
    case.ground.claim(case.task_id)
    ends = case.ground.market.functions.task(case.task_id).call()[6]
    case.ground.pass_until(ends)


def _expired(case: Case) -> None:
    ground = case.ground
    ground.send("expireClaim", ground.address[REQUESTER], ground.market, case.task_id)
    case.found_by, case.verdict = "a deadline", "the claim expired"


def claims_and_is_silent(case: Case) -> None:
    """Claim a task and assert nothing."""
    case.post()
    _claimed(case)
    _expired(case)


def claims_again_and_again(case: Case) -> None:
    """Claim a task three times and assert nothing."""
    case.post()
    for _ in range(3):
        _claimed(case)
        _expired(case)


def asserts_late(case: Case) -> None:
    """Assert a true result after its time."""
    case.post()
    _claimed(case)
    output, halted = case.truth.output, case.truth.halted
    case.attempt(EXECUTOR, case.ground.market, "assertResult", case.task_id, 1, output, halted)
    _expired(case)


def stakes_twice(case: Case) -> None:
    """Claim two tasks with one stake."""
    task, market = case.post(), case.ground.market
    case.ground.send("claim", case.ground.address[EXECUTOR], market, task, 600 * ETHER)
    case.attempt(EXECUTOR, market, "claim", case.post(), 600 * ETHER)
    case.task_id = task
    case.deliver(case.honest)
    case.finalise()


def claims_what_is_over(case: Case) -> None:
    """Claim a task after its deadline."""
    case.post()
    _over(case)
    case.attempt(EXECUTOR, case.ground.market, "claim", case.task_id, 10 * ETHER)


def reclaims_twice(case: Case) -> None:
    """Reclaim the fee of a task that nobody did, twice."""
    case.post()
    _over(case)
    ground = case.ground
    ground.send("reclaimFee", ground.address[REQUESTER], ground.market, case.task_id)
    case.attempt(REQUESTER, ground.market, "reclaimFee", case.task_id)


def _over(case: Case) -> None:
    ground = case.ground
    ground.pass_until(ground.market.functions.task(case.task_id).call()[1])


# Contracts of one's own


def requests_in_its_own_market(case: Case) -> None:
    """Request in another market over the same vault, which would lock money in it."""
    market, _ = case.ground.second_market()
    case.post()
    case.attempt(FRIEND, market, "requestWithInput", *case.ground.posted)
    case.assert_result(case.honest)
    case.finalise()


def challenges_in_another_game(case: Case) -> None:
    """Challenge a result in the game of another market."""
    _, game = case.ground.second_market()
    case.assert_result(case.honest)
    commitment = Challenge(case, CHALLENGER, lie_of(case)).commitment
    case.attempt(CHALLENGER, game, "commit", case.assertion_id, commitment, 100 * ETHER)
    case.finalise()


TRUE, CLAIM, TASK = "a true result", "a claimed task", "an open task"
CROWDS = (
    acted(
        "commits a hundred",
        commits_a_hundred,
        {CHALLENGER, FRIEND},
        TRUE,
        "100 commits, none opened",
    ),
    acted("opens eight games", opens_eight, {CHALLENGER}, TRUE, "8 games at once, then silence"),
    acted(
        "commits in the last second",
        commits_in_the_last_second,
        {CHALLENGER},
        TRUE,
        "and does not open",
    ),
    acted(
        "opens in the last second",
        opens_in_the_last_second,
        {CHALLENGER},
        TRUE,
        "and says nothing more",
        "goes on",
    ),
    acted("claims and is silent", claims_and_is_silent, {EXECUTOR}, CLAIM, "no result"),
    acted(
        "claims again and again", claims_again_and_again, {EXECUTOR}, CLAIM, "no result, 3 times"
    ),
    acted("asserts late", asserts_late, {EXECUTOR}, CLAIM, "a true result after its time", "bert"),
    acted("stakes twice", stakes_twice, {EXECUTOR}, TASK, "600 of 1,000 ETH for each of two"),
    acted("claims what is over", claims_what_is_over, {EXECUTOR}, TASK, "after its deadline"),
    acted("reclaims twice", reclaims_twice, {REQUESTER}, TASK, "its fee, after the deadline"),
    acted(
        "requests in its own market",
        requests_in_its_own_market,
        {FRIEND},
        TASK,
        "a fee of the same vault",
    ),
    acted(
        "challenges in another game",
        challenges_in_another_game,
        {CHALLENGER},
        TRUE,
        "the game of another market",
    ),
)
