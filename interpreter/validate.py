"""Registration rules: what the contract checks before a model may serve (spec: program.md)."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import InvalidProgram
from .merkle import empty_root
from .operators import Begin, End, Free, Halt, Instruction, Keep, decode
from .operators.base import MAX_COUNT, require, require_range
from .program import DESCRIPTOR_BYTES, Header, Operator, Program
from .tensors import LEAF_BYTES, TensorType

MAX_SLOT_DEPTH = 7
MAX_ITERATIONS = 1 << 24
MAX_OPERATORS = 65_535
MAX_CONSTANTS_BYTES = 1 << 40
MAX_OUTPUT_BYTES = 32_768


@dataclass(slots=True)
class Table:
    """What each slot holds while a program is checked, and which slots are kept."""

    kinds: list[TensorType | None]
    kept: set[int] = field(default_factory=set)
    operators: int = 0


def validate(program: Program) -> None:
    """Raise InvalidProgram unless every registration rule holds; the contract agrees."""
    header = program.header
    validate_header(header)
    require(len(program.operators) == header.operator_count, "operator_count is wrong")
    table = Table([None] * (1 << header.slot_depth))
    table.kinds[header.input_slot] = header.input_type
    step = 0
    for index, operator in enumerate(program.operators):
        try:
            require(operator.first_step == step, f"first_step {operator.first_step} is not {step}")
            step += validate_operator(operator, header, table)
            is_last = index == header.operator_count - 1
            is_end = isinstance(decode(operator), End)
            require(is_end == is_last, "END must be the last operator, and only the last")
        except InvalidProgram as error:
            name = operator.opcode.name
            raise InvalidProgram(f"operator {index} ({name}): {error}") from None
    require(step == header.steps_per_iteration, "steps_per_iteration is wrong")
    require(step * header.max_iterations < 1 << 63, "the program has too many steps")


def validate_header(header: Header) -> None:
    """Raise InvalidProgram if a header field is out of its range."""
    require_range(header.slot_depth, 1, MAX_SLOT_DEPTH, "slot_depth")
    slots = 1 << header.slot_depth
    require_range(header.input_slot, 0, slots - 1, "input_slot")
    require_range(header.output_slot, 0, slots - 1, "output_slot")
    require(header.input_slot != header.output_slot, "input and output share a slot")
    require_range(header.operator_count, 1, MAX_OPERATORS, "operator_count")
    require_range(header.max_iterations, 1, MAX_ITERATIONS, "max_iterations")
    require_range(header.constants_bytes, LEAF_BYTES, MAX_CONSTANTS_BYTES, "constants_bytes")
    require(header.constants_bytes % LEAF_BYTES == 0, "constants_bytes is not a multiple of 256")
    require_range(header.input_type.count, 1, MAX_COUNT, "input_count")
    require_range(header.output_type.count, 1, MAX_COUNT, "output_count")
    require_range(header.output_type.byte_count, 1, MAX_OUTPUT_BYTES, "output bytes")
    expected = tuple(empty_root(depth) for depth in range(header.slot_depth))
    require(header.initial_siblings == expected, "initial_siblings are not those of empty slots")


def validate_operator(operator: Operator, header: Header, table: Table) -> int:
    """Check one operator, update the slot table and return the operator's steps."""
    instruction = decode(operator)
    # Re-encoding drops whatever the instruction does not know, so unused parts must be zero.
    canonical = instruction.encode().encode()
    unnumbered = Operator.encode(operator)
    require(
        len(unnumbered) == DESCRIPTOR_BYTES
        and canonical[:8] == unnumbered[:8]
        and canonical[16:] == unnumbered[16:],
        "a byte or field that this operator does not use is not 0",
    )
    instruction.check(header.constants_bytes, header.max_iterations)
    _check_slots(instruction, header, table)
    table.operators += 1
    return instruction.steps


def _check_slots(instruction: Instruction, header: Header, table: Table) -> None:
    match instruction:
        case Begin(dst=dst, kind=kind):
            _require_writable(dst, header, table)
            require(table.kinds[dst] is None, f"BEGIN or KEEP of slot {dst}, which is occupied")
            table.kinds[dst] = kind
            if isinstance(instruction, Keep):
                # Else a BEGIN and a FREE of the slot would meet the kept tensor a round later.
                require(len(table.kept) == table.operators, "KEEP comes before all other operators")
                table.kept.add(dst)
        case Free(dst=dst):
            _require_writable(dst, header, table)
            require(table.kinds[dst] is not None, f"FREE of slot {dst}, which is empty")
            require(dst not in table.kept, f"FREE of slot {dst}, which is kept")
            table.kinds[dst] = None
        case End():
            _require_output(header, table)
            _check_end(header, table)
        case Halt():
            # Wherever a run can end, it has an output.
            _require_output(header, table)
            _check_operands(instruction, header, table)
        case _:
            _check_operands(instruction, header, table)


def _check_operands(instruction: Instruction, header: Header, table: Table) -> None:
    operands = instruction.sources
    if destination := instruction.destination:
        _require_writable(destination.slot, header, table)
        for source in operands:
            require(source.slot != destination.slot, "source and destination share a slot")
        operands = (*operands, destination)
    for operand in operands:
        require(operand.slot < len(table.kinds), f"slot {operand.slot} does not exist")
        found = table.kinds[operand.slot]
        require(
            found == operand.kind,
            f"slot {operand.slot} holds {found}, but {operand.kind} is expected",
        )


def _require_output(header: Header, table: Table) -> None:
    found = table.kinds[header.output_slot]
    require(found == header.output_type, "the output slot does not hold the output")


def _check_end(header: Header, table: Table) -> None:
    if header.max_iterations == 1:
        return
    for slot, kind in enumerate(table.kinds):
        is_steady = kind is None or slot in table.kept or slot == header.input_slot
        require(is_steady, f"slot {slot} is neither empty nor kept, but iterations follow")


def _require_writable(slot: int, header: Header, table: Table) -> None:
    require(slot < len(table.kinds), f"slot {slot} does not exist")
    require(slot != header.input_slot, "the input slot is read-only")
