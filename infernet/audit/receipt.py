"""A receipt: one result with all that its ids and hashes are made of (spec: receipt.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeVar, get_type_hints

import numpy as np
from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError
from eth_utils.crypto import keccak

from infernet.backend.hashing import hash_bytes
from infernet.chain.records import Address
from interpreter.errors import InterpreterError
from interpreter.merkle import Hash, digest
from interpreter.program import Header
from interpreter.state import final_state, initial_state

from .errors import InvalidReceipt

VERSION = 1
_WORD_BYTES = 32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChainPart:
    """Where the result is: a chain and the contracts of one deployment."""

    chain_id: int
    registry: Address
    vault: Address
    market: Address
    game: Address
    verifier: Address


@dataclass(frozen=True, slots=True)
class TaskPart:
    """The task's id and all that it is the hash of, besides chain and market."""

    id: bytes
    requester: Address
    nonce: int
    program_root: bytes
    input_root: bytes
    iterations: int
    fee_wei: int
    deadline: int


@dataclass(frozen=True, slots=True)
class AssertionPart:
    """The result's id and all that it is the hash of, besides the task's."""

    id: bytes
    attempt: int
    executor: Address
    output_root: bytes
    halted: bool


@dataclass(frozen=True, slots=True)
class RunPart:
    """What was run. `header`: the program's; `model`: a name for people, bound by nothing."""

    model: str
    header: bytes
    input: bytes
    output: bytes
    steps: int
    initial_hash: bytes
    final_hash: bytes


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """Which blocks and transactions brought task and result; 0 and nothing while not final."""

    requested_block: int
    requested_transaction: bytes
    asserted_block: int
    asserted_transaction: bytes
    finalised_block: int
    finalised_transaction: bytes


@dataclass(frozen=True, slots=True)
class FinalityPart:
    """How the result stood after a block. `status`: pending, final or slashed."""

    status: str
    block: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """One result, as the chain told it."""

    chain: ChainPart
    task: TaskPart
    assertion: AssertionPart
    run: RunPart
    history: HistoryPart
    finality: FinalityPart

    @property
    def checksum(self) -> bytes:
        """Return the SHA-256 of all that the receipt says, in canonical JSON."""
        text = json.dumps(_shown(asdict(self)), sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).digest()

    def to_json(self) -> str:
        """Return the receipt as text."""
        content = {"version": VERSION, **_shown(asdict(self)), "checksum": _hex(self.checksum)}
        return json.dumps(content, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """Parts that do not fit each other. `fields`: one of them at least is wrong."""

    fields: tuple[str, ...]
    what: str


_TASK = tuple(f"task.{item.name}" for item in fields(TaskPart))
_ASSERTION = tuple(f"assertion.{item.name}" for item in fields(AssertionPart))
_BOUND_BY_CHAIN = (
    *(f"chain.{item.name}" for item in fields(ChainPart)),
    "run.model",
    *(f"history.{item.name}" for item in fields(HistoryPart)),
    *(f"finality.{item.name}" for item in fields(FinalityPart)),
    "checksum",
)


def read_receipt(text: str) -> Receipt:
    """Return the receipt in a text, every hash in it recomputed, or raise InvalidReceipt."""
    receipt, checksum = _parsed(text)
    found = list(faults(receipt))
    if receipt.checksum != checksum:
        what = "the checksum is of another content"
        found.append(Fault(_BOUND_BY_CHAIN if not found else ("checksum",), what))
    if found:
        lines = "; ".join(f"{fault.what} (look at {', '.join(fault.fields)})" for fault in found)
        raise InvalidReceipt(
            f"this receipt was changed or damaged: {lines}; ask for it again with "
            "`infernet task receipt`"
        )
    return receipt


def faults(receipt: Receipt) -> Iterator[Fault]:
    """Yield what in a receipt contradicts the rest of it, by the hashes alone."""
    task, result, run = receipt.task, receipt.assertion, receipt.run
    if task.id != task_id_of(receipt.chain, task):
        where = ("chain.chain_id", "chain.market", *_TASK)
        yield Fault(where, "the task's id is not the hash of what was asked for")
    if result.id != assertion_id_of(task.id, result):
        yield Fault(("task.id", *_ASSERTION), "the result's id is not the hash of the result")
    if result.output_root != root_of(run.output):
        where = ("run.output", "assertion.output_root")
        yield Fault(where, "the output does not hash to the output root")
    if task.input_root != root_of(run.input):
        yield Fault(("run.input", "task.input_root"), "the input does not hash to the input root")
    if task.program_root != digest(run.header):
        where = ("run.header", "task.program_root")
        yield Fault(where, "the header does not hash to the program root")
    yield from _wrong_states(receipt)


def _wrong_states(receipt: Receipt) -> Iterator[Fault]:
    task, result, run = receipt.task, receipt.assertion, receipt.run
    try:
        header = Header.decode(run.header)
    except InterpreterError as error:
        yield Fault(("run.header",), str(error))
        return
    steps = header.steps_per_iteration * task.iterations
    if not 0 <= steps < 1 << 64:
        made_of = ("run.header", "task.iterations")
        yield Fault(made_of, f"no run has {task.iterations} iterations")
        return
    if run.steps != steps:
        where = ("run.steps", "run.header", "task.iterations")
        yield Fault(where, f"the run has {steps} steps, not {run.steps}")
    if run.initial_hash != initial_state(header, Hash(task.input_root)).hash:
        where = ("run.initial_hash", "run.header", "task.input_root")
        yield Fault(where, "the state before the first step is not the one of the input")
    final = final_state(header, Hash(result.output_root), steps, result.halted)
    if run.final_hash != final.hash:
        others = ("run.final_hash", "assertion.output_root", "assertion.halted")
        yield Fault(
            ("run.header", "task.iterations", *others),
            "the state after the last step is not the one of the output",
        )


def task_id_of(chain: ChainPart, task: TaskPart) -> bytes:
    """Return the id that a request has (spec: dispute.md, "Identities")."""
    kinds: tuple[str, ...] = ("uint256", "address", "address", "uint64", "bytes32", "bytes32")
    kinds += ("uint32", "uint96", "uint40")
    asked = (task.nonce, task.program_root, task.input_root, task.iterations)
    values = (chain.chain_id, chain.market, task.requester, *asked, task.fee_wei, task.deadline)
    return _hashed(kinds, values)


def assertion_id_of(task_id: bytes, result: AssertionPart) -> bytes:
    """Return the id that a result has (spec: dispute.md, "Identities")."""
    kinds: tuple[str, ...] = ("bytes32", "uint32", "address", "bytes32", "bool")
    values = (task_id, result.attempt, result.executor, result.output_root, result.halted)
    return _hashed(kinds, values)


def root_of(data: bytes) -> bytes:
    """Return the root of a tensor's bytes; of no bytes there is none."""
    return hash_bytes(np.frombuffer(data, np.uint8)).root if data else b""


def differences(one: Receipt, other: Receipt) -> list[str]:
    """Return the names of the fields in which two receipts of a result differ.

    Left out are the name of the model and the block at which finality was looked up.
    """
    ignored = {"run.model", "finality.block", "finality.block_hash"}
    ours, theirs = dict(_flat(one)), dict(_flat(other))
    return [name for name in ours if ours[name] != theirs[name] and name not in ignored]


def _flat(receipt: Receipt) -> Iterator[tuple[str, object]]:
    for part, values in asdict(receipt).items():
        for name, value in values.items():
            yield f"{part}.{name}", value


def _hashed(kinds: tuple[str, ...], values: tuple[object, ...]) -> bytes:
    try:
        words = map(_word, kinds, values)
        return bytes(keccak(b"".join(words)))
    except EncodingError:
        # A value that does not fit its type has no id.
        return b""


def _word(kind: str, value: object) -> bytes:
    """Return a value as the ABI lays it out in 32 bytes; ids are made for every task accepted."""
    if kind == "bytes32" and isinstance(value, bytes) and len(value) <= _WORD_BYTES:
        return value.ljust(_WORD_BYTES, b"\0")
    if kind == "address" and isinstance(value, str):
        return _address_word(value)
    if kind.startswith("uint") and type(value) is int and 0 <= value < 1 << int(kind[4:]):
        return value.to_bytes(_WORD_BYTES, "big")
    return encode([kind], [value])


@lru_cache(maxsize=4_096)
def _address_word(address: str) -> bytes:
    return encode(["address"], [address])


def _parsed(text: str) -> tuple[Receipt, bytes]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidReceipt(f"this is no receipt: {error}") from None
    if not isinstance(content, dict) or type(content.get("version")) is not int:
        raise InvalidReceipt("this is no receipt: it has no version")
    if content["version"] != VERSION:
        raise InvalidReceipt(
            f"version is {content['version']}; this program reads {VERSION}, use a newer one"
        )
    kinds = get_type_hints(Receipt)
    _require_names("the receipt", content, {"version", "checksum", *kinds})
    parts = {name: _part(kind, name, content[name]) for name, kind in kinds.items()}
    return Receipt(**parts), _value(bytes, "checksum", content["checksum"])


def _part(kind: type[T], name: str, content: object) -> T:
    hints = get_type_hints(kind)
    if not isinstance(content, dict):
        raise InvalidReceipt(f"{name} has to be an object")
    _require_names(name, content, set(hints))
    return kind(**{key: _value(hints[key], f"{name}.{key}", content[key]) for key in hints})


def _require_names(where: str, content: dict[str, Any], wanted: set[str]) -> None:
    if odd := sorted(set(content) ^ wanted):
        raise InvalidReceipt(f"{where} lacks, or has too much: {', '.join(odd)}")


def _value(hint: Any, name: str, value: object) -> Any:
    if hint is bytes:
        try:
            found = bytes.fromhex(str(value).removeprefix("0x"))
        except ValueError:
            found = b""
        if _hex(found) != value:
            raise InvalidReceipt(f"{name} has to be 0x and lower-case hexadecimal digits")
        return found
    kind = str if hint is Address else hint
    if type(value) is not kind:
        raise InvalidReceipt(f"{name} has to be of type {kind.__name__}")
    return value


def _shown(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _shown(value) for name, value in content.items()}
    return _hex(content) if isinstance(content, bytes) else content


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"
