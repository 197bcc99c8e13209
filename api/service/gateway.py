"""The gateway: all that routes and pages ask for, without a word of HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread

from infernet.actors.daemon import Pace, run
from infernet.audit.certify import receipt_of
from infernet.audit.disputes import Story, Summary, disputes, story_of
from infernet.audit.errors import NotAsserted, UnknownMatter
from infernet.audit.models import model_of
from infernet.audit.receipt import Receipt
from infernet.chain.connection import Chain
from infernet.chain.deployment import Contracts
from infernet.chain.records import GameId, Seconds, TaskId, Wei
from infernet.chain.wallet import Wallet
from infernet.models.errors import InvalidInput
from infernet.models.pipeline import Model
from infernet.models.text import Codec
from infernet.monitor.scoreboard import Scoreboard

from ..errors import Stopping, UnknownTask
from ..store.blobs import Blobs
from ..store.records import TaskEvent, TaskRow
from ..store.tasks import Filters, Page, TaskStore
from ..store.writer import Writer
from .accept import Reception
from .catalogue import Catalogue
from .desk import PoolDesk
from .follow import Follower
from .health import Condition, Health
from .notify import Listener, Notifier, Publish
from .submit import Sender
from .terms import Accepted, Account, ServedModel, Settings, SignedWish, Wish
from .text import Spoken, spoken

_MOST_IN_PAGE = 200
# More threads than this only take the interpreter from each other.
ACCEPTERS = 4
_SCORE_SECONDS = 5.0


class Gateway:
    """One gateway: accepts tasks, sends them, follows the chain and tells.

    Any thread may call any method. What reads the store raises StoreError, what asks the chain
    ChainError, and all of it GatewayError; of each the message says what to do.
    """

    def __init__(
        self,
        contracts: Contracts,
        wallet: Wallet,
        store: TaskStore,
        blobs: Blobs,
        models: Iterable[Model],
        settings: Settings | None = None,
        codecs: Mapping[str, Codec] | None = None,
    ) -> None:
        self.contracts, self.wallet = contracts, wallet
        self.settings = settings or Settings()
        self._store, self._blobs = store, blobs
        self._catalogue = Catalogue(contracts, models, codecs or {})
        self.scoreboard = Scoreboard(contracts)
        self.pool = PoolDesk(
            contracts,
            self._catalogue,
            store,
            self.settings.pool,
            self.settings.public_url,
            self.scoreboard.score,
            self.scoreboard.deposit,
        )
        self._notifier = Notifier(self.settings.most_listeners)
        self._health = Health()
        self._clock = _Clock(contracts.chain)
        self._turn, self._stop = Lock(), Event()
        self._writer = Writer(store.database)
        self._follower = Follower(
            contracts, store.chain, self._catalogue.names, self._notifier.publish
        )
        self._reception = Reception(
            contracts,
            wallet.address,
            self._catalogue,
            store,
            self._writer,
            blobs,
            self.settings,
            self._clock.now,
            self._notifier.publish,
        )
        self._pool = ThreadPoolExecutor(ACCEPTERS, "gateway-accept")
        self._thread: Thread | None = None

    @classmethod
    def open(
        cls,
        contracts: Contracts,
        wallet: Wallet,
        folder: Path,
        models: Iterable[Model],
        settings: Settings | None = None,
        codecs: Mapping[str, Codec] | None = None,
    ) -> Gateway:
        """Open what the data folder keeps and return the gateway, which `close` gives back.

        `codecs`: of the models of text, by name.
        """
        settings = settings or Settings()
        d = contracts.deployment
        store = TaskStore.open(folder, f"chain {d.chain_id}, market {d.market.lower()}")
        blobs = store.inputs(settings.most_blob_bytes)
        return cls(contracts, wallet, store, blobs, models, settings, codecs)

    def start(self) -> None:
        """Begin to send and follow, on a thread; raises ChainError if no chain answers."""
        self._clock.look()
        sender = Sender(
            self.contracts,
            self.wallet,
            self._store,
            self._blobs,
            self._follower,
            self.settings,
            self._turn,
            self._notifier.publish,
        )
        loop = _Turns(sender, self._clock, self._reception, self.pool, self.scoreboard)
        pace = Pace(poll_seconds=self.settings.poll_seconds)
        arguments = (loop, self.wallet, self._stop, self._health, pace)
        self._thread = Thread(target=run, args=arguments, name="gateway", daemon=True)
        self._thread.start()

    def send_away(self) -> None:
        """End every stream and every wait, so that a server which ends need not wait for them."""
        self.pool.close()
        self._notifier.close()

    def close(self) -> None:
        """Accept nothing more, finish the turn and what is being written, end listeners."""
        self._stop.set()
        self.pool.close()
        self._pool.shutdown()
        self._writer.close()
        if self._thread:
            self._thread.join()
        self._notifier.close()
        self._store.close()

    # Asking for tasks

    def accept(
        self, wish: Wish, account: Account, idempotency_key: str | None = None
    ) -> Future[Accepted]:
        """Accept a task that the gateway pays; the future holds once it is durable.

        Returns at once. This or that raises InvalidTask, KeyReused, BudgetExceeded, NoRoom,
        Stopping or StoreError.
        """
        if self._reception.is_light(wish):
            # Handing it to a thread would take longer than its checks.
            return self._reception.take([wish], account, idempotency_key)
        return self.accept_batch([wish], account, idempotency_key)

    def accept_batch(
        self, wishes: Sequence[Wish], account: Account, idempotency_key: str | None = None
    ) -> Future[Accepted]:
        """Accept several tasks, all of them or none; as `accept`."""
        return self._begin(partial(self._reception.take, wishes, account, idempotency_key))

    def accept_signed(
        self, wish: SignedWish, account: Account, idempotency_key: str | None = None
    ) -> Future[Accepted]:
        """Accept a task that its requester signed and pays; as `accept`, and ChainError."""
        return self._begin(partial(self._reception.relay, wish, account, idempotency_key))

    def spent(self, account_id: str) -> Wei:
        """Return what an account's tasks cost so far; fees that came back do not count."""
        return self._store.spent(account_id)

    # Reading

    def task(self, task_id: TaskId) -> TaskRow:
        """Return a task, or raise UnknownTask."""
        found = self._store.task(task_id)
        if found is None:
            raise UnknownTask(f"no task 0x{task_id.hex()} is known here; check the id")
        return found

    def tasks(
        self, filters: Filters | None = None, cursor: int | None = None, limit: int = 50
    ) -> Page:
        """Return tasks before a cursor, the newest first; at most 200 at a time."""
        return self._store.tasks(filters or Filters(), cursor, max(1, min(limit, _MOST_IN_PAGE)))

    def events(
        self, after: int = 0, task_id: TaskId | None = None, limit: int = 100
    ) -> list[TaskEvent]:
        """Return events behind a sequence number, the oldest first; at most 200 at a time."""
        return self._store.events(after, task_id, max(1, min(limit, _MOST_IN_PAGE)))

    def last_event(self) -> int:
        """Return the sequence number of the latest event, 0 if there is none."""
        return self._store.last_event()

    def listen(self, after: int = 0, task_id: TaskId | None = None) -> Listener:
        """Return events behind a sequence number as they come; see `Listener`."""
        return Listener(self._notifier, self._store.events, after, task_id)

    def heed(self, act: Publish) -> None:
        """Have all events given to `act`, on the thread that tells them; it returns at once."""
        self._notifier.heed(act)

    def input(self, task_id: TaskId) -> bytes:
        """Return a task's input bytes, from disk or else from the chain; UnknownTask for none."""
        data = self._blobs.get(self.task(task_id).order.input_root)
        if data is None:
            data = self.contracts.market.carried_input(task_id)
        if data is None:
            raise UnknownTask(f"nobody has shown the input of task 0x{task_id.hex()} yet")
        return data

    def spoken(
        self, task_id: TaskId, root: bytes, iterations: int, output: bytes | None
    ) -> Spoken | None:
        """Return what a task of a model of text was asked, and said if it has an output.

        None for other models, and while the input is unknown or none of the model's.
        """
        codec = self._catalogue.codec(root)
        if codec is None:
            return None
        try:
            return spoken(codec, self.input(task_id), iterations, output)
        except (UnknownTask, InvalidInput):
            # Others may have put anything on chain, or nothing yet.
            return None

    def receipt(self, task_id: TaskId) -> Receipt:
        """Return the receipt of a task's last result; raises AuditError or ChainError."""
        root = self.task(task_id).order.program_root
        model = self._catalogue.by_root(root) or model_of(root)
        header = model.program.header.encode()
        try:
            return receipt_of(self.contracts, task_id, header, model.manifest.name)
        except UnknownMatter:
            raise NotAsserted(
                f"task 0x{task_id.hex()} is accepted and not on chain yet, so it has no result; "
                "follow its events and ask again"
            ) from None

    def models(self) -> list[ServedModel]:
        """Return the models that tasks may name; raises ChainError."""
        return self._catalogue.served()

    def model(self, name: str) -> ServedModel:
        """Return a model by name or program root, or raise UnknownModel."""
        return self._catalogue.find(name)[1]

    def model_names(self) -> dict[bytes, str]:
        """Return the names of the stored models by program root."""
        return self._catalogue.names

    def disputes(self, *, is_open: bool = False) -> list[Summary]:
        """Return the disputes, oldest first; raises ChainError."""
        return disputes(self.contracts, is_open=is_open)

    def dispute(self, game_id: GameId) -> Story:
        """Return what happened in a dispute; raises UnknownMatter or ChainError."""
        if not self.contracts.games.challenges(gameId=game_id):
            raise UnknownMatter(f"there is no dispute 0x{game_id.hex()}; check the id")
        return story_of(self.contracts, game_id)

    def condition(self) -> Condition:
        """Return how the gateway fares."""
        return Condition(
            self._store.chain.followed(),
            self._store.count_unsent(),
            self._store.oldest_unsent(),
            self.pool.size,
            self._blobs.used_bytes,
            self._blobs.most_bytes,
            self._notifier.listeners,
            self._health.turns,
            self._health.idle_seconds,
            self._health.errors,
        )

    def now(self) -> Seconds:
        """Return the chain's time, as far as this machine knows."""
        return self._clock.now()

    def _begin(self, act: Callable[[], Future[Accepted]]) -> Future[Accepted]:
        """Do the checks of an acceptance on a thread of the few that are for them."""
        done: Future[Accepted] = Future()
        done.set_running_or_notify_cancel()

        def begin() -> None:
            try:
                act().add_done_callback(finish)
            except Exception as error:  # noqa: BLE001 - whoever waits raises it
                done.set_exception(error)

        def finish(stored: Future[Accepted]) -> None:
            if error := stored.exception():
                done.set_exception(error)
            else:
                done.set_result(stored.result())

        try:
            self._pool.submit(begin)
        except RuntimeError:
            done.set_exception(Stopping("the gateway is ending; send again in a moment"))
        return done

    # Upkeep

    def reindex(self) -> None:
        """Drop every row that came from the chain and read it again; raises ChainError.

        What was accepted stays. Sequence numbers of events grow on.
        """
        with self._turn:
            self._follower.start_over()


class _Clock:
    """The chain's time without a question for each answer."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._told: tuple[Seconds, float] | None = None

    def look(self) -> None:
        self._told = self._chain.next_timestamp(), time.monotonic()

    def now(self) -> Seconds:
        told = self._told
        if told is None:
            raise Stopping("the gateway has not begun; send again in a moment")
        return Seconds(told[0] + int(time.monotonic() - told[1]))


class _Turns:
    """The sender's turns, with what the rest of the gateway learns from each."""

    def __init__(
        self,
        sender: Sender,
        clock: _Clock,
        reception: Reception,
        pool: PoolDesk,
        scoreboard: Scoreboard,
    ) -> None:
        self.crew = sender.crew
        self._sender, self._clock, self._reception = sender, clock, reception
        self._pool, self._scoreboard, self._score_at = pool, scoreboard, float("-inf")

    def tick(self) -> bool:
        """Do one turn; return whether anything was sent."""
        self._clock.look()
        has_acted = self._sender.tick()
        self._reception.resettle()
        if self._pool.size and time.monotonic() >= self._score_at:
            # Offers go by scores, and those change slowly.
            self._scoreboard.look()
            self._score_at = time.monotonic() + _SCORE_SECONDS
        self._pool.refresh(self._clock.now())
        return has_acted

    def stop(self) -> None:
        """Note nothing: whatever is not sent is on disk."""
