"""A gateway's tasks in words: a page of one, a table of many, a drawing of what happens to one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.text import Text

from infernet.chain import wallet
from infernet.chain.records import Wei
from infernet.client import Event, State, Task

from .status_view import short
from .times import utc

COLUMNS = ("task", "state", "model", "requester", "fee", "deadline")

_MEANING = {
    State.QUEUED: "waits for a miner",
    State.RUNNING: "a miner computes it",
    State.ASSERTED: "a miner staked on the result; it can still be proven false",
    State.DISPUTED: "somebody disputes the result",
    State.SLASHED: "the result was false and is void; the task is about to be queued again",
    State.FINAL: "nobody can take it back",
    State.REFUNDED: "the fee came back",
    State.FAILED: "it never came to the chain and costs nothing",
}
_STYLES = {
    State.ASSERTED: "yellow",
    State.DISPUTED: "red",
    State.SLASHED: "bold red",
    State.FINAL: "bold green",
    State.REFUNDED: "red",
    State.FAILED: "red",
}


def task_object(task: Task) -> dict[str, object]:
    """Return a task as JSON, named as the chain's are: bytes as hexadecimal digits, wei as text."""
    shown = asdict(task)
    shown["output"] = f"0x{task.output.data.hex()}" if task.output else None
    shown["highest"] = [asdict(each) for each in task.output.highest] if task.output else []
    return {"task_id": shown.pop("id"), **shown, "fee_wei": str(task.fee_wei)}


def event_object(event: Event) -> dict[str, object]:
    """Return an event as JSON."""
    return asdict(event)


def page(task: Task) -> Iterator[str]:
    """Yield the lines that tell one task."""
    yield f"task {task.id}"
    yield f"  state      {task.state}: {task.trouble or _MEANING[task.state]}"
    yield f"  model      {task.model or task.program_root}"
    yield f"  requester  {task.requester}, fee {_ether(task)}"
    yield f"  deadline   {utc(task.deadline)}"
    if task.executor:
        yield f"  executor   {task.executor}"
    if task.assertion_id:
        yield f"  result     {task.assertion_id}"
    if task.text:
        yield f"  prompt     {quoted(task.text.prompt)}"
    if task.output:
        yield f"  output     {result(task)}"
    if task.state is State.ASSERTED and task.window_end:
        yield f"  window     challenges end {utc(task.window_end)}"
    if task.slashed:
        yield f"  slashed    {task.slashed} before"


def row(task: Task) -> tuple[str, ...]:
    """Return a task as a row of a table; `*`: false results of it were slashed."""
    state = f"{task.state}*" if task.slashed else str(task.state)
    root = bytes.fromhex(task.program_root.removeprefix("0x"))
    model, name = task.model or short(root), short(bytes.fromhex(task.id[2:]))
    return name, state, model, task.requester[:10], _ether(task), utc(task.deadline)


def result(task: Task) -> str:
    """Return an output's text, or its largest elements, and how sure that is."""
    if task.output is None:
        return "none"
    if task.text and task.text.output is not None:
        made = f"{task.text.made_tokens} tokens, {task.text.finish_reason}"
        return f"{quoted(task.text.output)} ({made}); {task.output.finality}"
    told = (f"{each.label or each.index} ({each.value:g})" for each in task.output.highest)
    return f"{', '.join(told)}; {task.output.finality}"


def quoted(text: str) -> str:
    """Return a text in quotes on one line: nothing in it reaches the terminal as a command."""
    shown = (
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return f'"{"".join(shown)}"'


def line(event: Event) -> str:
    """Return the line that tells an event."""
    place = f", block {event.at.block}" if event.at else ""
    return f"{utc(event.time)}  {event.state:<9} {event.kind}{place}"


def drawing(events: Sequence[Event]) -> RenderableType:
    """Return what a terminal shows of a task: what happened to it, and what that means."""
    told = [Text(line(each), _STYLES.get(each.state, "")) for each in events]
    if not events:
        return Spinner("dots", "asks the gateway")
    last = events[-1].state
    meaning = f"{last}: {_MEANING[last]}"
    if last in (State.FINAL, State.REFUNDED, State.FAILED):
        return Group(*told, Text(meaning))
    return Group(*told, Spinner("dots", meaning))


def _ether(task: Task) -> str:
    return wallet.in_ether(Wei(task.fee_wei))
