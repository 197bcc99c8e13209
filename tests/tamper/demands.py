"""What becomes of a task whose input no transaction carries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from infernet.backend.hashing import hash_bytes
from tests.e2e.disputes_chain import ETHER

from .case import Case
from .courses import CHALLENGER, EXECUTOR, Stage, lie_of
from .ground import Party

REVEAL_DEADLINE = 6


def hidden(case: Case) -> Iterator[Stage]:
    """Have a false result fall, because nobody reveals its input."""
    yield from _unrevealed(case, case.truth.data)


def dirty(case: Case) -> Iterator[Stage]:
    """Have a false result fall: its input's root is of a leaf with a byte behind the end."""
    assert len(case.truth.data) % 32, "the input fills its last leaf"
    yield from _unrevealed(case, np.append(case.truth.data, np.uint8(1)))


def _unrevealed(case: Case, data: np.ndarray) -> Iterator[Stage]:
    _ask(case, data)
    case.assert_result(lie_of(case))
    _demand(case)
    yield Stage.DEMANDED
    case.ground.pass_until(_assertion(case)[REVEAL_DEADLINE])
    yield Stage.OVERDUE
    _send(case, CHALLENGER, "timeoutReveal", case.assertion_id)
    case.found_by, case.verdict = "a demand", "no reveal in time"
    yield Stage.PAID


def shown(case: Case) -> Iterator[Stage]:
    """Have a true result accepted after somebody has demanded its input."""
    _ask(case, case.truth.data)
    case.assert_result(case.honest)
    _demand(case)
    yield Stage.DEMANDED
    _send(case, EXECUTOR, "reveal", case.assertion_id, case.truth.data.tobytes())
    case.found_by, case.verdict = "a reveal", "revealed, and paid for"
    yield Stage.REVEALED
    case.finalise()
    yield Stage.FINAL


def _ask(case: Case, data: np.ndarray) -> None:
    """Request a run of an input that is named by its root alone."""
    ground, truth = case.ground, case.truth
    ground.mark()
    root, ends = hash_bytes(data).root, ground.now + 10**8
    terms = truth.program.root, root, truth.iterations, ETHER, ends, next(ground.nonces)
    _send(case, Party.REQUESTER, "request", *terms)
    case.task_id = bytes(ground.events(ground.market, "Requested")[-1]["args"]["taskId"])


def _demand(case: Case) -> None:
    case.ground.pass_until(case.window_end - 5)
    _send(case, CHALLENGER, "demandReveal", case.assertion_id)


def _assertion(case: Case) -> tuple[int, ...]:
    found = case.ground.market.functions.assertion(case.assertion_id).call()
    return tuple(found)


def _send(case: Case, party: Party, name: str, *arguments: object) -> None:
    case.ground.send(name, case.ground.address[party], case.ground.market, *arguments)
