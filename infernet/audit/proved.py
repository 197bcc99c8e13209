"""The step that a one-step proof decided, read from the chain alone: no model, no run."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from hexbytes import HexBytes

from bisection.game import Player
from infernet.chain.abi import functions_of
from infernet.chain.artifacts import load
from infernet.chain.connection import translated
from infernet.chain.deployment import Contracts
from infernet.chain.logs import Event
from infernet.chain.records import GameId
from interpreter import machine
from interpreter.errors import InterpreterError, InvalidWitness
from interpreter.machine import OneStepProof
from interpreter.memory import Memory, WitnessMemory
from interpreter.merkle import HASH_BYTES, Hash
from interpreter.operators import decode
from interpreter.program import DESCRIPTOR_BYTES, Header, Location, Operator, Step
from interpreter.tensors import LEAF_BYTES, TensorType, depth_of

from .replay import CONSTANTS

_STATE = struct.Struct(">B32sqI")
_FIXED_HEADER_BYTES, _DEPTH_AT = 128, 2


@dataclass(frozen=True, slots=True)
class Touch:
    """Elements that the step read or stored. `slot`: CONSTANTS for the program's constants."""

    kind: str
    slot: int
    start: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Executed:
    """What the contract computed. `element`: flat index in the destination, None without one."""

    iteration: int
    operator_index: int
    operator: str
    kind: str
    detail: str
    element: int | None
    accumulator_before: int
    accumulator_after: int
    touches: tuple[Touch, ...]
    proof_bytes: int

    @property
    def stored(self) -> tuple[int, ...]:
        """Return the elements that the step stored."""
        found = (touch.numbers for touch in self.touches if touch.kind == "store")
        return tuple(number for numbers in found for number in numbers)


@dataclass(frozen=True, slots=True)
class Proved:
    """A proven step. `claimed`: the post-state that the loser had named, None if the proof opened
    the game; `executed`: None where a contract sent the proof, whose bytes no transaction shows.
    """

    step: int
    prover: Player
    pre_hash: Hash
    post_hash: Hash
    claimed: Hash | None
    transaction: bytes
    executed: Executed | None


@dataclass(frozen=True, slots=True)
class ProofFound:
    """A proof as its transaction brought it, with the program that it is about."""

    program_root: Hash
    iterations: int
    step: int
    pre_hash: Hash
    post_hash: Hash
    prover: Player
    proof: bytes
    transaction: bytes


def proof_of(contracts: Contracts, game_id: GameId) -> ProofFound | None:
    """Return the proof that decided a game; None without one that a transaction shows.

    `executed(program_root, iterations, Step(step), proof)` runs it again.
    """
    found = contracts.games.events("StepProved", gameId=game_id)
    proof = _proof_in(contracts, found[0], bytes(game_id)) if found else None
    if proof is None:
        return None
    event, record = found[0], contracts.games.game(game_id)
    root, iterations = contracts.market.view("programOf", record.assertion_id)
    return ProofFound(
        Hash(root),
        int(iterations),
        int(event["step"]),
        Hash(bytes(event["preHash"])),
        Hash(bytes(event["postHash"])),
        Player.CHALLENGER if event["byChallenger"] else Player.EXECUTOR,
        proof,
        event.transaction,
    )


def proved_step(contracts: Contracts, game_id: GameId) -> Proved | None:
    """Return the step that decided a game, executed here from its proof; None without one."""
    found = contracts.games.events("StepProved", gameId=game_id)
    if not found:
        return None
    event = found[0]
    step = int(event["step"])
    record = contracts.games.game(game_id)
    root, iterations = contracts.market.view("programOf", record.assertion_id)
    proof = _proof_in(contracts, event, bytes(game_id))
    moves = contracts.games.dissections(game_id)
    return Proved(
        step,
        Player.CHALLENGER if event["byChallenger"] else Player.EXECUTOR,
        Hash(bytes(event["preHash"])),
        Hash(bytes(event["postHash"])),
        Hash(moves[-1].hashes[step - moves[-1].start]) if moves else None,
        event.transaction,
        executed(Hash(root), int(iterations), Step(step), proof) if proof else None,
    )


def executed(root: Hash, iterations: int, step: Step, proof: bytes) -> Executed:
    """Execute a step from its proof, as the contract does, or raise InvalidWitness."""
    parsed = parse_proof(proof)
    before, after = machine.verify(root, iterations, step, parsed)
    header, operator = Header.decode(parsed.header), Operator.decode(parsed.descriptor)
    iteration, local = divmod(step, header.steps_per_iteration)
    where = Location(iteration, parsed.operator_index, local - operator.first_step)
    depth = depth_of(header.constants_bytes // LEAF_BYTES)
    seen = _Onlooker(
        WitnessMemory(
            parsed.witness, parsed.memory_root, header.slot_depth, header.constants_root, depth
        )
    )
    if not parsed.halted:
        is_last = iteration == iterations - 1
        machine.execute(operator, header, where, is_last, seen, parsed.accumulator)
    note = decode(operator).note(where.index, where.iteration)
    return Executed(
        iteration,
        parsed.operator_index,
        operator.opcode.name,
        note.kind,
        note.detail,
        note.element if note.element >= 0 else None,
        before.accumulator,
        after.accumulator,
        tuple(seen.touches),
        len(proof),
    )


def parse_proof(data: bytes) -> OneStepProof:
    """Return the proof in the bytes that a contract took, or raise InvalidWitness (state.md)."""
    try:
        header_bytes = _FIXED_HEADER_BYTES + HASH_BYTES * data[_DEPTH_AT]
        header = Header.decode(data[:header_bytes])
        state = _STATE.unpack_from(data, header_bytes)
    except (IndexError, struct.error, InterpreterError) as error:
        raise InvalidWitness(f"these bytes are no one-step proof: {error}") from None
    halted, memory_root, accumulator, index = state
    if halted > 1:
        raise InvalidWitness(f"halted is {halted}; it is 0 or 1")
    at = header_bytes + _STATE.size
    descriptor, at = data[at : at + DESCRIPTOR_BYTES], at + DESCRIPTOR_BYTES
    end = at + HASH_BYTES * depth_of(header.operator_count)
    path = tuple(Hash(data[i : i + HASH_BYTES]) for i in range(at, end, HASH_BYTES))
    head = data[:header_bytes], bool(halted), Hash(memory_root), accumulator, index
    return OneStepProof(*head, descriptor, path, data[end:])


def _proof_in(contracts: Contracts, event: Event, game_id: bytes) -> bytes | None:
    """Return the proof that a transaction brought straight to the game."""
    with translated("reading a transaction", contracts.chain.name):
        sent = contracts.chain.web3.eth.get_transaction(HexBytes(event.transaction))
    if sent["to"] != contracts.games.address:
        return None
    functions = functions_of(load("DisputeGame"))
    for name in ("prove", "openWithProof"):
        arguments = functions[name].arguments_in(bytes(sent["input"]))
        if arguments and arguments[0] == game_id:
            return bytes(arguments[-1])
    return None


@dataclass(slots=True)
class _Onlooker:
    """A memory that notes what the step touches."""

    inner: Memory
    touches: list[Touch] = field(default_factory=list)

    def read(self, slot: int, kind: TensorType, start: int, stop: int) -> bytes:
        data = self.inner.read(slot, kind, start, stop)
        self._note("read", slot, kind, start, data)
        return data

    def read_constant(self, start: int, stop: int) -> bytes:
        data = self.inner.read_constant(start, stop)
        # Weights are signed bytes; where it is a table or a bias, the bytes are shown alike.
        numbers = tuple(int(n) for n in np.frombuffer(data, np.int8))
        self.touches.append(Touch("read", CONSTANTS, start, numbers))
        return data

    def store(self, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        self._note("store", slot, kind, start, data)
        self.inner.store(slot, kind, start, data)

    def begin(self, slot: int, kind: TensorType) -> None:
        self.touches.append(Touch("begin", slot, 0, ()))
        self.inner.begin(slot, kind)

    def free(self, slot: int) -> None:
        self.touches.append(Touch("free", slot, 0, ()))
        self.inner.free(slot)

    def keep_only(self, slot: int) -> None:
        self.touches.append(Touch("keep only", slot, 0, ()))
        self.inner.keep_only(slot)

    def _note(self, what: str, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        numbers = tuple(int(n) for n in np.frombuffer(data, kind.dtype.numpy))
        self.touches.append(Touch(what, slot, start, numbers))
