"""The registry and Python's validator refuse the same programs (docs/spec/program.md)."""

import struct
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from interpreter.errors import InvalidProgram
from interpreter.merkle import digest, empty_root, tree_of_hashes
from interpreter.operators import Begin, Free, Halt, decode
from interpreter.program import DESCRIPTOR_BYTES, FIELD_COUNT, Header, Opcode, Operator, Program
from interpreter.tensors import DType, TensorType
from interpreter.validate import validate
from tests import sequences
from tests.builder import ProgramBuilder
from tests.programs import OPCODES, random_instruction_program, random_program
from tests.property.test_totality import SPECIAL, mutated_program

from .evm import DEPOSIT_WEI, STAKE_BASE_WEI, STAKE_PER_BIT_WEI, Contracts, Reverted, selector

Descriptors = list[bytes]


@pytest.fixture
def contracts() -> Contracts:
    return Contracts()


def descriptors_of(program: Program) -> Descriptors:
    return [operator.encode() for operator in program.operators]


def renumbered(base: Program, descriptors: Sequence[bytes]) -> tuple[bytes, Descriptors]:
    """Return a header and descriptors whose steps, count and root fit together."""
    step, numbered = 0, []
    for data in descriptors:
        numbered.append(data[:8] + struct.pack(">Q", step % 2**64) + data[16:])
        try:
            step += max(0, decode(Operator.decode(data)).steps)
        except (InvalidProgram, ZeroDivisionError):
            step += 1
    leaves = b"".join(digest(data) for data in numbered)
    header = replace(
        base.header,
        operator_count=len(numbered),
        steps_per_iteration=step % 2**64,
        operators_root=tree_of_hashes(leaves, empty_root).root,
    )
    return header.encode(), numbered


def python_accepts(base: Program, header: bytes, descriptors: Sequence[bytes]) -> bool:
    """Say whether the reference would register the program."""
    try:
        operators = tuple(Operator.decode(data) for data in descriptors)
        decoded = Header.decode(header)
        leaves = b"".join(digest(data) for data in descriptors)
        if tree_of_hashes(leaves, empty_root).root != decoded.operators_root:
            return False
        validate(replace(base, header=decoded, operators=operators))
    except InvalidProgram:
        return False
    return True


def require_agreement(
    contracts: Contracts, base: Program, header: bytes, descriptors: Sequence[bytes], what: str
) -> bool:
    expected = python_accepts(base, header, descriptors)
    assert contracts.accepts(header, descriptors) == expected, what
    return expected


def test_valid_programs_register_with_what_the_market_needs(contracts: Contracts) -> None:
    for seed in range(20):
        program = random_program(np.random.default_rng(seed), "hostile")
        header = program.header
        contracts.register(header.encode(), b"".join(descriptors_of(program)))
        assert contracts.model(program.root) == {
            "registered": True,
            "minimumStake": STAKE_BASE_WEI
            + STAKE_PER_BIT_WEI * header.steps_per_iteration.bit_length(),
            "maxIterations": 1,
            "stepsPerIteration": header.steps_per_iteration,
            "inputBytes": header.input_type.byte_count,
            "outputBytes": header.output_type.byte_count,
            "slotDepth": header.slot_depth,
            "inputSlot": header.input_slot,
            "outputSlot": header.output_slot,
            "initialSiblings": header.initial_siblings,
        }
        with pytest.raises(Reverted) as error:
            contracts.register(header.encode(), b"")
        assert error.value.data[:4] == selector("AlreadyRegistered(bytes32)")


def test_unknown_programs_are_not_models(contracts: Contracts) -> None:
    assert not contracts.model(b"\1" * 32)["registered"]


@pytest.mark.parametrize("opcode", sorted({*OPCODES, *sequences.OPCODES}))
def test_every_field_of_every_operator_is_judged_alike(
    contracts: Contracts, opcode: Opcode
) -> None:
    rng = np.random.default_rng(opcode)
    verdicts = []
    bases = []
    if opcode in OPCODES:
        bases += [random_instruction_program(rng, opcode, s) for s in ("plain", "hostile")]
    if opcode in sequences.OPCODES:
        bases += [sequences.random_sequence_program(rng, opcode) for _ in range(2)]
    for base in bases:
        true = descriptors_of(base)
        at = next(i for i, data in enumerate(true) if data[0] == opcode)
        for field in range(FIELD_COUNT):
            place = 16 + 8 * field
            old = struct.unpack_from(">q", true[at], place)[0]
            chosen = [int(v) for v in rng.choice(SPECIAL, 9)]
            for value in (*chosen, -chosen[0], -1, 0, old + 1, old - 1, -old, -(2**63)):
                changed = bytearray(true[at])
                struct.pack_into(">q", changed, place, max(min(value, 2**63 - 1), -(2**63)))
                header, numbered = renumbered(base, [*true[:at], bytes(changed), *true[at + 1 :]])
                what = f"field {field} = {value}"
                verdicts.append(require_agreement(contracts, base, header, numbered, what))
    assert any(verdicts) and not all(verdicts)


@pytest.mark.parametrize("seed", range(3))
def test_every_head_byte_of_every_operator_is_judged_alike(contracts: Contracts, seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = random_program(rng, "plain")
    true = descriptors_of(base)
    for at in range(len(true)):
        for place in range(8):
            for value in (0, 1, 2, 3, 4, 5, 7, 0x10, 0x11, 0x20, 0x30, 0x31, 63, 64, 255):
                changed = true[at][:place] + bytes([value]) + true[at][place + 1 :]
                header, numbered = renumbered(base, [*true[:at], changed, *true[at + 1 :]])
                what = f"operator {at}, head byte {place} = {value}"
                require_agreement(contracts, base, header, numbered, what)


def test_mutated_programs_are_judged_alike(contracts: Contracts) -> None:
    rng = np.random.default_rng(7)
    accepted = 0
    for number in range(400):
        opcode = sequences.OPCODES[number // 2 % len(sequences.OPCODES)]
        base = (
            sequences.random_sequence_program(rng, opcode)
            if number % 2
            else random_program(rng, "hostile", operators=3, max_steps=800)
        )
        program = mutated_program(base, rng)
        header, true = program.header.encode(), descriptors_of(program)
        accepted += require_agreement(contracts, program, header, true, f"program {number}")
    assert 0 < accepted < 400


def test_descriptors_in_another_order_are_judged_alike(contracts: Contracts) -> None:
    rng = np.random.default_rng(8)
    for number in range(200):
        base = random_program(rng, "plain", operators=3)
        shuffled = descriptors_of(base)
        one, other = (int(i) for i in rng.integers(0, len(shuffled), 2))
        match number % 3:
            case 0:
                shuffled[one], shuffled[other] = shuffled[other], shuffled[one]
            case 1:
                del shuffled[one]
            case _:
                shuffled.insert(one, shuffled[other])
        header, numbered = renumbered(base, shuffled)
        require_agreement(contracts, base, header, numbered, f"program {number}")


@pytest.mark.parametrize("seed", range(2))
def test_every_header_byte_is_judged_alike(contracts: Contracts, seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = random_program(rng, "plain", operators=3)
    true, header = descriptors_of(base), base.header.encode()
    assert contracts.accepts(header, true)
    for place in range(len(header)):
        for value in {0, 1, 2, 4, 5, 255, header[place] ^ 1, int(rng.integers(256))}:
            changed = header[:place] + bytes([value]) + header[place + 1 :]
            require_agreement(contracts, base, changed, true, f"header byte {place} = {value}")
    for length in (0, 1, 127, 128, len(header) - 1):
        require_agreement(contracts, base, header[:length], true, f"header of {length} bytes")
    require_agreement(contracts, base, header + b"\0", true, "a longer header")


def test_a_first_step_that_is_not_the_sum_before_it_is_refused(contracts: Contracts) -> None:
    base = random_program(np.random.default_rng(9), "plain")
    for at, data in enumerate(descriptors_of(base)):
        for wrong in (0, base.operators[at].first_step + 1, 2**64 - 1):
            changed = descriptors_of(base)
            changed[at] = data[:8] + struct.pack(">Q", wrong) + data[16:]
            leaves = b"".join(digest(d) for d in changed)
            root = tree_of_hashes(leaves, empty_root).root
            header = replace(base.header, operators_root=root).encode()
            require_agreement(contracts, base, header, changed, f"operator {at} at {wrong}")


def test_registration_in_chunks_equals_registration_at_once(contracts: Contracts) -> None:
    rng = np.random.default_rng(10)
    for _ in range(12):
        program = random_program(rng, "plain", operators=10)
        header, data = program.header.encode(), b"".join(descriptors_of(program))
        count = len(program.operators)
        cuts = sorted(int(v) for v in rng.integers(0, count + 1, 3))
        parts = [
            data[DESCRIPTOR_BYTES * a : DESCRIPTOR_BYTES * b]
            for a, b in zip([0, *cuts], [*cuts, count], strict=True)
        ]
        contracts.register(header, parts[0])
        for part in parts[1:]:
            if not contracts.model(program.root)["registered"]:
                contracts.extend(header, part)
        assert contracts.model(program.root)["registered"]


def test_a_registration_can_begin_again_without_a_second_deposit(contracts: Contracts) -> None:
    program = random_program(np.random.default_rng(11), "plain")
    header, true = program.header.encode(), descriptors_of(program)
    contracts.register(header, true[0])
    assert contracts.evm.get_balance(contracts.registry) % DEPOSIT_WEI == 0
    with pytest.raises(Reverted):
        contracts.extend(header, true[0])
    contracts.register(header, b"".join(true), value=0)
    assert contracts.model(program.root)["registered"]


@pytest.mark.parametrize("value", [0, DEPOSIT_WEI - 1, DEPOSIT_WEI + 1])
def test_the_deposit_is_exact(contracts: Contracts, value: int) -> None:
    program = random_program(np.random.default_rng(12), "plain")
    with pytest.raises(Reverted) as error:
        contracts.register(program.header.encode(), b"", value=value)
    assert error.value.data[:4] == selector("WrongDeposit(uint256,uint256)")


def test_registrations_must_begin_and_chunks_must_fit(contracts: Contracts) -> None:
    program = random_program(np.random.default_rng(13), "plain")
    header, true = program.header.encode(), b"".join(descriptors_of(program))
    with pytest.raises(Reverted) as error:
        contracts.extend(header, true)
    assert error.value.data[:4] == selector("NotBegun(address,bytes32)")
    with pytest.raises(Reverted) as error:
        contracts.register(header, true[:-1])
    assert error.value.data[:4] == selector("PartialDescriptor(uint256)")
    with pytest.raises(Reverted) as error:
        contracts.register(header, true * 2)
    assert error.value.data[:4] == selector("TooManyDescriptors(uint256,uint256)")


def test_operator_trees_of_every_size_are_recomputed(contracts: Contracts) -> None:
    """Programs of 3 to 40 operators: BEGIN and FREE pairs around a copy."""
    base = random_program(np.random.default_rng(14), "plain", operators=1)
    true = descriptors_of(base)
    kind = TensorType(DType.I64, 5)
    free = [s for s in range(1 << base.header.slot_depth) if s != base.header.input_slot]
    pair = [Begin(free[0], kind).encode().encode(), Free(free[0]).encode().encode()]
    for pairs in range(18):
        header, numbered = renumbered(base, [*pair * pairs, *true])
        assert require_agreement(contracts, base, header, numbered, f"{pairs} pairs")


@pytest.mark.parametrize("held", ["output", "empty", "other"])
def test_a_run_may_halt_only_where_the_output_is_in_place(contracts: Contracts, held: str) -> None:
    builder = ProgramBuilder(TensorType(DType.I32, 2), slot_depth=2, input_slot=3)
    token = builder.begin(TensorType(DType.I32, 1))
    output = builder.begin(TensorType(DType.I32, 4))
    builder.add(Halt(token, 3, 2, 0, (7,)))
    base = builder.finish(output)
    first, out, halt, end = descriptors_of(base)
    other = Begin(output, TensorType(DType.I32, 100)).encode().encode()
    orders = {
        "output": [first, out, halt, end],
        "empty": [first, halt, out, end],
        "other": [first, other, halt, Free(output).encode().encode(), out, end],
    }
    header, descriptors = renumbered(base, orders[held])
    is_taken = require_agreement(contracts, base, header, descriptors, held)
    assert is_taken is (held == "output")
