"""A snapshot as a dashboard of 80 columns or more; colour only repeats what the words say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from infernet.chain.endpoints import EndpointStatus
from infernet.chain.records import Address, GameStatus
from infernet.monitor.snapshot import Dispute, Role, Snapshot, Turn

from .console import ether

_MOST_DISPUTES = 5
_SOON_SECONDS = 900
_SHORT_ID_CHARACTERS = 10

Row = tuple[str, Text]


@dataclass(frozen=True, slots=True)
class Process:
    """The process that plays; `memory_bytes`: None where the system does not tell."""

    number: int
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class View:
    """What the dashboard shows. `process`: None if none plays; `age_seconds`: of the snapshot.

    `score`: by what the account did in its role, None if it did nothing yet.
    """

    snapshot: Snapshot
    backend: str
    process: Process | None
    endpoints: Sequence[EndpointStatus]
    score: float | None = None
    age_seconds: int = 0
    trouble: str | None = None


def dashboard(view: View) -> RenderableType:
    """Return the whole of it."""
    found = view.snapshot
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="bold", width=9, no_wrap=True)
    grid.add_column(ratio=1)
    for name, text in _rows(view):
        grid.add_row(name, text)
    parts: list[RenderableType] = [grid]
    if found.disputes:
        parts.append(_disputes(view))
    if len(found.disputes) > _MOST_DISPUTES:
        parts.append(Text(f"and {len(found.disputes) - _MOST_DISPUTES} more: see --json"))
    if view.trouble:
        parts.append(Text(f"not up to date: {view.trouble}", style="bold red"))
    place = f"chain {found.chain_id} · block {found.block:,}"
    return Panel(
        Group(*parts), title=f"InferNet {found.role}", subtitle=place, box=box.ROUNDED, expand=True
    )


def _rows(view: View) -> Iterator[Row]:
    found = view.snapshot
    score = "" if view.score is None else f" · score {view.score:.2f}"
    yield "account", Text(f"{found.address}{score}")
    yield "process", _process(view.process)
    yield "backend", Text(f"{view.backend} · {_nodes(view.endpoints)}")
    yield "models", _models(found)
    if found.role is Role.MINER:
        yield from _tasks(found)
    else:
        yield "results", _coverage(found)
    yield from _money(found)
    yield "sending", _transactions(found)
    yield "due", _dues(view)
    yield "disputes", _record(found)


def _process(process: Process | None) -> Text:
    if process is None:
        return Text("NOT RUNNING", style="bold red")
    used = process.memory_bytes
    memory = "" if used is None else f", {used / 2**20:,.0f} MiB of memory"
    return Text.assemble(("RUNNING", "bold green"), f" (process {process.number}{memory})")


def _nodes(endpoints: Sequence[EndpointStatus]) -> str:
    if not endpoints:
        return "chain in this process"
    well = sum(not endpoint.is_shunned for endpoint in endpoints)
    delays = [e.latency_seconds for e in endpoints if e.latency_seconds is not None]
    slowest = f", at most {max(delays) * 1_000:,.0f} ms" if delays else ""
    return f"{well} of {len(endpoints)} nodes answer well{slowest}"


def _models(found: Snapshot) -> Text:
    text = Text("none configured" if not found.models else "")
    for number, model in enumerate(found.models):
        text.append(" · " if number else "")
        text.append(model.name, style="cyan")
        if not model.is_registered:
            text.append(" NOT REGISTERED", style="bold red")
        elif found.role is Role.MINER:
            text.append(f" {model.accepted:,} accepted")
    return text


def _tasks(found: Snapshot) -> Iterator[Row]:
    tasks, limit = found.tasks, f" of {found.capacity.max_tasks}" if found.capacity else ""
    states = f"claimed {tasks.claimed} · in window {tasks.asserted} · disputed {tasks.disputed}"
    yield "in work", Text(f"{tasks.in_work}{limit}: {states}")
    text = Text.assemble((f"final {tasks.final:,}", "green"), " · ")
    text.append(f"slashed {tasks.slashed:,}", style="bold red" if tasks.slashed else "")
    text.append(f" · claims expired {tasks.expired:,}", style="yellow" if tasks.expired else "")
    yield "results", text


def _coverage(found: Snapshot) -> Text:
    seen = found.coverage
    if seen is None or not seen.seen:
        return Text("none seen yet")
    share = 100 * seen.checked / seen.sampled if seen.sampled else 100.0
    text = Text(f"checked {seen.checked:,} of {seen.sampled:,} sampled ({share:.1f} %)")
    text.append(f" · seen {seen.seen:,} · false {seen.false:,}")
    return text.append(f" · missed {seen.late:,}", style="bold red" if seen.late else "")


def _money(found: Snapshot) -> Iterator[Row]:
    money = found.money
    text = Text(f"wallet {ether(money.wallet_wei)}")
    if money.wallet_wei < money.reserve_wei:
        text.append(" LOW", style="bold red")
    text.append(f" · free {ether(money.free_wei)} · staked {ether(money.locked_wei)} ETH")
    yield "holds", text
    text = Text(f"fees {ether(money.fees_wei)} · rewards {ether(money.rewards_wei)}")
    text.append(f" · other {ether(money.other_wei)} ETH")
    yield "earned", text
    gas = "unknown" if money.gas_wei is None else ether(money.gas_wei)
    text = Text(f"paid {ether(money.paid_wei)} · burned {ether(money.burned_wei)} · gas {gas} ETH")
    yield "spent", text
    net = money.net_wei
    sign = "+" if net >= 0 else ""
    yield "net", Text(f"{sign}{ether(net)} ETH", style="bold green" if net >= 0 else "bold red")


def _transactions(found: Snapshot) -> Text:
    sent = found.transactions
    if sent is None:
        return Text("no record on this machine: the chain alone was asked")
    text = Text(f"{sent.waiting} waiting", style="yellow" if sent.waiting else "")
    return text.append(
        f" · {sent.unconfirmed} unconfirmed · {sent.included:,} done, {sent.failed:,} refused",
        style="none",
    )


def _dues(view: View) -> Text:
    dues = view.snapshot.dues
    if not dues:
        return Text("nothing")
    first = dues[0]
    left = first.seconds_left - view.age_seconds
    style = "bold red" if left < _SOON_SECONDS else "yellow"
    when = f"within {duration(left)}" if left >= 0 else f"overdue since {duration(-left)}"
    text = Text(f"{first.duty} {when}", style=style)
    more = f" (and {len(dues) - 1} more)" if len(dues) > 1 else ""
    return text.append(f" for {short(first.of)}{more}", style="none")


def _record(found: Snapshot) -> Text:
    if not (found.disputes or found.games_won or found.games_lost):
        return Text("none")
    text = Text(f"{len(found.disputes)} open · won {found.games_won:,}")
    return text.append(
        f" · lost {found.games_lost:,}", style="bold red" if found.games_lost else ""
    )


def _disputes(view: View) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("game", "as", "turn"):
        table.add_column(name, no_wrap=True)
    for name in ("steps left", "our clock", "theirs", "deadline"):
        table.add_column(name, justify="right", no_wrap=True)
    for dispute in view.snapshot.disputes[:_MOST_DISPUTES]:
        table.add_row(*_dispute(dispute, view.age_seconds))
    return table


def _dispute(dispute: Dispute, age_seconds: int) -> Iterator[RenderableType]:
    yield short(dispute.game_id)
    yield "fisherman" if dispute.is_challenger else "miner"
    if dispute.turn is Turn.OVER:
        yield Text("bond due", style="green")
        yield from ("-", "-", "-", "-")
        return
    is_ours = dispute.turn is Turn.OURS
    yield Text("OURS" if is_ours else "theirs", style="bold yellow" if is_ours else "")
    if dispute.status is GameStatus.COMMITTED:
        yield from ("to open", "-", "-")
    else:
        yield f"{dispute.length:,}"
        yield duration(dispute.our_clock_seconds)
        yield duration(dispute.their_clock_seconds)
    left = dispute.seconds_left - age_seconds
    yield Text(duration(left), style="bold red" if is_ours and left < _SOON_SECONDS else "")


def duration(seconds: int) -> str:
    """Return hours, minutes and seconds; negative ones are past."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def short(id_: bytes | Address) -> str:
    """Return the first digits of an id; unambiguous ones are accepted by every command."""
    return f"0x{id_.hex()}"[:_SHORT_ID_CHARACTERS] if isinstance(id_, bytes) else id_
