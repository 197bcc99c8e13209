"""What the pages ask for, and the answers of a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, TypeVar

from infernet.chain.abi import checksummed
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address, AssertionId, GameId, ProgramRoot, Seconds, TaskId
from infernet.models.pipeline import Model
from infernet.monitor.scoreboard import Scoreboard

from ..errors import UnknownTask
from ..service.text import Speak
from ..store.records import TaskRow
from .board import Board, Kept
from .disputes import dispute_line, dispute_page
from .errors import InvalidQuery, NoSuchPage
from .overview import overview_page
from .pages import (
    AddressPage,
    AssertionPage,
    DisputePage,
    DisputesPage,
    FishermenPage,
    MinersPage,
    ModelPage,
    ModelsPage,
    OverviewPage,
    SearchPage,
    TaskPage,
    TasksPage,
    TransactionPage,
)
from .pictures import picture_of
from .places import address_page, model_line, model_page, transaction_page
from .players import fishermen_page, miners_page
from .records import Head
from .search import find
from .tasks import assertion_page, takes_pictures, task_line, task_page, unsent_page

T = TypeVar("T")

_ID_BYTES, _ADDRESS_BYTES = 32, 20
_PER_PAGE, _MOST_MODELS = 25, 100
_RANK_DIGITS = 9
_MOST_KEPT_PAGES = 256


class Explorer(Protocol):
    """What the pages need. Raises NoSuchPage, InvalidQuery, or ChainError if no chain answers."""

    def now(self) -> Seconds:
        """Return the chain's time."""

    def overview(self) -> OverviewPage:
        """Return what goes on now."""

    def tasks(self, before: str | None) -> TasksPage:
        """Return tasks before a cursor, the newest first."""

    def task(self, key: str) -> TaskPage:
        """Return a task."""

    def picture(self, key: str) -> bytes:
        """Return a task's input as a PNG."""

    def assertion(self, key: str) -> AssertionPage:
        """Return a result."""

    def disputes(self, before: str | None) -> DisputesPage:
        """Return disputes before a cursor, the newest first."""

    def dispute(self, key: str) -> DisputePage:
        """Return a dispute."""

    def models(self) -> ModelsPage:
        """Return the registered programs."""

    def miners(self, skipped: str | None) -> MinersPage:
        """Return miners behind so many ranks, the best first."""

    def fishermen(self, skipped: str | None) -> FishermenPage:
        """Return fishermen behind so many ranks, the best first."""

    def model(self, key: str) -> ModelPage:
        """Return a program by root or name."""

    def address(self, key: str) -> AddressPage:
        """Return an account."""

    def transaction(self, key: str) -> TransactionPage:
        """Return a transaction."""

    def search(self, text: str) -> SearchPage:
        """Return what begins as a text does."""

    def deployment(self) -> str:
        """Return the description of the contracts, as commands take it."""


class ChainExplorer:
    """The explorer of any deployment, with no tables beside the index of its events.

    `accepted`: looks up what a gateway accepted, or raises UnknownTask; tasks that no block holds
    yet are shown from there. `speak`: tells what tasks of models of text were asked and said. Pages
    are kept until the next block: many readers cost what one does.
    """

    def __init__(
        self,
        contracts: Contracts,
        models: Iterable[Model] = (),
        accepted: Callable[[TaskId], TaskRow] | None = None,
        scoreboard: Scoreboard | None = None,
        speak: Speak | None = None,
    ) -> None:
        self.board = Board(contracts, models, scoreboard)
        self._accepted, self._speak = accepted, speak
        self._pages: Kept[tuple[object, ...], object] = Kept(_MOST_KEPT_PAGES)

    def now(self) -> Seconds:
        """Return the chain's time."""
        return self.board.contracts.chain.next_timestamp()

    def overview(self) -> OverviewPage:
        """Return what goes on now."""
        return self._kept(("overview",), lambda head: overview_page(self.board, head))

    def tasks(self, before: str | None) -> TasksPage:
        """Return tasks before a cursor, the newest first."""
        cursor = _cursor(before)

        def read(head: Head) -> TasksPage:
            market = self.board.contracts.market
            found = market.latest_events("Requested", _PER_PAGE + 1, cursor)
            lines = tuple(task_line(self.board, event) for event in found[:_PER_PAGE])
            return TasksPage(head, lines, _next(lines, len(found)))

        return self._kept(("tasks", cursor), read)

    def task(self, key: str) -> TaskPage:
        """Return a task."""
        task_id = TaskId(_id(key))
        if self._accepted and not self.board.is_requested(task_id):
            with suppress(UnknownTask):
                return unsent_page(self.board, self.board.head()[0], self._accepted(task_id))
        return self._kept(("task", task_id), lambda head: self._task_page(head, task_id))

    def _task_page(self, head: Head, task_id: TaskId) -> TaskPage:
        page = task_page(self.board, head, task_id)
        if self._speak is None:
            return page
        spoken = self._speak(task_id, page.model.root, page.iterations, page.output)
        return replace(page, spoken=spoken)

    def picture(self, key: str) -> bytes:
        """Return a task's input as a PNG."""
        task_id = TaskId(_id(key))
        root = ProgramRoot(bytes(self.board.requested(task_id)["programRoot"]))
        model = self.board.models.get(root)
        data = self.board.contracts.market.carried_input(task_id)
        if model is None or data is None or not takes_pictures(model):
            raise NoSuchPage(f"The input of task 0x{task_id.hex()} cannot be shown as a picture.")
        return picture_of(model, data)

    def assertion(self, key: str) -> AssertionPage:
        """Return a result."""
        id_ = AssertionId(_id(key))
        return self._kept(("result", id_), lambda head: assertion_page(self.board, head, id_))

    def disputes(self, before: str | None) -> DisputesPage:
        """Return disputes before a cursor, the newest first."""
        cursor = _cursor(before)

        def read(head: Head) -> DisputesPage:
            games = self.board.contracts.games
            found = games.latest_events("ChallengeCommitted", _PER_PAGE + 1, cursor)
            lines = tuple(dispute_line(self.board, event) for event in found[:_PER_PAGE])
            return DisputesPage(head, lines, _next(lines, len(found)))

        return self._kept(("disputes", cursor), read)

    def dispute(self, key: str) -> DisputePage:
        """Return a dispute."""
        id_ = GameId(_id(key))
        return self._kept(("dispute", id_), lambda head: dispute_page(self.board, head, id_))

    def models(self) -> ModelsPage:
        """Return the registered programs, the newest hundred."""

        def read(head: Head) -> ModelsPage:
            registry = self.board.contracts.registry
            found = registry.latest_events("ModelRegistered", _MOST_MODELS)
            roots = dict.fromkeys(ProgramRoot(bytes(event["programRoot"])) for event in found)
            return ModelsPage(head, tuple(model_line(self.board, root) for root in roots))

        return self._kept(("models",), read)

    def miners(self, skipped: str | None) -> MinersPage:
        """Return miners behind so many ranks, the best first."""
        rank = _rank(skipped)
        return self._kept(("miners", rank), lambda head: miners_page(self.board, head, rank))

    def fishermen(self, skipped: str | None) -> FishermenPage:
        """Return fishermen behind so many ranks, the best first."""
        rank = _rank(skipped)
        return self._kept(("fishermen", rank), lambda head: fishermen_page(self.board, head, rank))

    def model(self, key: str) -> ModelPage:
        """Return a program by root or name."""
        names = {model.manifest.name: root for root, model in self.board.models.items()}
        root = names[key] if key in names else ProgramRoot(_id(key))
        return self._kept(("model", root), lambda head: model_page(self.board, head, root))

    def address(self, key: str) -> AddressPage:
        """Return an account."""
        address = Address(checksummed(f"0x{_bytes(key, _ADDRESS_BYTES, 'an address').hex()}"))
        read = address_page
        return self._kept(("address", address), lambda head: read(self.board, head, address))

    def transaction(self, key: str) -> TransactionPage:
        """Return a transaction."""
        hash_ = _id(key)
        return self._kept(("tx", hash_), lambda head: transaction_page(self.board, head, hash_))

    def search(self, text: str) -> SearchPage:
        """Return what begins as a text does."""
        head, _ = self.board.head()
        with self.board.contracts.feed.as_it_is():
            return SearchPage(head, text.strip(), find(self.board, text))

    def deployment(self) -> str:
        """Return the description of the contracts, as commands take it."""
        return self.board.contracts.deployment.to_json()

    def _kept(self, key: tuple[object, ...], read: Callable[[Head], T]) -> T:
        """Return a page of the latest block, made once."""
        head, block_hash = self.board.head()
        full = (block_hash, *key)
        found = self._pages.get(full)
        if found is None:
            with self.board.contracts.feed.as_it_is():
                found = self._pages.put(full, read(head))
        return found  # type: ignore[return-value]


def _id(key: str) -> bytes:
    return _bytes(key, _ID_BYTES, "an id")


def _bytes(key: str, count: int, what: str) -> bytes:
    digits = key.removeprefix("0x")
    with suppress(ValueError):
        found = bytes.fromhex(digits)
        if len(found) == count and len(digits) == 2 * count:
            return found
    raise InvalidQuery(f"“{key[:80]}” is not {what}: it has 0x and {2 * count} hexadecimal digits.")


def _cursor(text: str | None) -> tuple[int, int] | None:
    """Return block and log index in a cursor, as `_next` writes it."""
    if text is None:
        return None
    block, _, index = text.partition("-")
    if not (block.isascii() and block.isdecimal() and index.isascii() and index.isdecimal()):
        raise InvalidQuery(f"“{text[:80]}” is not a place in the list. Begin at its first page.")
    if max(len(block), len(index)) > 15:
        raise InvalidQuery("There is no such place in the list. Begin at its first page.")
    return int(block), int(index)


def _rank(text: str | None) -> int:
    """Return how many ranks are before a page."""
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) <= _RANK_DIGITS):
        raise InvalidQuery(f"“{text[:80]}” is not a rank. Begin at the first page of the ranking.")
    return int(text)


def _next(lines: tuple[object, ...], found: int) -> str | None:
    if found <= _PER_PAGE:
        return None
    last = lines[-1]
    return f"{last.block}-{last.index}"  # type: ignore[attr-defined]
