"""Act on what was seen a moment ago: the chain may have moved on since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from infernet.chain.errors import Overtaken, Reverted

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
        "WrongAttempt",
        "WrongDemandStatus",
        "WrongGameStatus",
        "WrongTaskStatus",
    }
)

OnOvertaken = Callable[[Reverted], None]


def is_passing(error: Reverted) -> bool:
    """Return whether a refusal is of the moment, and says nothing about who was refused."""
    return error.error in EARLY | OVERTAKEN or isinstance(error, Overtaken)


def attempt(work: Callable[[], bool], on_overtaken: OnOvertaken) -> bool:
    """Return what `work` returns; False if it is too early, or the chain has moved on."""
    try:
        return work()
    except Reverted as error:
        if not is_passing(error):
            raise
        if error.error not in EARLY:
            on_overtaken(error)
        return False


def attempt_all(works: Iterable[Callable[[], bool]], on_overtaken: OnOvertaken) -> bool:
    """Attempt everything in the order given; return whether anything was sent.

    What fails hinders nothing else: once all had their turn, the errors are raised as `joined`
    gives them.
    """
    acted, errors = False, list[Exception]()
    for work in works:
        try:
            acted |= attempt(work, on_overtaken)
        except Exception as error:  # noqa: BLE001 - raised below, once all had their turn
            errors.append(error)
    if failure := joined(errors):
        raise failure
    return acted


def joined(errors: Sequence[Exception]) -> Exception | None:
    """Return errors as one: the first of each class, several classes in an ExceptionGroup."""
    first: dict[type[Exception], Exception] = {}
    for error in errors:
        first.setdefault(type(error), error)
    if len(first) > 1:
        return ExceptionGroup("several works failed", list(first.values()))
    return next(iter(first.values()), None)


def each_of(error: Exception) -> tuple[Exception, ...]:
    """Return the errors that `joined` made one."""
    return error.exceptions if isinstance(error, ExceptionGroup) else (error,)
