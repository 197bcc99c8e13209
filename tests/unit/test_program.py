"""Encoding, identity and registration rules (docs/spec/program.md)."""

from dataclasses import replace

import numpy as np
import pytest

from interpreter.errors import InvalidProgram, InvalidStep, InvalidTensor
from interpreter.machine import run, start
from interpreter.merkle import digest, empty_root
from interpreter.operators import Add, Begin, Clip, Conv, End, Free, Table, Window, decode
from interpreter.program import DESCRIPTOR_BYTES, Header, Operator, Program, assemble
from interpreter.tensors import DType, TensorType
from interpreter.validate import validate

U8 = DType.U8


def conv(**changes: object) -> Conv:
    values: dict[str, object] = {
        "dst": 1,
        "a": 0,
        "dst_dtype": U8,
        "a_dtype": U8,
        "window": Window(4, 4, 2, 4, 4, 3, 3, pad_top=1, pad_left=1),
        "out_channels": 3,
        "groups": 1,
        "a_zero": 7,
        "dst_zero": 9,
        "low": 0,
        "high": 255,
        "weights": 0,
        "params": 256,
    }
    return Conv(**{**values, **changes})  # type: ignore[arg-type]


def program(instructions: list[object], *, slot_depth: int = 2, output_slot: int = 1) -> Program:
    constants = np.zeros(512, np.uint8)
    return assemble(
        [i.encode() for i in instructions],  # type: ignore[attr-defined]
        [i.steps for i in instructions],  # type: ignore[attr-defined]
        constants,
        slot_depth=slot_depth,
        input_slot=0,
        output_slot=output_slot,
        input_dtype=U8,
        output_dtype=U8,
        input_shape=(1, 4, 4, 2),
        output_shape=(1, 4, 4, 3),
    )


def good() -> Program:
    return program([Begin(1, TensorType(U8, 48)), conv(), End()])


def with_operator(index: int, operator: Operator) -> Program:
    base = good()
    operators = list(base.operators)
    operators[index] = operator
    return replace(base, operators=tuple(operators))


def test_valid_program_passes_and_runs() -> None:
    validate(good())
    assert run(good(), np.zeros(32, np.uint8)).tolist() == [9] * 48


def test_header_round_trips_and_its_digest_is_the_root() -> None:
    base = good()
    data = base.header.encode()
    assert len(data) == 128 + 32 * 2
    assert Header.decode(data) == base.header
    assert base.root == digest(data)


def test_descriptor_round_trips_at_its_exact_length() -> None:
    for operator in good().operators:
        data = operator.encode()
        assert len(data) == DESCRIPTOR_BYTES == 240
        assert Operator.decode(data).encode() == data


def test_each_header_byte_changes_the_identity() -> None:
    data = good().header.encode()
    roots = {digest(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]) for i in range(len(data))}
    assert len(roots) == len(data) and good().root not in roots


def test_steps_locate_to_iteration_operator_and_index() -> None:
    base = good()
    last = base.header.steps_per_iteration - 1
    assert (base.locate(0).operator, base.locate(1).operator, base.locate(last).operator) == (
        0,
        1,
        2,
    )
    assert base.locate(last).index == 0
    assert base.locate(last + 1, iterations=2).iteration == 1
    with pytest.raises(InvalidStep):
        base.locate(last + 1)


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ([conv(), End()], "slot 1 holds None"),
        ([Begin(1, TensorType(U8, 47)), conv(), End()], "is expected"),
        ([Begin(1, TensorType(U8, 48)), Begin(1, TensorType(U8, 48)), conv(), End()], "occupied"),
        ([Begin(1, TensorType(U8, 48)), Free(2), conv(), End()], "which is empty"),
        ([Begin(1, TensorType(U8, 48)), Free(0), conv(), End()], "read-only"),
        ([Begin(0, TensorType(U8, 48)), conv(), End()], "read-only"),
        ([Begin(4, TensorType(U8, 48)), conv(), End()], "does not exist"),
        ([Begin(1, TensorType(U8, 48)), conv(), Free(1), End()], "does not hold the output"),
        ([Begin(1, TensorType(U8, 48)), conv()], "END must be the last"),
        ([Begin(1, TensorType(U8, 48)), End(), conv(), End()], "END must be the last"),
        ([Begin(1, TensorType(U8, 48)), conv(groups=2, out_channels=3), End()], "divide"),
        ([Begin(1, TensorType(U8, 48)), conv(low=9, high=8), End()], "clamp"),
        ([Begin(1, TensorType(U8, 48)), conv(high=256), End()], "clamp"),
        ([Begin(1, TensorType(U8, 48)), conv(a_zero=-1), End()], "a_zero"),
        ([Begin(1, TensorType(U8, 48)), conv(weights=460), End()], "weights"),
        ([Begin(1, TensorType(U8, 48)), conv(weights=-1), End()], "weights"),
        ([Begin(1, TensorType(U8, 48)), conv(params=260), End()], "multiple of 8"),
        ([Begin(1, TensorType(U8, 48)), conv(params=496), End()], "params"),
        ([Begin(1, TensorType(U8, 48)), conv(a_dtype=DType.I16), End()], "u8 or i8"),
        ([Begin(1, TensorType(U8, 48)), Clip(1, U8, 48, 1, 0, 9), End()], "share a slot"),
        ([Begin(1, TensorType(U8, 32)), Table(1, U8, 32, 0, U8, 128), End()], "multiple of 256"),
        ([Begin(1, TensorType(U8, 32)), Table(1, U8, 32, 0, U8, 512), End()], "table"),
        (
            [
                Begin(1, TensorType(U8, 32)),
                Add(1, U8, 32, 0, 0, U8, U8, 1, 1, 2, 0, 0, 0, 0, 255),
                End(),
            ],
            "odd",
        ),
    ],
)
def test_rule_breaking_programs_are_refused(instructions: list[object], message: str) -> None:
    with pytest.raises(InvalidProgram, match=message):
        validate(program(instructions))


@pytest.mark.parametrize(
    ("index", "changes"),
    [
        (0, {"fields": (48, 1)}),
        (0, {"a": 1}),
        (1, {"b": 3}),
        (1, {"b_dtype": DType.I8}),
        (2, {"dst_dtype": DType.I8}),
        (2, {"fields": (1,)}),
    ],
)
def test_unused_fields_and_bytes_must_be_zero(index: int, changes: dict[str, object]) -> None:
    operator = replace(good().operators[index], **changes)  # type: ignore[arg-type]
    with pytest.raises(InvalidProgram, match="does not use"):
        validate(with_operator(index, operator))


def test_step_ranges_must_be_contiguous() -> None:
    base = good().operators
    for first in (0, 2, 100):
        with pytest.raises(InvalidProgram, match="first_step"):
            validate(with_operator(1, replace(base[1], first_step=first)))


@pytest.mark.parametrize(
    "changes",
    [
        {"slot_depth": 7},
        {"input_slot": 4},
        {"output_slot": 0},
        {"max_iterations": 2},
        {"constants_bytes": 300},
        {"output_shape": (1, 1, 1, 40_000)},
        {"input_shape": (0, 1, 1, 1)},
        {"initial_siblings": (empty_root(1), empty_root(0))},
        {"steps_per_iteration": 5},
        {"operator_count": 4},
    ],
)
def test_header_rules(changes: dict[str, object]) -> None:
    base = good()
    with pytest.raises(InvalidProgram):
        validate(replace(base, header=replace(base.header, **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", [0, 10, 127, 191, 193])
def test_headers_of_another_length_are_refused(cut: int) -> None:
    with pytest.raises(InvalidProgram):
        Header.decode(good().header.encode().ljust(193, b"\0")[:cut])


def test_unknown_opcodes_and_dtypes_are_refused() -> None:
    data = good().operators[0].encode()
    for position, value in ((0, 0x7F), (4, 5), (7, 1)):
        with pytest.raises(InvalidProgram):
            Operator.decode(data[:position] + bytes([value]) + data[position + 1 :])


def test_inputs_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidTensor, match="31 bytes given, 32 expected"):
        start(good(), np.zeros(31, np.uint8))


def test_every_opcode_decodes_to_what_encoded_it() -> None:
    for operator in good().operators:
        assert decode(operator).encode().fields == operator.fields or operator.fields == ()
