"""The matrix as a page: what was told, what became of it, and what each item is tried by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from infernet.chain.deploy import PRODUCTION

from .case import Outcome
from .coverage import ITEMS, Item
from .lie import Lie
from .matrix import SECTIONS
from .networks import NETWORKS

PAGE = Path(__file__).parents[2] / "docs" / "security" / "tamper.md"
HEAD = (
    "lie",
    "network",
    "who lies",
    "where",
    "what",
    "found by",
    "verdict",
    "refused",
    "who pays, in ETH",
    "transactions",
    "gas",
)
RIGHT = 2
TEXT = """# Tamper matrix

<!-- Made by `python -m tests.tamper --write`. Do not edit it. -->

{rows} named lies, each told to the contracts with the constants of a deployment (k = {k}), about
runs of real networks: {networks}. Each begins at the same second with 1,000 ETH for everybody; a
stake is 10 ETH, a fee 1 ETH. This page is made by

    python -m tests.tamper --write

(`INFERNET_TEST_DATA` set; `--only PATTERN` plays some). The command fails where an honest party
lost anything but its fee, or had a move refused; where a false result is final; where a lie cost
nothing and nothing of it was refused; where what must be refused was taken; and where gains, losses
and what burned do not come to nothing. `tests/tamper/test_matrix.py` holds this page to the
program, and plays all of it each night.

- **Who lies.** A friend acts for a liar, a watcher is a second honest challenger.
- **Found by.** A run: the honest party's own run ends otherwise. A contract: it takes no such call.
- **Verdict.** Who won, how, and at which step. *On time*: the loser had no move that stands.
- **Refused.** What the contracts said to the liars. Who is refused pays that transaction's gas.
- **Who pays.** What is more or less in the vault at the end, and what burned. A true result is
  paid for: 1 ETH from the requester to the executor.
- **Transactions, gas.** All that were taken from the commit or demand to the payment; a request,
  claim, result and finality come without lies too.

{summary}
"""


def text(played: Mapping[str, tuple[Lie, Outcome]]) -> str:
    """Return the whole page."""
    networks = dict.fromkeys(f"{each().name} ({each().family})" for each in NETWORKS.values())
    parts = [
        TEXT.format(
            rows=len(played),
            k=PRODUCTION.game.arity,
            networks=", ".join(networks),
            summary=_summary([outcome for _, outcome in played.values()]),
        )
    ]
    for title, lies in SECTIONS.items():
        parts.append(f"## {title}\n{table(played[lie.name] for lie in lies)}\n")
    parts.append(coverage())
    return "\n".join(parts)


def table(rows: Iterable[tuple[Lie, Outcome]]) -> str:
    """Return rows as a table."""
    rule = ["---"] * (len(HEAD) - RIGHT) + ["---:"] * RIGHT
    return "\n".join(_line(each) for each in (HEAD, rule, *(cells(*row) for row in rows)))


def cells(lie: Lie, outcome: Outcome) -> list[str]:
    """Return a row's cells."""
    return [
        lie.name,
        NETWORKS[lie.network]().name,
        lie.who,
        lie.where,
        lie.what,
        outcome.found_by,
        outcome.verdict,
        "; ".join(outcome.refused),
        _payments(outcome),
        str(outcome.transactions),
        f"{outcome.gas:,}",
    ]


def _line(found: Iterable[str]) -> str:
    return f"| {' | '.join(found)} |"


def _payments(outcome: Outcome) -> str:
    changes = [(party.value, wei) for party, wei in outcome.gained_wei.items() if wei]
    told = [f"{name} {_ether(wei)}" for name, wei in sorted(changes, key=lambda each: each[1])]
    if outcome.burned_wei:
        told.append(f"burned {_ether(outcome.burned_wei).lstrip('+')}")
    return ", ".join(told) or "nobody"


def _ether(wei: int) -> str:
    return f"{(Decimal(wei) / 10**18).normalize():+f}".replace("-", "−")


def _summary(outcomes: list[Outcome]) -> str:
    ends = Counter(_end(each) for each in outcomes)
    told = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    return f"Of all, {told}. Faults: {sum(bool(each.faults) for each in outcomes)}."


def _end(outcome: Outcome) -> str:
    if "by proof" in outcome.verdict:
        return "fell to a proof"
    if outcome.verdict == "refused":
        return "were refused and changed nothing"
    return "fell to a clock or a deadline"


def coverage() -> str:
    """Return what was to be tried, and by what it is."""
    head = "## What was to be tried\nAnd which lies, or which tests elsewhere, try it.\n\n"
    lines = [_line(each) for each in (("to try", "rows", "other tests"), ("---",) * 3)]
    return head + "\n".join([*lines, *(_line(_covered(item)) for item in ITEMS)]) + "\n"


def _covered(item: Item) -> tuple[str, str, str]:
    return item.what, ", ".join(item.rows), ", ".join(f"`{each}`" for each in item.tests)


def written(page: str) -> dict[str, list[str]]:
    """Return a page's cells by the names of its lies."""
    lines = [line[2:-2].split(" | ") for line in page.splitlines() if line.startswith("| ")]
    rows = [found for found in lines if len(found) == len(HEAD)]
    return {found[0]: found for found in rows if found[0] not in (HEAD[0], "---")}
