"""Act on what was seen a moment ago: the chain may have moved on since."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from infernet.chain.errors import (
    InsufficientBalance,
    Overtaken,
    RetryableChainError,
    Reverted,
)

# The node's clock is behind ours; time mends it.
EARLY = frozenset({"DeadlineNotPassed", "OpenedInCommitBlock"})
# Another player was faster. The next look decides anew.
OVERTAKEN = frozenset(
    {
        "AssertionNotPending",
        "AssertionNotVoid",
        "AssertionVoid",
        "BondAboveLimit",
        "DeadlinePassed",
        "DisputeNotClear",
        "GameExists",
        "InputAlreadyAvailable",
        "NoReward",
        "NotClaimant",
        "NotEarlier",
        "NotMover",
        "NothingToSettle",
        "SegmentNotInDissection",
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
        if error.error not in OVERTAKEN and not isinstance(error, Overtaken):
            raise
        on_overtaken(error)
        return False


def attempt_all(
    works: Iterable[Callable[[], bool]], on_overtaken: Callable[[Reverted], None]
) -> bool:
    """Attempt everything, the most urgent first; return whether anything was sent.

    What fails hinders nothing else: the first error is raised once all had their turn. A chain that
    does not answer ends it at once.
    """
    acted, first = False, None
    for work in works:
        try:
            acted |= attempt(work, on_overtaken)
        except (InsufficientBalance, RetryableChainError, Reverted) as error:
            first = first or error
    if first is not None:
        raise first
    return acted
