"""Tasks and results, from the chain to pages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from infernet.chain.logs import Event
from infernet.chain.records import AssertionId, ProgramRoot, TaskId, Wei
from infernet.models.manifest import output_numbers
from infernet.models.pipeline import Model

from ..service.text import has_classes
from ..store.records import Finality, TaskRow
from .board import Board, in_order
from .disputes import dispute_line
from .pages import AssertionPage, TaskPage
from .records import Answer, DisputeLine, Head, ResultLine, Score, TaskLine

_SHOWN_CLASSES = 5
_PICTURE_CHANNELS = (1, 3)


def task_line(board: Board, requested: Event) -> TaskLine:
    """Return a task in one line, from its request."""
    task_id = TaskId(bytes(requested["taskId"]))
    standing = board.standing(board.task_events(task_id))
    return TaskLine(
        task_id,
        board.ref(ProgramRoot(bytes(requested["programRoot"]))),
        standing.state,
        standing.finality,
        standing.slashed,
        requested["requester"],
        standing.executor,
        Wei(requested["fee"]),
        board.time_of(requested),
        requested.block_number,
        requested.log_index,
    )


def task_page(board: Board, head: Head, task_id: TaskId) -> TaskPage:
    """Return all that the chain tells of a task, or raise NoSuchPage."""
    requested = board.requested(task_id)
    events = board.task_events(task_id)
    standing = board.standing(events)
    root = ProgramRoot(bytes(requested["programRoot"]))
    model = board.models.get(root)
    asserted = [event for event in events if event.name == "Asserted"]
    games = [event for event in events if event.name == "ChallengeCommitted"]
    return TaskPage(
        head,
        task_id,
        standing.state,
        standing.finality,
        standing.attempt,
        standing.slashed,
        board.ref(root),
        requested["requester"],
        standing.executor,
        Wei(requested["fee"]),
        requested["deadline"],
        int(requested["iterations"]),
        bytes(requested["inputRoot"]),
        takes_pictures(model) and board.contracts.market.is_input_carried(task_id),
        standing.window_end,
        standing.output,
        answer_of(model, standing.output),
        tuple(result_line(board, event) for event in asserted),
        tuple(dispute_line(board, event) for event in games),
        tuple(map(board.entry, _with_verdicts(board, events))),
    )


def unsent_page(board: Board, head: Head, row: TaskRow) -> TaskPage:
    """Return a task that a gateway accepted and no block holds."""
    order = row.order
    return TaskPage(
        head=head,
        id=order.id,
        state=row.state,
        finality=row.finality,
        attempt=0,
        slashed=0,
        model=board.ref(order.program_root),
        requester=order.requester,
        executor=None,
        fee_wei=order.fee_wei,
        deadline=order.deadline,
        iterations=order.iterations,
        input_root=order.input_root,
        has_picture=False,
        window_end=None,
        output=None,
        answer=Answer((), 0),
        results=(),
        disputes=(),
        history=(),
        trouble=row.trouble or "the gateway sends it with one of the next blocks",
    )


def result_line(board: Board, asserted: Event) -> ResultLine:
    """Return a result in one line, from its event."""
    assertion_id = AssertionId(bytes(asserted["assertionId"]))
    return ResultLine(
        assertion_id,
        TaskId(bytes(asserted["taskId"])),
        int(asserted["attempt"]),
        asserted["executor"],
        status_of(board, assertion_id),
        board.time_of(asserted),
        asserted.block_number,
    )


def status_of(board: Board, assertion_id: AssertionId) -> str:
    """Return pending, final or slashed."""
    market = board.contracts.market
    if market.has_event("Finalised", assertionId=assertion_id):
        return "final"
    return "slashed" if market.has_event("Slashed", assertionId=assertion_id) else "pending"


def assertion_page(board: Board, head: Head, assertion_id: AssertionId) -> AssertionPage:
    """Return all that the chain tells of a result, or raise NoSuchPage."""
    asserted = board.asserted(assertion_id)
    task_id = TaskId(bytes(asserted["taskId"]))
    requested = board.requested(task_id)
    market = board.contracts.market
    record, terms = market.assertion(assertion_id), market.terms(assertion_id)
    root, output = ProgramRoot(bytes(requested["programRoot"])), bytes(asserted["output"])
    status = status_of(board, assertion_id)
    standing = {"final": Finality.FINAL, "pending": Finality.PENDING, "slashed": Finality.NONE}
    disputes = _disputes(board, assertion_id)
    return AssertionPage(
        head,
        assertion_id,
        task_id,
        board.ref(root),
        int(asserted["attempt"]),
        asserted["executor"],
        status,
        standing[status],
        record.stake,
        record.window_end,
        record.demand.name.lower(),
        terms.steps,
        bytes(terms.initial_hash),
        bytes(terms.final_hash),
        bytes(asserted["outputRoot"]),
        bool(asserted["halted"]),
        output,
        answer_of(board.models.get(root), output),
        board.contracts.games.is_clear(assertion_id),
        disputes,
        tuple(map(board.entry, _result_history(board, asserted))),
    )


def answer_of(model: Model | None, output: bytes | None) -> Answer:
    """Return the highest classes of an output, as far as its model is held here."""
    if model is None or output is None or not has_classes(model.manifest):
        return Answer((), 0)
    manifest = model.manifest
    numbers = output_numbers(manifest, np.frombuffer(output, np.uint8))
    low, high = float(numbers.min()), float(numbers.max())
    width = (high - low) or 1.0
    best = np.argsort(-numbers, kind="stable")[:_SHOWN_CLASSES]
    scores = tuple(
        Score(
            manifest.labels[i] if i < len(manifest.labels) else f"class {i}",
            float(numbers[i]),
            (float(numbers[i]) - low) / width,
        )
        for i in map(int, best)
    )
    return Answer(scores, len(numbers))


def takes_pictures(model: Model | None) -> bool:
    """Return whether inputs of a model can be shown as pictures."""
    if model is None or model.manifest.pixels is None:
        return False
    return model.program.header.input_shape[3] in _PICTURE_CHANNELS


def _disputes(board: Board, assertion_id: AssertionId) -> tuple[DisputeLine, ...]:
    found = board.contracts.games.events("ChallengeCommitted", assertionId=assertion_id)
    return tuple(dispute_line(board, event) for event in found)


def _result_history(board: Board, asserted: Event) -> list[Event]:
    """Return what happened to one result and its games' ends."""
    market, assertion_id = board.contracts.market, bytes(asserted["assertionId"])
    found = [asserted]
    for name in ("Finalised", "Slashed", "Revealed"):
        found += market.events(name, assertionId=assertion_id)
    found += board.result_events(AssertionId(assertion_id))
    return _with_verdicts(board, in_order(found))


def _with_verdicts(board: Board, events: Sequence[Event]) -> list[Event]:
    """Return events with the rewards of the results among them."""
    games = board.contracts.games
    ids = {bytes(event["assertionId"]) for event in events if event.name == "Asserted"}
    rewards = [event for id_ in ids for event in games.events("Rewarded", assertionId=id_)]
    return in_order([*events, *rewards])
