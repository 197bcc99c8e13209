"""From the gateway's records to what is answered."""

from __future__ import annotations

from base64 import b64encode

import numpy as np

from infernet.audit.disputes import Story, Summary
from infernet.audit.proved import ProofFound
from infernet.chain.records import GameId
from infernet.models.manifest import Manifest, output_numbers

from ..schemas import views
from ..schemas.values import hex_of
from ..service.terms import ServedModel
from ..service.text import Spoken, has_classes
from ..store.records import Finality, TaskEvent, TaskRow, TaskState

_HIGHEST = 5
_MOST_TEXTS = 1_024
_PENDING = (TaskState.ASSERTED, TaskState.DISPUTED)


def task(row: TaskRow, manifest: Manifest | None, spoken: Spoken | None = None) -> views.TaskView:
    """Return a task. `manifest`: of its model, None where that is not known here."""
    order, standing = row.order, row.standing
    return views.TaskView(
        id=hex_of(order.id),
        href=href(order.id),
        state=row.state.value,
        finality=row.finality.value,
        model=order.model,
        program_root=hex_of(order.program_root),
        input_root=hex_of(order.input_root),
        requester=order.requester,
        nonce=str(order.nonce),
        iterations=order.iterations,
        fee_wei=str(order.fee_wei),
        deadline=order.deadline,
        accepted_at=row.accepted_at or None,
        is_signed=order.signature is not None,
        attempt=standing.attempt,
        slashed=standing.slashed,
        executor=standing.executor,
        assertion_id=hex_of(standing.assertion_id) if standing.assertion_id else None,
        claim_deadline=standing.claim_deadline,
        window_end=standing.window_end,
        output=_output(row, manifest),
        text=_text(spoken),
        requested=_place(standing.requested_block, standing.requested_tx),
        asserted=_place(standing.asserted_block, standing.asserted_tx),
        closed=_place(standing.closed_block, standing.closed_tx),
        trouble=row.trouble or None,
    )


def href(task_id: bytes) -> str:
    """Return where a task is followed."""
    return f"/v1/tasks/{hex_of(task_id)}"


def event(found: TaskEvent) -> views.EventView:
    """Return an event."""
    return views.EventView(
        sequence=found.sequence,
        task_id=hex_of(found.task_id),
        kind=found.kind,
        state=found.state.value,
        finality=_finality(found.state).value,
        data=found.data,
        at=_place(found.block, found.transaction),
        time=found.time,
    )


class EventTexts:
    """Events as lines of JSON, each made once for all listeners; of one gateway."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def of(self, found: TaskEvent) -> str:
        """Return an event as one line; in the event loop."""
        text = self._texts.get(found.sequence)
        if text is None:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            text = self._texts[found.sequence] = event(found).model_dump_json()
        return text


def card(served: ServedModel) -> views.ModelCardView:
    """Return a model as a client of OpenAI's protocol lists it."""
    return views.ModelCardView(id=served.name, created=served.registered_at)


def model(served: ServedModel) -> views.ModelView:
    """Return a model."""
    manifest, text = served.manifest, served.manifest.text
    return views.ModelView(
        **dict(card(served)),
        name=served.name,
        program_root=hex_of(served.program_root),
        input_shape=list(served.input_shape),
        input_dtype=manifest.input.source_dtype,
        input_bytes=served.input_bytes,
        output_bytes=served.output_bytes,
        output_shape=list(manifest.output.source_shape),
        takes_images=manifest.pixels is not None,
        labels=list(manifest.labels),
        task=text.task if text else None,
        positions=text.positions if text else None,
        max_iterations=served.max_iterations,
        minimum_stake_wei=str(served.minimum_stake_wei),
    )


def dispute(summary: Summary) -> views.DisputeView:
    """Return a dispute in one line."""
    return views.DisputeView(
        id=hex_of(summary.game_id),
        href=f"/v1/disputes/{hex_of(summary.game_id)}",
        assertion_id=hex_of(summary.assertion_id),
        task_id=hex_of(summary.task_id),
        executor=summary.executor,
        challenger=summary.challenger,
        status=summary.status.name.lower(),
        bond_wei=str(summary.bond),
        length=summary.length,
        block=summary.block,
    )


def story(found: Story) -> views.StoryView:
    """Return a dispute, move by move."""
    return views.StoryView(
        **dispute(found.summary).model_dump(),
        steps=found.steps,
        stake_wei=str(found.stake),
        winner=found.winner.name.lower() if found.winner else None,
        gas=found.gas,
        moves=[
            views.MoveView(
                event=each.event,
                by=each.by.name.lower() if each.by else None,
                what=each.what,
                at=views.PlaceView(block=each.block, transaction=hex_of(each.transaction)),
                time=each.time,
                gas=each.gas,
                interval=list(each.interval) if each.interval else None,
                clocks=list(each.clocks) if each.clocks else None,
            )
            for each in found.happenings
        ],
    )


def proof(game_id: GameId, found: ProofFound) -> views.ProofView:
    """Return a proof."""
    return views.ProofView(
        dispute_id=hex_of(game_id),
        program_root=hex_of(found.program_root),
        iterations=found.iterations,
        step=found.step,
        pre_hash=hex_of(found.pre_hash),
        post_hash=hex_of(found.post_hash),
        prover=found.prover.name.lower(),
        proof=b64encode(found.proof).decode(),
        transaction=hex_of(found.transaction),
    )


def _finality(state: TaskState) -> Finality:
    if state is TaskState.FINAL:
        return Finality.FINAL
    return Finality.PENDING if state in _PENDING else Finality.NONE


def _place(block: int, transaction: bytes) -> views.PlaceView | None:
    return views.PlaceView(block=block, transaction=hex_of(transaction)) if transaction else None


def _output(row: TaskRow, manifest: Manifest | None) -> views.OutputView | None:
    data = row.standing.output
    if data is None:
        return None
    return views.OutputView(
        finality=row.finality.value, data=b64encode(data).decode(), highest=_highest(data, manifest)
    )


def _text(spoken: Spoken | None) -> views.TextView | None:
    if spoken is None:
        return None
    made = spoken.generated
    return views.TextView(
        prompt=spoken.prompt,
        prompt_tokens=spoken.prompt_tokens,
        output=made.text if made else None,
        made_tokens=spoken.made,
        finish_reason=made.finish_reason if made else None,
    )


def _highest(data: bytes, manifest: Manifest | None) -> list[views.GuessView]:
    if manifest is None or not has_classes(manifest):
        return []
    numbers = output_numbers(manifest, np.frombuffer(data, np.uint8)).reshape(-1)
    labels = manifest.labels
    found = np.argsort(-numbers, kind="stable")[:_HIGHEST]
    return [
        views.GuessView(
            index=int(index),
            label=labels[index] if index < len(labels) else None,
            value=float(numbers[index]),
        )
        for index in found
    ]
