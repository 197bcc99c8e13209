"""TOKEN and DRAW: the token of a position, and the number that samples one (spec: operators.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from ..memory import Memory
from ..program import Opcode, Operator
from ..tensors import DType, TensorType
from .base import Bytes, Operand, StepNote, Tensor, encode_signed, require_elements, require_within
from .grid import clamped, i64, read_elements

SEED_WORDS = 8
Reader = Callable[[int, int], list[int]]
"""Returns elements `[first, last)` of an operand."""


@dataclass(frozen=True, slots=True)
class _Single:
    """An operator of one step that stores one element."""

    dst: int
    a: int
    b: int

    @property
    def steps(self) -> int:
        return 1

    def elements_before(self, index: int, iteration: int = 0) -> int:
        return index

    def element_start(self, index: int) -> int:
        return index


@dataclass(frozen=True, slots=True)
class Token(_Single):
    """Take the token of a position: the prompt's while it lasts, then the one before.

    `a: i32[a_count]`, the prompt's length at `length` and its tokens from `prompt` on;
    `b: i32[b_count]`, the tokens that were made; `dst: i32[1]`.
    """

    a_count: int
    length: int
    prompt: int
    b_count: int

    @classmethod
    def decode(cls, operator: Operator) -> Token:
        return cls(operator.dst, operator.a, operator.b, *operator.padded_fields()[0:4])

    def encode(self) -> Operator:
        return Operator(
            Opcode.TOKEN,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=DType.I32,
            a_dtype=DType.I32,
            b_dtype=DType.I32,
            fields=(self.a_count, self.length, self.prompt, self.b_count),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_within(self.length, 1, self.a_count, "length")
        require_within(self.prompt, 1, self.a_count, "prompt")
        require_elements(self.b_count, "b_count")

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (
            Operand(self.a, TensorType(DType.I32, self.a_count)),
            Operand(self.b, TensorType(DType.I32, self.b_count)),
        )

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(DType.I32, 1))

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        value = self._token(iteration, *_readers(memory, self.sources))
        memory.store(self.dst, self.destination.kind, 0, encode_signed(value, DType.I32))
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        destination[:] = i64(self._token(iteration, *map(_slices, sources)))

    def _token(self, iteration: int, a: Reader, b: Reader) -> int:
        if iteration < a(self.length, self.length + 1)[0]:
            place = min(self.prompt + iteration, self.a_count - 1)
            return a(place, place + 1)[0]
        place = clamped(iteration - 1, 0, self.b_count - 1)
        return b(place, place + 1)[0]

    def note(self, index: int, iteration: int = 0) -> StepNote:
        return StepNote("token", 0, f"take the token of position {iteration}")


@dataclass(frozen=True, slots=True)
class Draw(_Single):
    """Draw a number below a total from the request's seed and the position; 0 when greedy.

    `a: i32[a_count]`, eight seed words at `seed` and the flag at `greedy`; `b: i64[1]`, the total;
    `dst: i64[1]`.
    """

    a_count: int
    seed: int
    greedy: int

    @classmethod
    def decode(cls, operator: Operator) -> Draw:
        return cls(operator.dst, operator.a, operator.b, *operator.padded_fields()[0:3])

    def encode(self) -> Operator:
        return Operator(
            Opcode.DRAW,
            dst=self.dst,
            a=self.a,
            b=self.b,
            dst_dtype=DType.I64,
            a_dtype=DType.I32,
            b_dtype=DType.I64,
            fields=(self.a_count, self.seed, self.greedy),
        )

    def check(self, constants_bytes: int, max_iterations: int) -> None:
        require_within(self.seed, SEED_WORDS, self.a_count, "seed")
        require_within(self.greedy, 1, self.a_count, "greedy")

    @property
    def sources(self) -> tuple[Operand, ...]:
        return (
            Operand(self.a, TensorType(DType.I32, self.a_count)),
            Operand(self.b, TensorType(DType.I64, 1)),
        )

    @property
    def destination(self) -> Operand:
        return Operand(self.dst, TensorType(DType.I64, 1))

    def step(self, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        value = self._number(iteration, *_readers(memory, self.sources))
        memory.store(self.dst, self.destination.kind, 0, encode_signed(value, DType.I64))
        return accumulator

    def whole(
        self, iteration: int, constants: Bytes, sources: Sequence[Tensor], destination: Tensor
    ) -> None:
        destination[:] = i64(self._number(iteration, *map(_slices, sources)))

    def _number(self, iteration: int, a: Reader, b: Reader) -> int:
        if a(self.greedy, self.greedy + 1)[0]:
            return 0
        words = a(self.seed, self.seed + SEED_WORDS)
        seed = b"".join(encode_signed(word, DType.I32) for word in words)
        found = sha256(seed + iteration.to_bytes(8)).digest()
        return int.from_bytes(found[:8]) % max(1, b(0, 1)[0])

    def note(self, index: int, iteration: int = 0) -> StepNote:
        return StepNote("draw", 0, f"draw the number of position {iteration}")


def _readers(memory: Memory, operands: tuple[Operand, ...]) -> list[Reader]:
    return [partial(read_elements, memory, operand) for operand in operands]


def _slices(tensor: Tensor) -> Reader:
    return lambda first, last: i64(tensor[first:last]).tolist()
