"""What a miner asks one gateway. Nothing that comes back is believed without a check.

An answer has a length and a time that it may take, whatever the gateway does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import httpx
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from infernet.chain.abi import checksummed
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.shapes import is_hash
from infernet.chain.signed import typed_membership
from infernet.chain.wallet import KeySigner

from .errors import GatewayFailed, SessionOver

_KIB, _MIB = 1 << 10, 1 << 20
_MOST_ANSWER_BYTES, _MOST_PROBLEM_BYTES = 2 * _MIB, 8 * _KIB
_MOST_TASKS = 1_000
_MOST_SHOWN = 200
_UNAUTHORIZED = 401

M = TypeVar("M", bound=BaseModel)


def _bytes32(value: object) -> object:
    if isinstance(value, str) and is_hash(value):
        return bytes.fromhex(value[2:])
    raise ValueError("32 bytes in hex")


def _digits(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 29:
        return int(value)
    raise ValueError("decimal digits")


_Bytes32 = Annotated[bytes, BeforeValidator(_bytes32)]
_Digits = Annotated[int, BeforeValidator(_digits)]


class _Challenge(BaseModel):
    nonce: _Bytes32
    expires_at: int = Field(ge=0, lt=2**40)


class _Joined(BaseModel):
    token: str = Field(pattern="^[!-~]{1,200}$")
    head_start_seconds: float = Field(ge=0, le=3_600)
    absent_seconds: float = Field(gt=0)


class _Task(BaseModel):
    id: _Bytes32
    program_root: _Bytes32
    input_root: _Bytes32
    requester: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    nonce: _Digits = Field(lt=2**64)
    iterations: int = Field(ge=0, lt=2**32)
    fee_wei: _Digits = Field(lt=2**96)
    deadline: int = Field(ge=0, lt=2**40)
    yours_for_seconds: float = Field(ge=0)


class _Work(BaseModel):
    tasks: list[_Task] = Field(max_length=_MOST_TASKS)
    cursor: str = Field(pattern="^[!-~]{1,64}$")


@dataclass(frozen=True, slots=True)
class Seat:
    """What a miner joins with: its key, the market that it serves and the models it runs."""

    signer: KeySigner
    chain_id: int
    market: Address
    models: tuple[ProgramRoot, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """A membership. `head_start_seconds`: for which a task is offered to one miner alone."""

    token: str
    head_start_seconds: float


@dataclass(frozen=True, slots=True)
class Named:
    """A task as a gateway names it. `is_own`: offered to this miner alone for now."""

    task_id: TaskId
    program_root: ProgramRoot
    input_root: bytes
    requester: Address
    nonce: int
    iterations: int
    fee_wei: Wei
    deadline: Seconds
    is_own: bool


class Gateway:
    """One gateway. Methods raise GatewayFailed, and SessionOver where a session is needed.

    `seconds`: that an answer may take, beyond what it was asked to wait.
    """

    def __init__(self, url: str, http: httpx.AsyncClient, seconds: float) -> None:
        self.url, self._http, self._seconds = url, http, seconds

    async def join(self, seat: Seat) -> Session:
        """Sign the gateway's challenge and return the session.

        What is signed is made here: this gateway's URL as the settings name it, and nothing that
        could mean anything elsewhere.
        """
        address = seat.signer.address
        body = await self._post("/v1/pool/challenges", {"address": address})
        challenge = self._read(_Challenge, body)
        typed = typed_membership(
            seat.chain_id,
            seat.market,
            self.url,
            address,
            challenge.nonce,
            challenge.expires_at,
        )
        given = {
            "address": address,
            "models": [f"0x{root.hex()}" for root in seat.models],
            "nonce": f"0x{challenge.nonce.hex()}",
            "expires_at": challenge.expires_at,
            "signature": f"0x{seat.signer.sign_typed(typed).hex()}",
        }
        found = self._read(_Joined, await self._post("/v1/pool/miners", given))
        return Session(found.token, found.head_start_seconds)

    async def work(
        self, session: Session, room: int, after: str | None, wait_seconds: float
    ) -> tuple[list[Named], str]:
        """Wait for what may be claimed, other than what the cursor `after` names."""
        query: dict[str, str | int | float] = {"room": room, "wait_seconds": wait_seconds}
        if after is not None:
            query["after"] = after
        url = f"/v1/pool/work?{httpx.QueryParams(query)}"
        body = await self._ask(
            "GET", url, _MOST_ANSWER_BYTES, wait_seconds + self._seconds, session=session
        )
        found = self._read(_Work, body)
        return [_named(task) for task in found.tasks], found.cursor

    async def input(self, session: Session, task_id: TaskId, most_bytes: int) -> bytes:
        """Return what the gateway says is a task's input."""
        path = f"/v1/tasks/0x{task_id.hex()}/input"
        return await self._ask("GET", path, most_bytes, self._seconds, session=session)

    async def leave(self, session: Session) -> None:
        """End a session."""
        await self._ask(
            "DELETE", "/v1/pool/miners/me", _MOST_PROBLEM_BYTES, self._seconds, session=session
        )

    async def _post(self, path: str, content: dict[str, Any]) -> bytes:
        return await self._ask("POST", path, _MOST_ANSWER_BYTES, self._seconds, content=content)

    async def _ask(
        self,
        method: str,
        path: str,
        most_bytes: int,
        seconds: float,
        *,
        session: Session | None = None,
        content: dict[str, Any] | None = None,
    ) -> bytes:
        headers = {"Accept-Encoding": "identity"}
        if session is not None:
            headers["Authorization"] = f"Bearer {session.token}"
        try:
            # A limit for the whole of it: a server that trickles resets every other one.
            async with (
                asyncio.timeout(seconds),
                self._http.stream(method, self.url + path, headers=headers, json=content) as answer,
            ):
                if not answer.is_success:
                    said = await self._body(answer, _MOST_PROBLEM_BYTES)
                    raise self._refusal(answer.status_code, said, has_session=session is not None)
                return await self._body(answer, most_bytes)
        except TimeoutError:
            raise GatewayFailed(f"{self.url} did not answer within {seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise GatewayFailed(
                f"{self.url} cannot be asked: {type(error).__name__} {_shown(str(error))}"
            ) from error

    async def _body(self, answer: httpx.Response, most_bytes: int) -> bytes:
        found = bytearray()
        async for piece in answer.aiter_raw():
            found += piece
            if len(found) > most_bytes:
                raise GatewayFailed(f"{self.url} answers with more than {most_bytes} bytes")
        return bytes(found)

    def _refusal(self, status: int, body: bytes, *, has_session: bool) -> GatewayFailed:
        if status == _UNAUTHORIZED and has_session:
            return SessionOver(f"{self.url} knows this session no more")
        text = body.decode("utf-8", "replace")
        return GatewayFailed(f"{self.url} refuses with {status}: {_shown(text)}", status)

    def _read(self, kind: type[M], body: bytes) -> M:
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            raise GatewayFailed(
                f"{self.url} answers what no gateway would: {_shown(place)}: {_shown(first['msg'])}"
            ) from None


def _named(task: _Task) -> Named:
    return Named(
        TaskId(task.id),
        ProgramRoot(task.program_root),
        task.input_root,
        Address(checksummed(task.requester)),
        task.nonce,
        task.iterations,
        Wei(task.fee_wei),
        Seconds(task.deadline),
        task.yours_for_seconds > 0,
    )


def _shown(text: str) -> str:
    """Return what a stranger said as one line that a log can hold."""
    return ascii(text[:_MOST_SHOWN])
