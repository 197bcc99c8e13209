"""What a fisherman knows of each result it saw: to be checked, checked, or why it was not.

Nothing about a single result is held in memory, and a restart goes on where the file ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .database import Database, Row

_STEPS = (
    """CREATE TABLE checks (
        assertion_id BLOB PRIMARY KEY, task_id BLOB NOT NULL, program_root BLOB NOT NULL,
        is_own INTEGER NOT NULL, value REAL NOT NULL, window_end INTEGER NOT NULL,
        block INTEGER NOT NULL, finding TEXT NOT NULL, is_open INTEGER NOT NULL,
        due_at INTEGER NOT NULL, tries INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX checks_open ON checks (finding, due_at) WHERE is_open",
    "CREATE INDEX checks_by_task ON checks (task_id) WHERE is_open",
    "CREATE INDEX checks_by_block ON checks (block)",
    "CREATE INDEX checks_by_finding ON checks (program_root, finding)",
)
# Read at each turn; a flood of more waits on disk.
_MOST_OPEN = 5_000
_COLUMNS = "assertion_id, task_id, program_root, is_own, value, window_end, block, tries"


class Finding(StrEnum):
    """What came of a result.

    UNSAMPLED, UNHELD: left out by choice, or for want of the model. LATE: its window closed first.
    MOOT: it fell, or its time was over, before anybody had to check it.
    """

    UNCHECKED = "unchecked"
    TRUE = "true"
    FALSE = "false"
    UNSAMPLED = "unsampled"
    UNHELD = "unheld"
    LATE = "late"
    MOOT = "moot"


@dataclass(frozen=True, slots=True)
class Result:
    """A result on chain. `is_own`: requester and executor are one; `value`: fee and stake in wei.

    `value` only orders results, so it may be rounded. `window_end`: in seconds of chain time.
    """

    assertion_id: bytes
    task_id: bytes
    program_root: bytes
    is_own: bool
    value: float
    window_end: int
    block: int
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many results were seen and what became of them.

    `sampled`: meant to be checked. `skipped`: left out by the sample. `unheld`: of models that are
    not held. `late`: missed. `false`: checked and false. What is neither waits, or became moot.
    """

    seen: int = 0
    sampled: int = 0
    checked: int = 0
    skipped: int = 0
    unheld: int = 0
    late: int = 0
    false: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))


class Checks:
    """The table of results; threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.install("checks", _STEPS)

    def knows(self, assertion_id: bytes) -> bool:
        """Say whether a result is in the table."""
        sql = "SELECT 1 FROM checks WHERE assertion_id = ?"
        return bool(self._database.execute(sql, (assertion_id,)))

    def add(self, results: Iterable[tuple[Result, Finding]]) -> None:
        """Note results seen for the first time; those to be checked stay open."""
        sql = "INSERT OR REPLACE INTO checks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)"
        self._database.execute_many(sql, [_row(result, finding) for result, finding in results])

    def open(self, finding: Finding, now: int) -> list[Result]:
        """Return open results of a finding that are due; of very many the most deserving."""
        sql = (
            f"SELECT {_COLUMNS} FROM checks WHERE is_open AND finding = ? AND due_at <= ? "
            f"ORDER BY tries, is_own, value DESC LIMIT {_MOST_OPEN}"
        )
        return [_result(row) for row in self._database.execute(sql, (finding, now))]

    def unheld(self, now: int) -> list[Result]:
        """Return results of models that were not held, whose windows are open."""
        sql = f"SELECT {_COLUMNS} FROM checks WHERE finding = ? AND window_end >= ?"
        return [_result(row) for row in self._database.execute(sql, (Finding.UNHELD, now))]

    def conclude(self, assertion_id: bytes, finding: Finding, *, is_open: bool = False) -> None:
        """Note what was found; `is_open`: something remains to be done about it."""
        sql = "UPDATE checks SET finding = ?, is_open = ?, due_at = 0 WHERE assertion_id = ?"
        self._database.execute(sql, (finding, is_open, assertion_id))

    def postpone(self, assertion_id: bytes, due_at: int, *, has_failed: bool = False) -> None:
        """Leave a result alone until a time of the chain; `has_failed`: count a try."""
        sql = "UPDATE checks SET due_at = ?, tries = tries + ? WHERE assertion_id = ?"
        self._database.execute(sql, (due_at, has_failed, assertion_id))

    def miss(self, assertion_id: bytes, now: int) -> bool:
        """Note that a window closed first; return False if a reveal has begun it again."""
        sql = (
            "UPDATE checks SET finding = ?, is_open = 0, due_at = 0 "
            "WHERE assertion_id = ? AND window_end < ? RETURNING 1"
        )
        return bool(self._database.execute(sql, (Finding.LATE, assertion_id, now)))

    def reveal(self, task_id: bytes, assertion_id: bytes, window_end: int) -> None:
        """Note that a task's input is there, and that the window of one result began again.

        What was given up because the window before was over is to be checked after all.
        """
        wake = "UPDATE checks SET due_at = 0 WHERE task_id = ? AND is_open AND finding = ?"
        # The same reveal may be read many times, and reopens once.
        reopen = (
            "UPDATE checks SET finding = ?, is_open = 1, due_at = 0 "
            "WHERE assertion_id = ? AND finding IN (?, ?) AND window_end < ?"
        )
        given_up = (Finding.LATE, Finding.MOOT)
        extend = "UPDATE checks SET window_end = ? WHERE assertion_id = ?"
        with self._database.transaction():
            self._database.execute(wake, (task_id, Finding.UNCHECKED))
            self._database.execute(reopen, (Finding.UNCHECKED, assertion_id, *given_up, window_end))
            self._database.execute(extend, (window_end, assertion_id))

    def forget(self, assertion_id: bytes) -> None:
        """Remove a result that a reorganisation took back."""
        self._database.execute("DELETE FROM checks WHERE assertion_id = ?", (assertion_id,))

    def last_block(self) -> int:
        """Return the latest block that a known result is from, 0 if there is none."""
        return int(self._database.execute("SELECT COALESCE(MAX(block), 0) FROM checks")[0][0])

    def coverage(self) -> dict[bytes, Coverage]:
        """Return the counts of each model by its program root."""
        return coverage_of(self._database)


def coverage_of(database: Database) -> dict[bytes, Coverage]:
    """Return the counts of each model in an account's file; readers need no lock."""
    if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'checks'"):
        return {}
    sql = "SELECT program_root, finding, COUNT(*) FROM checks GROUP BY program_root, finding"
    found: dict[bytes, Coverage] = {}
    for root, finding, count in database.execute(sql):
        found[root] = found.get(root, Coverage()) + _counted(Finding(finding), count)
    return found


def _counted(finding: Finding, count: int) -> Coverage:
    is_left_out = finding in (Finding.UNSAMPLED, Finding.UNHELD)
    return Coverage(
        seen=count,
        sampled=0 if is_left_out else count,
        checked=count if finding in (Finding.TRUE, Finding.FALSE) else 0,
        skipped=count if finding is Finding.UNSAMPLED else 0,
        unheld=count if finding is Finding.UNHELD else 0,
        late=count if finding is Finding.LATE else 0,
        false=count if finding is Finding.FALSE else 0,
    )


def _row(result: Result, finding: Finding) -> tuple[object, ...]:
    return (
        result.assertion_id,
        result.task_id,
        result.program_root,
        result.is_own,
        result.value,
        result.window_end,
        result.block,
        finding,
        finding is Finding.UNCHECKED,
    )


def _result(row: Row) -> Result:
    assertion_id, task_id, root, is_own, value, window_end, block, tries = row
    return Result(assertion_id, task_id, root, bool(is_own), value, window_end, block, tries)
