"""Tasks in words: a page of one, a line for each change, a table of many; 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from infernet.audit.tasks import Progress, TaskState
from infernet.chain.records import ProgramRoot, Seconds
from infernet.chain.wallet import in_ether

from .status_view import short
from .times import distance, moment, utc

COLUMNS = ("task", "state", "model", "requester", "fee", "deadline")

Names = Mapping[ProgramRoot, str]


def as_object(found: Progress) -> dict[str, object]:
    """Return how a task stands as JSON: bytes as hexadecimal digits, wei as text."""
    shown: dict[str, object] = {}
    for name, value in asdict(found).items():
        if isinstance(value, bytes):
            value = f"0x{value.hex()}"
        shown[name] = str(value) if name.endswith("_wei") else value
    return shown


def page(found: Progress, names: Names, now: Seconds) -> Iterator[str]:
    """Yield the lines that tell one task."""
    yield f"task 0x{found.task_id.hex()}"
    yield f"  state      {found.state}: {_next(found, now)}"
    yield f"  model      {names.get(found.program_root) or f'0x{found.program_root.hex()}'}"
    if found.iterations > 1:
        yield f"  iterations {found.iterations:,}"
    yield f"  requester  {found.requester}, fee {in_ether(found.fee_wei)}"
    yield f"  deadline   {moment(found.deadline, now)}"
    if found.executor:
        yield f"  executor   {found.executor}"
    if found.assertion_id:
        halted = ", halted" if found.halted else ""
        yield f"  result     0x{found.assertion_id.hex()}{halted}"
    if found.slashed:
        yield f"  slashed    {_slashed(found)}"


def change(found: Progress, now: Seconds) -> str:
    """Return the line that tells how a task stands from now on."""
    slashed = f" ({_slashed(found)})" if found.slashed else ""
    return f"{utc(now)}  {found.state}{slashed}: {_next(found, now)}"


def row(found: Progress, names: Names, now: Seconds) -> tuple[str, ...]:
    """Return a task as a row of a table."""
    model = names.get(found.program_root) or short(found.program_root)
    who, fee = found.requester[:10], in_ether(found.fee_wei)
    state = f"{found.state}*" if found.slashed else str(found.state)
    return short(found.task_id), state, model, who, fee, distance(found.deadline, now)


def _next(found: Progress, now: Seconds) -> str:
    if found.state is TaskState.FINAL:
        return "nobody can take it back"
    if found.state is TaskState.REFUNDED:
        return "the fee is the requester's again"
    if found.state is TaskState.DISPUTED:
        return "see `infernet dispute list --open`"
    if found.state is TaskState.ASSERTED and found.window_end:
        is_open = found.window_end >= now
        rest = f"challenges end {distance(found.window_end, now)}"
        return rest if is_open else "the window is over, its miner makes it final"
    if now > max(found.deadline, found.claim_deadline or 0):
        return "too late; `infernet task reclaim` takes the fee back"
    if found.claim_deadline:
        return f"a result is due {distance(found.claim_deadline, now)}"
    return "waits for a miner"


def _slashed(found: Progress) -> str:
    number = found.slashed
    return f"{number} false result{'s' if number > 1 else ''} before"
