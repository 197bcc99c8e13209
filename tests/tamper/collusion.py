"""Lies of an executor and a friend that plays against it."""

from __future__ import annotations

from .case import Case
from .courses import Challenge, junk, lie_of, take_reward
from .ground import Party
from .lie import acted

EXECUTOR, CHALLENGER, FRIEND = Party.EXECUTOR, Party.CHALLENGER, Party.FRIEND
WATCHER = Party.WATCHER


def _lost(case: Case) -> None:
    """Have the executor assert what is false."""
    case.assert_result(lie_of(case))
    case.found_by = "watcher's run"


def _begun(case: Case, party: Party) -> Challenge:
    """Have somebody commit the true end."""
    challenge = Challenge(case, party, case.honest)
    challenge.commit()
    return challenge


def challenges_itself(case: Case) -> None:
    """Let a friend commit first and win; the watcher has its bond back."""
    _lost(case)
    _wins_first(case, _begun(case, FRIEND))


def challenges_itself_falsely(case: Case) -> None:
    """Let a friend commit first, to another false end, and win; no true end is paid."""
    _lost(case)
    _wins_first(case, junk(case, FRIEND))


def _wins_first(case: Case, friend: Challenge) -> None:
    watcher = _begun(case, WATCHER)
    friend.open()
    watcher.open()
    friend.time_out()
    watcher.settle()
    take_reward(case, FRIEND)
    case.verdict = "friend, on time"


def comes_second(case: Case) -> None:
    """Let a friend commit after the watcher and win before it; the earlier is paid."""
    _lost(case)
    watcher, friend = _begun(case, WATCHER), _begun(case, FRIEND)
    friend.open()
    watcher.open()
    friend.time_out()
    watcher.send("claimPriority", watcher.game_id, watcher.claim.final, watcher.salt)
    friend.settle()
    take_reward(case, WATCHER)
    case.verdict = "watcher, as the earliest"


def comes_second_to_a_commit(case: Case) -> None:
    """Let a friend that commits later prove the lie before the watcher has opened."""
    _lost(case)
    watcher, friend = _begun(case, WATCHER), _begun(case, FRIEND)
    friend.open()
    friend.fight(lie_of(case))
    watcher.send("claimPriority", watcher.game_id, watcher.claim.final, watcher.salt)
    friend.settle()
    take_reward(case, WATCHER)
    case.verdict = "watcher, as the earliest"


def claims_priority_late(case: Case) -> None:
    """Let a friend that committed later claim that it was earlier."""
    _lost(case)
    watcher, friend = _begun(case, WATCHER), _begun(case, FRIEND)
    _claims_priority(case, watcher, friend)


def claims_priority_falsely(case: Case) -> None:
    """Let a friend that committed earlier, to another end, claim the reward."""
    _lost(case)
    friend, watcher = junk(case, FRIEND), _begun(case, WATCHER)
    _claims_priority(case, watcher, friend)


def _claims_priority(case: Case, watcher: Challenge, friend: Challenge) -> None:
    """Let the watcher win, and a friend claim its reward."""
    watcher.open()
    friend.open()
    watcher.time_out()
    final = case.honest.final
    case.attempt(FRIEND, case.ground.game, "claimPriority", friend.game_id, final, friend.salt)
    friend.settle()
    take_reward(case, WATCHER)
    case.verdict = "watcher, on time"


def copies_a_commit(case: Case) -> None:
    """Let a friend commit the watcher's bytes, and open with its salt once that is known."""
    _lost(case)
    ground, watcher = case.ground, _begun(case, WATCHER)
    copied = ground.commit_as(FRIEND, case.assertion_id, watcher.commitment)
    watcher.open()
    case.attempt(FRIEND, ground.game, "open", copied, watcher.salt, watcher.hashes)
    ground.pass_until(ground.game.functions.game(copied).call()[2])
    ground.send("forfeit", ground.address[WATCHER], ground.game, copied)
    ground.send("settle", ground.address[WATCHER], ground.game, copied)
    watcher.time_out()
    take_reward(case, WATCHER)
    case.verdict = "watcher, on time"


def shields_itself(case: Case) -> None:
    """Let a friend commit first and lose on purpose; the watcher has a game of its own."""
    _lost(case)
    friend, watcher = junk(case, FRIEND), _begun(case, WATCHER)
    friend.open()
    watcher.open()
    friend.answered()
    friend.time_out(EXECUTOR)
    friend.settle()
    watcher.time_out()
    take_reward(case, WATCHER)
    case.verdict = "watcher, on time"


def lies_again(case: Case) -> None:
    """Assert the same once more when the task is open again."""
    for _ in range(2):
        _lost(case)
        challenger = _begun(case, CHALLENGER)
        challenger.open()
        challenger.time_out()
        take_reward(case, CHALLENGER)
    case.verdict = "challenger twice, on time"


PAIR = {EXECUTOR, FRIEND}
FALSE = "a false result"
COLLUSION = (
    acted("challenges itself", challenges_itself, PAIR, FALSE, "a friend is first, and wins"),
    acted(
        "challenges itself falsely",
        challenges_itself_falsely,
        PAIR,
        FALSE,
        "a friend wins with another false end",
        "bert",
    ),
    acted("comes second", comes_second, PAIR, FALSE, "a friend commits later, and wins first"),
    acted(
        "comes second to a commit",
        comes_second_to_a_commit,
        PAIR,
        FALSE,
        "a friend proves it before the watcher opens",
    ),
    acted("claims priority late", claims_priority_late, PAIR, FALSE, "a friend committed later"),
    acted(
        "claims priority falsely",
        claims_priority_falsely,
        PAIR,
        FALSE,
        "a friend committed first, to another end",
    ),
    acted("copies a commit", copies_a_commit, PAIR, FALSE, "the watcher's bytes and its salt"),
    acted("shields itself", shields_itself, PAIR, FALSE, "a friend is first, and loses"),
    acted("lies again", lies_again, {EXECUTOR}, FALSE, "the same, once the task is open", "ends"),
)
