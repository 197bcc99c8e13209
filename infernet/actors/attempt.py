"""Act on what was seen a moment ago: the chain may have moved on since."""

from __future__ import annotations

from collections.abc import Callable

from infernet.chain.errors import Reverted

# The node's clock is behind ours; time mends it.
EARLY = frozenset({"DeadlineNotPassed", "OpenedInCommitBlock"})
# Another player was faster. The next look decides anew.
OVERTAKEN = frozenset(
    {
        "AssertionNotPending",
        "AssertionNotVoid",
        "AssertionVoid",
        "DeadlinePassed",
        "DisputeNotClear",
        "GameExists",
        "InputAlreadyAvailable",
        "NoReward",
        "NotClaimant",
        "NotEarlier",
        "NotMover",
        "NothingToSettle",
        "Voided",
        "WrongAssertionStatus",
        "WrongDemandStatus",
        "WrongGameStatus",
        "WrongTaskStatus",
    }
)


def attempt(work: Callable[[], bool], on_overtaken: Callable[[Reverted], None]) -> bool:
    """Return what `work` returns; False if it is too early, or the chain has moved on."""
    try:
        return work()
    except Reverted as error:
        if error.error in EARLY:
            return False
        if error.error not in OVERTAKEN:
            raise
        on_overtaken(error)
        return False
