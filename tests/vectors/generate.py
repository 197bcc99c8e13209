"""Write the conformance vectors and the digests of shipped models; the README has the format.

Run `python -m tests.vectors.generate`.

Each vector is a small program whose inputs and constants are chosen to separate kernels that round,
saturate or wrap differently: exact ties, sums beyond 24 bits, pairs at the saturation limit, every
tail of a vector width, extreme values and zero points.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import infernet.backend.vectors
from infernet.backend.conformance import digest_of, load_vectors
from infernet.backend.engine import ReferenceEngine
from infernet.models import exactness
from infernet.models.published import DIGESTS, published_programs
from infernet.models.store import shipped_dir
from interpreter import machine
from interpreter.machine import Outcome
from interpreter.operators import Add, Clip, Conv, Copy, MaxPool, Table, Window
from interpreter.program import Program
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder

from .sequences import sequence_cases
from .sheet import Case

U8, I8 = DType.U8, DType.I8
FOLDER = Path(infernet.backend.vectors.__file__).parent


@dataclass(frozen=True, slots=True)
class ConvSpec:
    """A convolution of a vector."""

    window: Window
    out_channels: int
    groups: int = 1
    a_dtype: DType = U8
    dst_dtype: DType = U8
    a_zero: int = 0
    dst_zero: int = 0
    low: int | None = None
    high: int | None = None


def conv_program(
    spec: ConvSpec, weights: np.ndarray, scales: np.ndarray, bias: np.ndarray | None = None
) -> Program:
    """Return a program of one convolution."""
    w, out = spec.window, spec.out_channels
    builder = ProgramBuilder(TensorType(spec.a_dtype, w.in_count), slot_depth=1)
    dst = builder.begin(TensorType(spec.dst_dtype, w.out_height * w.out_width * out))
    bias = np.zeros(out, np.int64) if bias is None else bias
    builder.add(
        Conv(
            dst,
            0,
            spec.dst_dtype,
            spec.a_dtype,
            w,
            out,
            spec.groups,
            spec.a_zero,
            spec.dst_zero,
            spec.dst_dtype.minimum if spec.low is None else spec.low,
            spec.dst_dtype.maximum if spec.high is None else spec.high,
            builder.place(weights.astype(np.int8).tobytes()),
            builder.place_params(bias, np.asarray(scales, np.float32).view(np.uint32)),
        )
    )
    return builder.finish(dst)


def inputs(rng: np.random.Generator, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Return random and extreme inputs."""
    yield "random", rng.integers(0, 256, count, dtype=np.uint8)
    yield "high", np.full(count, 255, np.uint8)
    yield "ends", rng.choice(np.array([0, 255, 127, 128], np.uint8), count)


def spread(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return scales that fill a byte, none of them a power of two."""
    weights = weights.astype(np.float64)
    size = np.sqrt((weights**2).sum(axis=1)) * 75 + np.abs(weights.sum(axis=1)) * 128 + 20
    return (rng.uniform(40, 90, len(weights)) / size).astype(np.float32)


def safe_weights(rng: np.random.Generator, shape: tuple[int, int], pattern: int) -> np.ndarray:
    """Return weights whose neighbours sum to at most 128 in magnitude, in any order."""
    if pattern == 0:
        return rng.integers(-64, 65, shape)
    if pattern == 1:
        return np.full(shape, 64) * rng.choice((-1, 1), (shape[0], 1))
    weights = rng.integers(-1, 2, shape)
    weights[:, :: max(2, shape[1] // 3)] = rng.choice((-127, 127), (shape[0], 1))
    return weights


WINDOWS = (
    ("pointwise", Window(5, 7, 24, 5, 7), 19, 1),
    ("wide", Window(3, 3, 64, 3, 3), 65, 1),
    ("3x3", Window(9, 11, 16, 9, 11, 3, 3, 1, 1, 1, 1), 33, 1),
    ("3x3 stride 2", Window(10, 9, 7, 5, 5, 3, 3, 2, 2, 1, 1), 8, 1),
    ("7x7 stride 2", Window(19, 19, 3, 10, 10, 7, 7, 2, 2, 3, 3), 16, 1),
    ("5x5 dilated", Window(12, 12, 4, 12, 12, 5, 5, 1, 1, 4, 4, 2, 2), 5, 1),
    ("1x5 uneven", Window(4, 20, 5, 2, 8, 1, 5, 2, 3, 0, 2), 3, 1),
    ("grouped", Window(6, 6, 32, 6, 6, 3, 3, 1, 1, 1, 1), 48, 4),
    ("multiplier 2", Window(7, 7, 12, 4, 4, 3, 3, 2, 2, 1, 1), 24, 12),
    ("one channel", Window(12, 12, 1, 10, 10, 3, 3), 6, 1),
)


def conv_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return convolutions of every shape, with weights at the saturation limit."""
    for index, (name, window, out, groups) in enumerate(WINDOWS):
        size = window.kernel_height * window.kernel_width * window.channels // groups
        for pattern, label in enumerate(("free", "equal", "lone")):
            # Channels of opposite patterns meet at row borders; each channel is safe by itself.
            weights = safe_weights(rng, (out, size), pattern)
            spec = ConvSpec(window, out, groups, a_zero=(0, 255, 117)[pattern], dst_zero=11 * index)
            program = conv_program(
                spec, weights, spread(weights, rng), rng.integers(-900, 900, out)
            )
            for kind, data in list(inputs(rng, window.in_count))[:: 2 if pattern else 1]:
                yield Case(f"{name}, {label} weights, {kind} input", "CONV", program, data)


def signed_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return convolutions over every pair of dtypes, some with a narrow clamp."""
    window = Window(6, 5, 20, 6, 5, 3, 3, 1, 1, 1, 1)
    for a_dtype, dst_dtype, zero, clamp in (
        (I8, I8, -128, None),
        (I8, U8, 3, (20, 90)),
        (U8, I8, 128, (-7, 100)),
        (U8, U8, 200, (31, 32)),
    ):
        weights = safe_weights(rng, (9, 180), 0)
        low, high = clamp or (None, None)
        spec = ConvSpec(window, 9, 1, a_dtype, dst_dtype, zero, 5, low, high)
        program = conv_program(spec, weights, spread(weights, rng))
        name = f"{a_dtype.name} to {dst_dtype.name}, clamp {clamp}"
        yield Case(name, "CONV", program, next(inputs(rng, window.in_count))[1])


def depthwise_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return depthwise convolutions with free weights, and average pools."""
    for channels in (1, 8, 15, 16, 17, 31, 32, 40, 64):
        for window in (
            Window(9, 8, channels, 9, 8, 3, 3, 1, 1, 1, 1),
            Window(9, 8, channels, 5, 4, 5, 5, 2, 2, 2, 2),
        ):
            size = window.kernel_height * window.kernel_width
            weights = rng.integers(-127, 128, (channels, size))
            weights[::3] = 127
            spec = ConvSpec(window, channels, channels, a_zero=int(rng.integers(256)), dst_zero=128)
            program = conv_program(spec, weights, spread(weights, rng))
            name = f"depthwise {window.kernel_height}x{window.kernel_width}, {channels} channels"
            for kind, data in list(inputs(rng, window.in_count))[:2]:
                yield Case(f"{name}, {kind} input", "CONV", program, data)
        pool = Window(7, 7, channels, 1, 1, 7, 7)
        ones = np.ones((channels, 49))
        spec = ConvSpec(pool, channels, channels)
        program = conv_program(spec, ones, np.full(channels, 1 / 49))
        yield Case(
            f"average pool, {channels} channels",
            "CONV",
            program,
            rng.integers(0, 256, pool.in_count, dtype=np.uint8),
        )


def rounding_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return exact ties, and sums beyond 24 bits that round before they are multiplied."""
    weights = np.ones((24, 1))
    scales = np.repeat(2.0 ** -np.arange(1, 9), 3) * np.tile([1, 3, 5], 8)
    bias = np.tile([0, 1, -128], 8)
    window = Window(16, 16, 1, 16, 16)
    spec = ConvSpec(window, 24, a_zero=100, dst_zero=128)
    data = np.arange(256, dtype=np.uint8)
    yield Case("ties", "CONV", conv_program(spec, weights, scales, bias), data)
    for count in (1024, 2048, 4096):
        weights = np.full((8, count), 64) - rng.integers(0, 2, (8, count))
        scales = 2.0**-17 * np.array([1, 1, 1.5, 0.75, 1.25, 1, 0.5, 1]) * (1024 / count)
        bias = rng.integers(-5, 6, 8)
        spec = ConvSpec(Window(1, 1, count, 1, 1), 8, a_zero=0, dst_zero=3)
        program = conv_program(spec, weights, scales, bias)
        for top in (255, 254):
            data = np.full(count, top, np.uint8)
            data[rng.integers(0, count, 9)] -= rng.integers(0, 9, 9).astype(np.uint8)
            yield Case(f"sums beyond 24 bits, {count} inputs, {top}", "CONV", program, data)
    weights = np.tile([[127, 1], [-127, -1], [64, 64], [0, -128 + 1]], (4, 150))
    spec = ConvSpec(Window(1, 1, 300, 1, 1), 16, a_zero=0, dst_zero=128)
    bias = np.repeat([0, 2**29, -(2**29), 77], 4)
    scales = np.repeat([2.0**-15, 2.0**-24, 2.0**-24, 2.0**-16], 4)
    program = conv_program(spec, weights, scales, bias)
    for kind, data in inputs(rng, 300):
        yield Case(f"pairs at the limit, extreme biases, {kind} input", "CONV", program, data)


RATIOS = (
    (1, 1, 1),
    (1, 1, 3),
    (2, 1, 3),
    (128, 127, 255),
    (500, 500, 501),
    (511, 512, 1023),
    (701, 611, 1023),
    (1, 1000, 1021),
    (1200, 300, 1019),
    (87, 63, 101),
)


def add_cases() -> Iterator[Case]:
    """Return additions of every pair of bytes, in two halves each, and of i8."""
    for index, (p1, p2, q) in enumerate(RATIOS):
        dtypes = (U8, U8, U8) if index < 8 else ((I8, I8, I8), (U8, I8, U8))[index - 8]
        for half in (0, 128):
            builder = ProgramBuilder(TensorType(dtypes[0], 256), slot_depth=3)
            count = 128 * 256
            rows = builder.begin(TensorType(dtypes[0], count))
            sizes = (1, 1, 128, 256)
            shape = (sizes, half, (0, 0, 1, 0), 0, (0, 0, 256, 1))
            builder.add(Copy(rows, 0, dtypes[0], 256, count, *shape))
            columns = builder.begin(TensorType(dtypes[0], count))
            shape = (sizes, 0, (0, 0, 0, 1), 0, (0, 0, 256, 1))
            builder.add(Copy(columns, 0, dtypes[0], 256, count, *shape))
            if dtypes[1] is not dtypes[0]:
                other = builder.begin(TensorType(dtypes[1], count))
                identity = bytes(range(256))
                table = builder.place(identity, 256)
                builder.add(Table(other, dtypes[1], count, columns, dtypes[0], table))
                columns = other
            dst = builder.begin(TensorType(dtypes[2], count))
            zeros = [dtype.minimum + (64, 128, 32)[i] for i, dtype in enumerate(dtypes)]
            zeros = [d.minimum for d in dtypes] if index % 3 == 0 else zeros
            limits = (dtypes[2].minimum, dtypes[2].maximum)
            operands = (rows, columns, dtypes[0], dtypes[1], p1, p2, q)
            builder.add(Add(dst, dtypes[2], count, *operands, *zeros, *limits))
            name = f"({p1}·a + {p2}·b) / {q}, {dtypes[0].name}, a from {half}"
            yield Case(name, "ADD", builder.finish(dst), np.arange(256, dtype=np.uint8))


def pool_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return max pools: paddings, strides, dilations, every channel tail, both dtypes."""
    for dtype in (U8, I8):
        for channels in (1, 7, 16, 33, 64):
            for window in (
                Window(9, 8, channels, 5, 4, 3, 3, 2, 2, 1, 1),
                Window(8, 8, channels, 4, 4, 2, 2, 2, 2),
                Window(9, 9, channels, 7, 7, 3, 3, 1, 1, 1, 1, 2, 2),
            ):
                builder = ProgramBuilder(TensorType(dtype, window.in_count), slot_depth=1)
                count = window.out_height * window.out_width * channels
                dst = builder.begin(TensorType(dtype, count))
                builder.add(MaxPool(dst, 0, dtype, window))
                name = f"{dtype.name}, {channels} channels, stride {window.stride_height}"
                name += f", dilation {window.dilation_height}, kernel {window.kernel_height}"
                data = rng.integers(0, 256, window.in_count, dtype=np.uint8)
                yield Case(name, "MAXPOOL", builder.finish(dst), data)


def map_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return clamps and tables over all bytes, at counts that leave tails."""
    for dtype, low, high in ((U8, 10, 200), (U8, 0, 255), (I8, -100, 3), (I8, 7, 7)):
        for count in (256, 301):
            builder = ProgramBuilder(TensorType(dtype, count), slot_depth=1)
            dst = builder.begin(TensorType(dtype, count))
            builder.add(Clip(dst, dtype, count, 0, low, high))
            data = np.arange(count).astype(np.uint8)
            name = f"{dtype.name} to [{low}, {high}], {count} elements"
            yield Case(name, "CLIP", builder.finish(dst), data)
    for source in (U8, I8):
        for target in (U8, I8):
            builder = ProgramBuilder(TensorType(source, 301), slot_depth=1)
            dst = builder.begin(TensorType(target, 301))
            table = builder.place(rng.permutation(256).astype(np.uint8).tobytes(), 256)
            builder.add(Table(dst, target, 301, 0, source, table))
            data = np.arange(301).astype(np.uint8)
            name = f"{source.name} to {target.name}"
            yield Case(name, "TABLE", builder.finish(dst), data)


def copy_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return concatenations, transposes, and maps that leave gaps, in every dtype."""
    for dtype in DType:
        data = rng.integers(0, 256, 120 * dtype.size, dtype=np.uint8)
        for name, total, copies in (
            (
                "concatenate",
                240,
                [
                    ((1, 4, 5, 6), 0, (0, 30, 6, 1), 0, (0, 60, 12, 1)),
                    ((1, 4, 5, 6), 0, (0, 30, 6, 1), 6, (0, 60, 12, 1)),
                ],
            ),
            ("transpose", 120, [((1, 6, 4, 5), 0, (0, 1, 30, 6), 0, (0, 20, 5, 1))]),
            ("gaps and overlaps", 400, [((2, 3, 4, 9), 5, (40, 2, 6, 1), 11, (150, 40, 5, 1))]),
        ):
            builder = ProgramBuilder(TensorType(dtype, 120), slot_depth=1)
            dst = builder.begin(TensorType(dtype, total))
            for shape in copies:
                builder.add(Copy(dst, 0, dtype, 120, total, *shape))
            yield Case(f"{name}, {dtype.name}", "COPY", builder.finish(dst), data)


def all_cases() -> Iterator[Case]:
    """Return every vector, in the published order."""
    rng = np.random.default_rng(20_240)
    yield from conv_cases(rng)
    yield from signed_cases(rng)
    yield from depthwise_cases(rng)
    yield from rounding_cases(rng)
    yield from add_cases()
    yield from pool_cases(rng)
    yield from map_cases(rng)
    yield from copy_cases(rng)
    yield from sequence_cases()


def encode(case: Case) -> dict[str, str | int]:
    """Return a vector as it is published."""
    program = case.program
    outcome = machine.complete(program, case.data, case.iterations)
    return {
        "name": case.name,
        "operator": case.operator,
        "header": program.header.encode().hex(),
        "operators": b"".join(op.encode() for op in program.operators).hex(),
        "constants": program.constants.tobytes().hex(),
        "input": case.data.tobytes().hex(),
        "iterations": case.iterations,
        "output": outcome.output.tobytes().hex(),
        "halted": outcome.halted,
    }


def main() -> None:
    """Write the vectors and their digest."""
    text = "".join(json.dumps(encode(case)) + "\n" for case in all_cases())
    (FOLDER / "vectors.jsonl.xz").write_bytes(lzma.compress(text.encode()))
    vectors = load_vectors()
    outcomes = [Outcome(np.frombuffer(each.output, np.uint8), each.halted) for each in vectors]
    digest = digest_of(vectors, outcomes)
    (FOLDER / "DIGEST").write_text(digest.hex() + "\n")
    print(f"{len(vectors)} vectors, digest {digest.hex()}")
    (shipped_dir() / DIGESTS).write_text(json.dumps(shipped_digests(), indent=1) + "\n")


def shipped_digests() -> dict[str, str]:
    """Return, by program root, the reference's digest of each shipped program."""
    programs = published_programs().values()
    return {each.root.hex(): exactness.digest_of(ReferenceEngine(each)) for each in programs}


if __name__ == "__main__":
    main()
