"""What people see: lines on a terminal, and errors as one clear message."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from infernet.actors.report import Position, Report
from infernet.chain.records import Wei
from infernet.chain.wallet import in_ether

_STYLES = {
    "gateway": "cyan",
    "honest executor": "green",
    "lying executor": "red",
    "fisherman": "yellow",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a command tells what happens."""

    console: Console

    @classmethod
    def open(cls, *, to_stderr: bool) -> Screen:
        """Return the terminal; results in JSON leave the standard output to themselves."""
        return cls(Console(stderr=to_stderr, highlight=False, soft_wrap=True))

    def title(self, text: str) -> None:
        """Print a heading."""
        self.console.print(f"\n[bold]{escape(text)}[/bold]")

    def line(self, text: str) -> None:
        """Print a plain line."""
        self.console.print(f"  {escape(text)}")

    def prose(self, text: str) -> None:
        """Print sentences, broken between words to fit a terminal of 80 columns."""
        for part in textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False):
            self.line(part)

    def report(self, report: Report) -> None:
        """Print what an actor did or found."""
        style = _STYLES.get(report.actor, "white")
        gas = f"{report.sent.gas_used:>11,} gas" if report.sent else " " * 15
        who = f"[{style}]{escape(report.actor):<16}[/{style}]"
        self.console.print(f"  {who} {gas}  {escape(report.what)}")
        if report.position:
            self.console.print(f"      [dim]{_position(report.position)}[/dim]")

    def hear(self, text: str) -> None:
        """Print what the gateway says to whoever asks it."""
        self.console.print(f"      [dim]REST: {escape(text)}[/dim]")

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; all but the first column are numbers."""
        table = Table(box=None, pad_edge=True, header_style="bold")
        for position, column in enumerate(columns):
            table.add_column(column, justify="right" if position else "left", no_wrap=True)
        for row in rows:
            table.add_row(*map(escape, row))
        self.console.print(table)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Give what tells how much is done; shown as a bar where a person looks on."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)

    def texts(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table of texts, folded where the terminal is narrow."""
        table = Table(box=None, pad_edge=True, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*map(escape, row))
        self.console.print(table)


def ether(amount: Wei) -> str:
    """Return an amount with six decimals; the exact one is in the JSON."""
    return f"{amount / 10**18:,.6f}" if amount >= 0 else f"-{ether(Wei(-amount))}"


def ether_at_most(amount: Wei) -> str:
    """Return an amount that is not negative, rounded up to six decimals."""
    return ether(Wei(-(-amount // 10**12) * 10**12))


def exact_ether(amount: Wei) -> str:
    """Return an amount exact to the wei."""
    return in_ether(amount)


def _position(position: Position) -> str:
    first, last = position.start, position.start + position.length
    steps = f"{position.length:,} step{'s' if position.length != 1 else ''} left"
    clocks = f"{_duration(position.executor_clock)} / {_duration(position.challenger_clock)}"
    return f"{first:,} … {last:,}, {steps}; clocks {clocks}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
