"""Accept tasks: check them, compute their input bytes and ids, and make both durable.

A task's id is the one it will have on chain, so it is known before anything is sent, and sending
twice is asking twice for the same. See docs/adr/0009.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import sha256

from infernet.audit.receipt import ChainPart, TaskPart, root_of, task_id_of
from infernet.chain.abi import checksummed
from infernet.chain.deployment import Contracts
from infernet.chain.market import MAX_INPUT_BYTES, Request
from infernet.chain.records import Address, Seconds, TaskId, Wei
from infernet.chain.signed import carriage_signed
from infernet.models.pipeline import Model

from ..errors import InvalidTask, NoRoom
from ..store.blobs import Blobs
from ..store.records import Order, TaskEvent
from ..store.tasks import Promise, TaskStore
from ..store.writer import Writer
from .catalogue import Catalogue
from .inputs import program_input
from .terms import (
    Accepted,
    Account,
    PictureInput,
    ServedModel,
    Settings,
    SignedWish,
    TextInput,
    Wish,
)
from .text import request_for

MOST_KEY_CHARACTERS = 255
# Of an input that is checked within a millisecond.
_LIGHT_BYTES = 4_096
# A key's signed tasks may be so much of all that wait.
_SIGNED_SHARE = 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order with the input that its root names."""

    order: Order
    data: bytes


class Reception:
    """Accepts on any thread. `now`: chain time; `on_accepted`: told of what is durable."""

    def __init__(
        self,
        contracts: Contracts,
        requester: Address,
        catalogue: Catalogue,
        store: TaskStore,
        writer: Writer,
        blobs: Blobs,
        settings: Settings,
        now: Callable[[], Seconds],
        on_accepted: Callable[[Sequence[TaskEvent]], None],
    ) -> None:
        self._contracts, self._requester, self._catalogue = contracts, requester, catalogue
        self._store, self._writer, self._blobs = store, writer, blobs
        self._settings, self._now, self._on_accepted = settings, now, on_accepted
        self._chain = _chain_part(contracts)
        self._waiting = store.count_unsent()

    def take(
        self, wishes: Sequence[Wish], account: Account, idempotency_key: str | None
    ) -> Future[Accepted]:
        """Check tasks that the gateway's own account pays; accept all of them or none."""
        self._require_batch(wishes)
        now = self._now()
        prepared = [self._prepare(wish, account, now) for wish in wishes]
        promise = None
        if idempotency_key is not None:
            promise = _promise(account, idempotency_key, _body_of(wishes, prepared))
        return self._store_all(prepared, now, promise, account.budget_wei)

    def is_light(self, wish: Wish) -> bool:
        """Return whether `take` needs neither the chain nor much time for a task."""
        served = self._catalogue.known(wish.model)
        is_small = served is not None and served.input_bytes <= _LIGHT_BYTES
        return is_small and not isinstance(wish.input, PictureInput | TextInput)

    def relay(
        self, wish: SignedWish, account: Account, idempotency_key: str | None
    ) -> Future[Accepted]:
        """Check a task that its requester signed, and accept it. Raises ChainError too."""
        now = self._now()
        self._require_few_signed(account)
        prepared = self._prepare_signed(wish, account, now)
        promise = None
        if idempotency_key is not None:
            promise = _promise(account, idempotency_key, prepared.order.id)
        return self._store_all([prepared], now, promise, None)

    def resettle(self) -> None:
        """Count anew what waits to be sent."""
        self._waiting = self._store.count_unsent()

    def _require_batch(self, wishes: Sequence[Wish]) -> None:
        if not 1 <= len(wishes) <= self._settings.most_batch:
            raise InvalidTask(
                "tasks", f"there are {len(wishes)}; 1 to {self._settings.most_batch} are accepted"
            )
        if self._waiting + len(wishes) > self._settings.most_waiting:
            raise NoRoom(
                f"{self._waiting} tasks wait to be sent to the chain, "
                f"{self._settings.most_waiting} are allowed; send again in a moment"
            )

    def _prepare(self, wish: Wish, account: Account, now: Seconds) -> Prepared:
        model, served = self._catalogue.find(wish.model)
        limits = self._settings
        fee = limits.fee_wei if wish.fee_wei is None else wish.fee_wei
        span = limits.deadline_seconds if wish.deadline_seconds is None else wish.deadline_seconds
        _require_within("fee_wei", fee, 0, limits.most_fee_wei)
        least, most = limits.least_deadline_seconds, limits.most_deadline_seconds
        _require_within("deadline_seconds", span, least, most)
        data, iterations = self._run_of(model, wish)
        _require_within("iterations", iterations, 1, served.max_iterations)
        root, until = served.program_root, Seconds(now + span)
        asked = Request(root, fee, until, secrets.randbits(63), iterations)
        return self._prepared(served, asked, self._requester, data, account, None)

    def _run_of(self, model: Model, wish: Wish) -> tuple[bytes, int]:
        """Return a program's input and how many iterations it runs."""
        if not isinstance(wish.input, TextInput):
            data = program_input(model, wish.input, self._settings.most_pixels)
            return data, wish.iterations
        codec = self._catalogue.codec(model.program.root)
        if codec is None:
            raise InvalidTask("model", f"'{model.manifest.name}' takes no text; see /v1/models")
        if wish.iterations != 1:
            raise InvalidTask("iterations", "text and max_tokens say it; leave it out")
        request = request_for(codec, wish.input)
        return request.data.tobytes(), request.iterations

    def _prepare_signed(self, wish: SignedWish, account: Account, now: Seconds) -> Prepared:
        self._require_batch([Wish(wish.model, wish.input)])
        model, served = self._catalogue.find(wish.model)
        _require_within("fee_wei", wish.fee_wei, 0, 2**96 - 1)
        _require_within("nonce", wish.nonce, 0, 2**64 - 1)
        least = now + self._settings.least_deadline_seconds
        _require_within(
            "deadline", wish.deadline, least, now + self._settings.most_deadline_seconds
        )
        _require_within("iterations", wish.iterations, 1, served.max_iterations)
        data = program_input(model, wish.input, self._settings.most_pixels)
        root = served.program_root
        asked = Request(root, wish.fee_wei, wish.deadline, wish.nonce, wish.iterations)
        chain_id, market = self._contracts.chain.chain_id, self._contracts.market.address
        signer = Address(checksummed(wish.requester))
        signed = carriage_signed(chain_id, market, asked, root_of(data), signer, wish.signature)
        self._require_signed(signed, signer)
        prepared = self._prepared(served, asked, signer, data, account, wish.signature)
        # Of what was accepted before, the fee may be locked already.
        if self._store.task(prepared.order.id) is None:
            self._require_balance(signer, wish.fee_wei)
        return prepared

    def _require_signed(self, signed: bool | None, signer: Address) -> None:
        """Refuse what was not signed, or not in the way in which this gateway sends inputs."""
        if signed is None:
            why = f"{signer} did not sign this request for this chain and market"
            raise InvalidTask("signature", why)
        sends = self._settings.are_inputs_carried
        if signed is not sends:
            needed = str(sends).lower()
            why = f"this gateway sends requests with carried = {needed}; sign /v1/tasks/typed-data"
            raise InvalidTask("signature", why)

    def _require_few_signed(self, account: Account) -> None:
        """Leave room for others: who takes its ether back has tasks that can never be sent."""
        most = max(1, self._settings.most_waiting // _SIGNED_SHARE)
        if self._store.count_unsent_signed(account.id) >= most:
            raise NoRoom(
                f"{most} signed tasks of this key wait to be sent to the chain, which is as many "
                "as may; see whether their requesters have their fees in the vault"
            )

    def _require_balance(self, requester: Address, fee_wei: Wei) -> None:
        free = self._contracts.vault.balance(requester).free
        if free < fee_wei:
            raise InvalidTask(
                "fee_wei", f"{requester} has {free} wei free in the vault; deposit the fee first"
            )

    def _prepared(
        self,
        served: ServedModel,
        asked: Request,
        requester: Address,
        data: bytes,
        account: Account,
        signature: bytes | None,
    ) -> Prepared:
        if len(data) > MAX_INPUT_BYTES:
            raise InvalidTask("input", f"it has {len(data)} bytes; a chain takes {MAX_INPUT_BYTES}")
        root = root_of(data)
        part = TaskPart(
            b"",
            requester,
            asked.nonce,
            asked.program_root,
            root,
            asked.iterations,
            asked.fee,
            asked.deadline,
        )
        order = Order(
            TaskId(task_id_of(self._chain, part)),
            account.id,
            served.name,
            asked.program_root,
            root,
            requester,
            asked.nonce,
            asked.iterations,
            asked.fee,
            asked.deadline,
            signature,
        )
        return Prepared(order, data)

    def _store_all(
        self,
        prepared: Sequence[Prepared],
        now: Seconds,
        promise: Promise | None,
        budget_wei: Wei | None,
    ) -> Future[Accepted]:
        """Write rows and inputs together; the future holds once they are on disk."""
        orders = [each.order for each in prepared]
        inputs = {each.order.input_root: each.data for each in prepared}
        told = list[TaskEvent]()

        def write() -> Accepted:
            # What may refuse comes before what writes.
            fresh = self._blobs.fresh(inputs)
            ids, events = self._store.accept(orders, now, promise, budget_wei)
            self._blobs.add(fresh)
            told.extend(events)
            return Accepted(ids, is_repeat=not events)

        done = self._writer.post(write)

        def finish(ended: Future[Accepted]) -> None:
            if not ended.exception():
                self._waiting += len(told)
                self._on_accepted(told)

        done.add_done_callback(finish)
        return done


def _chain_part(contracts: Contracts) -> ChainPart:
    d = contracts.deployment
    return ChainPart(contracts.chain.chain_id, d.registry, d.vault, d.market, d.game, d.verifier)


def _require_within(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InvalidTask(field, f"it is {value}; {least} to {most} are accepted")


def _promise(account: Account, key: str, body: bytes) -> Promise:
    if not 1 <= len(key) <= MOST_KEY_CHARACTERS:
        raise InvalidTask(
            "Idempotency-Key", f"it has {len(key)} characters; 1 to {MOST_KEY_CHARACTERS} do"
        )
    return Promise(account.id, key, sha256(body).digest())


def _body_of(wishes: Sequence[Wish], prepared: Sequence[Prepared]) -> bytes:
    """Return what makes two requests the same, however they were encoded."""
    return b"".join(_fields(wishes, prepared))


def _fields(wishes: Sequence[Wish], prepared: Sequence[Prepared]) -> Iterator[bytes]:
    for wish, each in zip(wishes, prepared, strict=True):
        order = each.order
        asked = (order.fee_wei, wish.deadline_seconds, order.iterations)
        yield order.program_root + order.input_root + repr(asked).encode()
