"""The compiled engine gives the reference's bits, one position at a time and many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from infernet.backend.engine import OrtEngine, ReferenceEngine, open_engine
from infernet.backend.errors import UnsupportedProgram
from infernet.backend.sequence import waves
from infernet.backend.sequence.appends import Limit, appends_of
from infernet.backend.sequence.engine import SequenceEngine
from interpreter.operators import (
    Combine,
    Copy,
    Embed,
    Instruction,
    Lookup,
    MatMul,
    Reduce,
    ReduceKind,
    Rotate,
    Scale,
    Walk,
    decode,
)
from interpreter.program import Opcode, Program
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder
from tests.exposure import require_every_tensor, require_same_inside
from tests.programs import random_input, random_program
from tests.sequences import OPCODES, random_sequence_program

native = pytest.importorskip(
    "infernet.backend.native._machine", reason="the package was installed without a C compiler"
)


@pytest.mark.parametrize("opcode", OPCODES)
def test_programs_about_each_operator(opcode: Opcode, level: str) -> None:
    for seed in range(25):
        rng = np.random.default_rng([seed, opcode])
        program = random_sequence_program(rng, opcode)
        data = random_input(program, rng)
        require_every_tensor(SequenceEngine(program), data, program.header.max_iterations)


# Rows longer than what the compiled code takes at a time, and numbers of every magnitude.


class Wide:
    """Draws programs of one operator on long rows."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.rows = int(self.rng.integers(1, 4))
        self.cols = 32 * int(self.rng.integers(1, 40))
        self.count = self.rows * self.cols
        self.builder = ProgramBuilder(TensorType(DType.U8, 1))

    def magnitudes(self, dtype: DType, count: int, most_bits: int = 63) -> np.ndarray:
        """Return numbers of at most so many bits, as many as another draw says."""
        bits = int(self.rng.integers(1, min(most_bits, 8 * dtype.size - 1) + 1))
        low = 0 if dtype is DType.U8 else -(1 << bits)
        return self.rng.integers(low, (1 << bits) - 1, count, np.int64, endpoint=True).astype(
            dtype.numpy
        )

    def source(self, dtype: DType, values: np.ndarray) -> int:
        """Return a slot that holds the values."""
        count = len(values)
        slot = self.builder.begin(TensorType(dtype, count))
        table = self.builder.place(values.astype(dtype.numpy).tobytes(), 8)
        self.builder.add(Embed(slot, dtype, 1, count, 0, DType.U8, 0, 0, 1, table, 1))
        return slot

    def pick(self, *values: DType | int) -> DType:
        """Return one of the values."""
        return values[int(self.rng.integers(len(values)))]

    def scale(self) -> Instruction:
        """Draw a scale; where it divides, half of the values are ties."""
        a_dtype = self.pick(DType.I8, DType.I16, DType.I16, DType.I32, DType.I32, DType.I64)
        dst_dtype = self.pick(*DType)
        mode, shift = int(self.pick(0, 1, 2)), int(self.rng.integers(0, 40))
        values = self.magnitudes(a_dtype, self.count, 40)
        params, numbers = -1, tuple(int(self.magnitudes(DType.I32, 1)[0]) for _ in range(2))
        if self.rng.random() < 0.6:
            pairs = np.stack([self.magnitudes(DType.I32, self.cols) for _ in range(2)], axis=1)
            params, numbers = self.builder.place(pairs.tobytes(), 256), (0, 0)
        b, b_dtype, b_count = 0, DType.U8, 0
        if mode:
            b_dtype, b_count = self.pick(DType.I32, DType.I64), self.rows
            given = self.magnitudes(b_dtype, self.rows, 52)
            if mode == 2 and self.flag() and params == -1:
                numbers, shift = (0, 1), 0
                odd = self.rng.integers(-9, 9, self.count).reshape(self.rows, -1) * 2 + 1
                given = np.abs(given.astype(np.int64)) % 1000 * 2 + 2
                halves = (odd * given[:, None] // 2).ravel()
                values = np.clip(halves, a_dtype.minimum, a_dtype.maximum).astype(a_dtype.numpy)
            b = self.source(b_dtype, given)
        a, dst = self.source(a_dtype, values), self.target(dst_dtype)
        head = (dst, dst_dtype, self.rows, self.cols, a, b, a_dtype, b_dtype, mode, shift)
        zero = int(self.magnitudes(DType.I32, 1)[0])
        clamp = (dst_dtype.minimum, dst_dtype.maximum)
        return Scale(*head, self.flag(), params, *numbers, zero, *clamp, b_count, 0)

    def combine(self) -> Instruction:
        """Draw a sum, difference or product of any types."""
        dtypes = [self.pick(DType.I16, DType.I32, DType.I64, DType.U8) for _ in range(3)]
        is_each, kind = self.flag(), int(self.pick(0, 1, 2))
        a = self.source(dtypes[1], self.magnitudes(dtypes[1], self.count))
        b = self.source(dtypes[2], self.magnitudes(dtypes[2], self.rows if is_each else self.count))
        dst, shift = self.target(dtypes[0]), int(self.rng.integers(0, 63))
        head = (dst, dtypes[0], self.rows, self.cols, a, b, dtypes[1], dtypes[2], kind, is_each)
        return Combine(*head, shift, dtypes[0].minimum, dtypes[0].maximum)

    def look_up(self) -> Instruction:
        """Draw a lookup of elements, or of how far they are below their row's element."""
        a_dtype, dst_dtype, is_from_row = self.pick(*DType), self.pick(*DType), self.flag()
        a = self.source(a_dtype, self.magnitudes(a_dtype, self.count))
        b = self.source(DType.I64, self.magnitudes(DType.I64, self.rows, 20)) if is_from_row else 0
        entries = int(self.rng.integers(1, 5000))
        table = self.builder.place(self.magnitudes(dst_dtype, entries).tobytes(), 8)
        kinds = (dst_dtype, a_dtype, DType.I64 if is_from_row else DType.U8)
        offset = 0 if is_from_row else int(self.magnitudes(DType.I32, 1)[0])
        numbers = (is_from_row, offset, int(self.rng.integers(0, 20)), entries, table)
        return Lookup(self.target(dst_dtype), a, b, *kinds, self.rows, self.cols, *numbers)

    def reduce(self) -> Instruction:
        """Draw a sum, a largest value, or a pick that is found anywhere."""
        kind = self.pick(*ReduceKind)
        if kind == ReduceKind.PICK:
            self.rows, self.count = 1, self.cols
        a_dtype, dst_dtype = self.pick(*DType), self.pick(DType.I32, DType.I64)
        values = self.magnitudes(a_dtype, self.count)
        a, b, b_dtype = self.source(a_dtype, values), 0, DType.U8
        if kind == ReduceKind.PICK:
            total = int(np.minimum(np.maximum(values, 0).astype(np.float64).sum(), 2.0**62))
            draw = np.array([self.rng.integers(0, total + 2)])
            b, b_dtype = self.source(DType.I64, draw), DType.I64
        dst = self.target(dst_dtype, self.rows)
        return Reduce(dst, a, b, dst_dtype, a_dtype, b_dtype, self.rows, self.cols, kind)

    def rotate(self) -> Instruction:
        """Draw a rotation of heads longer than a chunk."""
        head = 32 * int(self.rng.integers(1, 40))
        self.rows, self.count = 1, head * 2
        a_dtype = self.pick(DType.I16, DType.I32)
        a = self.source(a_dtype, self.magnitudes(a_dtype, self.count))
        table = self.builder.place(self.magnitudes(DType.I16, head).tobytes(), 4)
        dst, numbers = self.target(DType.I16), (head, int(self.rng.integers(0, 20)), table, 1)
        return Rotate(dst, DType.I16, 1, self.count, a, a_dtype, *numbers, -32767, 32767)

    def flag(self) -> int:
        """Return 0 or 1."""
        return int(self.rng.integers(2))

    def target(self, dtype: DType, count: int = 0) -> int:
        """Return the slot of the output."""
        return self.builder.begin(TensorType(dtype, count or self.count))


@pytest.mark.parametrize("name", ["scale", "combine", "look_up", "reduce", "rotate"])
def test_long_rows_of_every_magnitude(name: str, level: str) -> None:
    for seed in range(150 if name == "scale" else 40):
        wide = Wide(seed)
        instruction = getattr(wide, name)()
        wide.builder.add(instruction)
        program = wide.builder.finish(instruction.destination.slot)
        require_every_tensor(SequenceEngine(program), np.zeros(1, np.uint8), 1)


EXTREMES = {
    dtype: [dtype.minimum, dtype.minimum + 1, -1, 0, 1, dtype.maximum - 1, dtype.maximum]
    for dtype in (DType.I16, DType.I32)
}


@pytest.mark.parametrize("mode", [0, 2])
@pytest.mark.parametrize("a_dtype", EXTREMES)
def test_scales_at_the_bounds_of_32_bits(a_dtype: DType, mode: int, level: str) -> None:
    values = np.resize(np.array(EXTREMES[a_dtype], np.int64), 32)
    ends = (-(2**31), -1, 1, 2**20 + 1, 2**31 - 1)
    divisors = np.array([1, 3, 2**20 + 1, 2**31 - 1, 2**51 + 1, 2**52 + 1, 2**62]) if mode else None
    cases = [(bias, m, shift) for bias in ends for m in ends for shift in (0, 1, 2, 21, 31, 32, 62)]
    for number, (bias, m, shift) in enumerate(cases):
        rows = 1 if divisors is None else len(divisors)
        builder = Wide(0)
        a = builder.source(a_dtype, np.tile(values, rows))
        b = 0 if divisors is None else builder.source(DType.I64, divisors)
        dst = builder.target(DType.I32, 32 * rows)
        kinds = (a_dtype, DType.I64 if mode else DType.U8, mode, shift, number % 2, -1)
        ends_of = (DType.I32.minimum, DType.I32.maximum, rows if mode else 0, 0)
        builder.builder.add(
            Scale(dst, DType.I32, rows, 32, a, b, *kinds, bias, m, bias // 3, *ends_of)
        )
        program = builder.builder.finish(dst)
        require_every_tensor(SequenceEngine(program), np.zeros(1, np.uint8), 1)


def test_a_pick_among_weights_whose_sum_wraps() -> None:
    weights = np.full(1024, 2**62)
    for draw in (0, 2**62 - 1, 2**62, 2**63 - 1):
        wide = Wide(0)
        a, b = wide.source(DType.I64, weights), wide.source(DType.I64, np.array([draw]))
        dst = wide.target(DType.I32, 1)
        kinds = (DType.I32, DType.I64, DType.I64)
        wide.builder.add(Reduce(dst, a, b, *kinds, 1, 1024, ReduceKind.PICK))
        program = wide.builder.finish(dst)
        require_every_tensor(SequenceEngine(program), np.zeros(1, np.uint8), 1)


# Attention in miniature: the input's rows are appended to a kept tensor that a product reads.

POSITIONS, HEADS, WIDTH = 6, 2, 5


def keys_program(
    *,
    head_stride: int = POSITIONS * WIDTH,
    row_stride: int = WIDTH,
    offset: int = 3,
    read_offset: int = 3,
    zero: int = 0,
    step: int = WIDTH,
    columns: int = POSITIONS,
    reads_before: bool = False,
    also_reduced: bool = False,
) -> Program:
    """Append `[head, row]` at each position and multiply the queries by all rows."""
    count = 3 + head_stride * HEADS + POSITIONS * step
    kind, each = TensorType(DType.I8, count), HEADS * WIDTH
    builder = ProgramBuilder(TensorType(DType.I8, POSITIONS * each))
    kept = builder.keep(kind)
    output = builder.keep(TensorType(DType.I32, POSITIONS * HEADS * columns))
    query = builder.begin(TensorType(DType.I8, each))
    sums = builder.begin(TensorType(DType.I32, HEADS * columns))
    given, run = (POSITIONS * each, each), (1, 1, 1, each)
    flat = (0, 0, 0, 1)
    builder.add(Copy(query, 0, DType.I8, *given, run, 0, flat, 0, flat, each))
    heads, places = (1, 1, HEADS, WIDTH), (0, 0, head_stride, 1)
    append = Copy(
        kept, query, DType.I8, each, count, heads, 0, (0, 0, WIDTH, 1), offset, places, 0, step
    )
    walks = (Walk(each, 0, WIDTH, 0, 1), Walk(count, read_offset, head_stride, row_stride, zero))
    dtypes = (DType.I32, DType.I8, DType.I8)
    product = MatMul(sums, query, kept, *dtypes, HEADS, 1, columns, WIDTH, *walks, 1)
    order: list[Instruction] = [product, append] if reads_before else [append, product]
    for instruction in order:
        builder.add(instruction)
    if also_reduced:
        largest = builder.begin(TensorType(DType.I32, 1))
        builder.add(
            Reduce(largest, kept, 0, DType.I32, DType.I8, DType.U8, 1, count, ReduceKind.SUM)
        )
        builder.free(largest)
    return _closed(builder, output, query, sums, HEADS * columns)


def values_program(
    *, row_stride: int = POSITIONS, read_stride: int = POSITIONS, zero: int = 0, length: int = 0
) -> Program:
    """Append a column at each position and multiply weights by all columns."""
    rows = HEADS * WIDTH
    count, length = row_stride * rows + POSITIONS, length or POSITIONS
    builder = ProgramBuilder(TensorType(DType.I16, POSITIONS * rows))
    kept = builder.keep(TensorType(DType.I16, count))
    output = builder.keep(TensorType(DType.I64, POSITIONS * rows))
    value = builder.begin(TensorType(DType.I16, rows))
    sums = builder.begin(TensorType(DType.I64, rows))
    flat, run = (0, 0, 0, 1), (1, 1, 1, rows)
    builder.add(Copy(value, 0, DType.I16, POSITIONS * rows, rows, run, 0, flat, 0, flat, rows))
    columns = (1, 1, rows, 1)
    places = (0, (0, 0, 1, 0), 0, (0, 0, row_stride, 1), 0, 1)
    builder.add(Copy(kept, value, DType.I16, rows, count, columns, *places))
    walks = (
        Walk(POSITIONS * rows, 0, length, 0, -3),
        Walk(count, 0, WIDTH * row_stride, read_stride, zero),
    )
    dtypes = (DType.I64, DType.I16, DType.I16)
    builder.add(MatMul(sums, 0, kept, *dtypes, HEADS, 1, WIDTH, length, *walks, 1))
    return _closed(builder, output, value, sums, rows)


def _closed(builder: ProgramBuilder, output: int, row: int, sums: int, count: int) -> Program:
    """Append the sums to the output and end."""
    kind = builder.table[output]
    flat, run = (0, 0, 0, 1), (1, 1, 1, count)
    builder.add(Copy(output, sums, kind.dtype, count, kind.count, run, 0, flat, 0, flat, 0, count))
    builder.free(row)
    builder.free(sums)
    return builder.finish(output, POSITIONS)


def limits_of(program: Program) -> list[Limit]:
    """Return the limits of a program's products; none if positions run one by one."""
    found = appends_of(program, tuple(decode(operator) for operator in program.operators))
    return [] if found is None else list(found.limits.values())


@pytest.mark.parametrize(
    ("program", "limits"),
    [
        (keys_program(), [Limit.COLUMNS]),
        (keys_program(columns=POSITIONS - 2), [Limit.COLUMNS]),
        (keys_program(row_stride=WIDTH + 1, step=WIDTH + 1, head_stride=50), [Limit.COLUMNS]),
        # Rows are not those that a position appends, or zeros would not give a sum of 0.
        (keys_program(row_stride=WIDTH - 1), []),
        (keys_program(read_offset=2), []),
        (keys_program(zero=2), []),
        (keys_program(reads_before=True), []),
        (keys_program(also_reduced=True), []),
        # A head's rows would reach the next head's, and positions overlap.
        (keys_program(head_stride=POSITIONS * WIDTH - 1), []),
        (keys_program(step=WIDTH - 1, row_stride=WIDTH - 1), []),
        (values_program(), [Limit.DEPTH]),
        (values_program(length=POSITIONS - 1), [Limit.DEPTH]),
        (values_program(row_stride=POSITIONS + 3, read_stride=POSITIONS + 3), [Limit.DEPTH]),
        (values_program(read_stride=POSITIONS - 1), []),
        (values_program(zero=-1), []),
    ],
)
def test_positions_run_at_once_only_where_each_can_be_told(
    program: Program, limits: list[Limit], level: str
) -> None:
    assert limits_of(program) == limits
    rng = np.random.default_rng(1)
    for _ in range(3):
        data = rng.integers(0, 256, program.header.input_type.byte_count, np.uint8)
        engine = SequenceEngine(program)
        require_every_tensor(engine, data, POSITIONS)
        require_same_inside(engine, data, POSITIONS, [1, 4])
        # Without a run before, and after one of fewer positions.
        require_same_inside(SequenceEngine(program), data, POSITIONS, [2, 5])
        engine.run(data, 2)
        require_same_inside(engine, data, POSITIONS, [0, 3])


def test_an_engine_serves_inputs_in_turn() -> None:
    program = keys_program()
    rng = np.random.default_rng(2)
    size = program.header.input_type.byte_count
    inputs = [rng.integers(0, 256, size, np.uint8) for _ in range(4)]
    engine = SequenceEngine(program, threads=2)
    for data in (*inputs, *inputs):
        require_every_tensor(engine, data, POSITIONS, [3])
        require_same_inside(engine, inputs[0], POSITIONS, [0, 5])


def test_threads_share_an_engine() -> None:
    program = keys_program()
    rng = np.random.default_rng(3)
    size = program.header.input_type.byte_count
    inputs = [rng.integers(0, 256, size, np.uint8) for _ in range(8)] * 25
    engine, reference = SequenceEngine(program, threads=2), ReferenceEngine(program)

    def both(data: np.ndarray) -> list[bytes]:
        shown = [each.tensors for each in engine.expose(data, POSITIONS, [2])]
        tensors = [tensor.tobytes() for each in shown for tensor in each.values()]
        return [engine.run(data, POSITIONS).output.tobytes(), *tensors]

    def expected(data: np.ndarray) -> list[bytes]:
        (shown,) = reference.expose(data, POSITIONS, [2])
        tensors = [tensor.tobytes() for tensor in shown.tensors.values()]
        return [reference.run(data, POSITIONS).output.tobytes(), *tensors]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(both, inputs))
    assert found[:8] == [expected(data) for data in inputs[:8]]
    assert found == found[:8] * 25


def test_the_fast_engine_is_chosen_by_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    program = keys_program()
    assert isinstance(open_engine(program), SequenceEngine)
    images = random_program(np.random.default_rng(0), Opcode.CONV)
    assert not isinstance(open_engine(images), SequenceEngine)
    with pytest.raises(UnsupportedProgram, match="operators of images"):
        SequenceEngine(images)
    monkeypatch.setattr(waves, "NATIVE", None)
    monkeypatch.setattr(waves, "STATUS", "the compiled code is missing")
    engine = open_engine(program)
    assert isinstance(engine, ReferenceEngine)
    assert engine.reasons == ("the compiled code is missing",)
    assert not isinstance(engine, OrtEngine)


def test_a_program_that_is_not_valid_is_refused() -> None:
    program = keys_program()
    broken = replace(program, header=replace(program.header, steps_per_iteration=1))
    with pytest.raises(UnsupportedProgram, match="not valid: steps_per_iteration is wrong"):
        SequenceEngine(broken)
