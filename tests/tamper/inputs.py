"""Lies about inputs that no transaction carries, and about who has to show them."""

from __future__ import annotations

from dataclasses import dataclass

from .case import Case
from .courses import CHALLENGER, EXECUTOR, Course, Stage, accepted
from .demands import dirty, hidden, shown
from .ground import MOST_BOND_WEI, Party
from .lie import Lie
from .tries import ALSO_LIES, after_window, call, commitment, tries

FRIEND, ASSERTED, FINAL, PAID = Party.FRIEND, Stage.ASSERTED, Stage.FINAL, Stage.PAID
DEMANDED, OVERDUE, REVEALED = Stage.DEMANDED, Stage.OVERDUE, Stage.REVEALED


@dataclass(frozen=True, slots=True)
class Follows:
    """A course in which nothing is refused."""

    course: Course

    def __call__(self, case: Case) -> None:
        """Play it."""
        for _ in self.course(case):
            pass


def _follows(name: str, course: Course, where: str, what: str, network: str = "digits") -> Lie:
    return Lie(name, network, frozenset(ALSO_LIES[course]), where, what, Follows(course))


def true_input(case: Case) -> bytes:
    """Return the input that the true run has."""
    return case.truth.data.tobytes()


def other_input(case: Case) -> bytes:
    """Return another input."""
    return case.network.other.data.tobytes()


def dirty_input(case: Case) -> bytes:
    """Return the input and a byte behind its end."""
    return true_input(case) + b"\1"


CLEAN = call("market.reveal", "assertion_id", true_input)
DIRTY = call("market.reveal", "assertion_id", dirty_input)
OTHER = call("market.reveal", "assertion_id", other_input)
NO_REVEAL = call("market.timeoutReveal", "assertion_id")
DEMAND = call("market.demandReveal", "assertion_id")
DEMAND_LATER = call("market.demandReveal", after_window)
FINALISE_LATER = call("market.finalise", after_window)
COMMIT = call("game.commit", "assertion_id", commitment, MOST_BOND_WEI)
REWARD = call("game.claimReward", "assertion_id")
INPUTS = (
    _follows("hides an input", hidden, "an input by its root", "nobody shows it"),
    _follows("hides a prompt", hidden, "an input by its root", "nobody shows it", "goes on"),
    _follows("roots dirty padding", dirty, "an input by its root", "no bytes have it", "bert"),
    _follows("demands for delay", shown, "a true result", "an input that it knows"),
    tries("reveals clean bytes", dirty, DEMANDED, EXECUTOR, "under a dirty root", CLEAN, "bert"),
    tries("reveals dirty bytes", dirty, DEMANDED, EXECUTOR, "a byte behind the end", DIRTY, "ends"),
    tries("reveals another input", hidden, DEMANDED, EXECUTOR, "not of the root", OTHER, "bert"),
    tries("reveals late", hidden, OVERDUE, EXECUTOR, "the true input", CLEAN),
    tries("finalises past a demand", hidden, DEMANDED, EXECUTOR, "unanswered", FINALISE_LATER),
    tries("finalises what nobody saw", hidden, PAID, EXECUTOR, "already slashed", FINALISE_LATER),
    tries("reveals after its fall", hidden, PAID, EXECUTOR, "already slashed", CLEAN),
    tries("challenges what fell", hidden, PAID, FRIEND, "to be paid as well", COMMIT),
    tries("is paid for what fell", hidden, PAID, FRIEND, "a game's reward", REWARD),
    tries("demands twice", shown, DEMANDED, CHALLENGER, "the same input", DEMAND),
    tries("demands again", shown, REVEALED, CHALLENGER, "what is shown", DEMAND, "bert"),
    tries("calls a demand overdue", shown, DEMANDED, CHALLENGER, "in time", NO_REVEAL),
    tries("calls a reveal missing", shown, REVEALED, CHALLENGER, "after it", NO_REVEAL),
    tries("reveals for pay", shown, REVEALED, FRIEND, "what is shown", CLEAN),
    tries("demands carried bytes", accepted, ASSERTED, CHALLENGER, "all can read them", DEMAND),
    tries("demands too late", accepted, ASSERTED, CHALLENGER, "the window is closed", DEMAND_LATER),
    tries("demands of a final result", accepted, FINAL, CHALLENGER, "it is paid", DEMAND, "ends"),
)
