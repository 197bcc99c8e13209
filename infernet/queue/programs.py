"""Programs in Redis, by root: whoever asks puts them there, whoever computes checks the root."""

from __future__ import annotations

from typing import cast

import numpy as np
import redis

from infernet.backend.hashing import hash_bytes
from interpreter.errors import InterpreterError
from interpreter.merkle import Hash
from interpreter.program import (
    DESCRIPTOR_BYTES,
    Header,
    Operator,
    Program,
    load,
    operators_tree,
)
from interpreter.validate import validate

from .errors import QueueError, UnknownProgram

# A string in Redis holds no more, and much less is sensible.
LARGEST_BYTES = 256 << 20
_KEPT_SECONDS = 24 * 3_600
_HEADER, _OPERATORS, _CONSTANTS = "header", "operators", "constants"


def put_program(client: redis.Redis, program: Program) -> None:
    """Store a program for a day, or raise QueueError if it is too large to travel."""
    size = program.header.constants_bytes
    if size > LARGEST_BYTES:
        raise QueueError(
            f"program 0x{program.root.hex()} has {size >> 20} MiB of constants, more than the "
            f"{LARGEST_BYTES >> 20} MiB that travel over Redis; run it in the miner itself"
        )
    operators = b"".join(operator.encode() for operator in program.operators)
    with client.pipeline() as steps:
        steps.hset(_key(program.root), _HEADER, program.header.encode())
        steps.hset(_key(program.root), _OPERATORS, operators)
        steps.hset(_key(program.root), _CONSTANTS, program.constants.tobytes())
        steps.expire(_key(program.root), _KEPT_SECONDS)
        steps.execute()


def get_program(client: redis.Redis, root: Hash) -> Program:
    """Return a program, hashed and validated anew, or raise UnknownProgram."""
    names = [_HEADER, _OPERATORS, _CONSTANTS]
    parts = cast("list[bytes | None]", client.hmget(_key(root), names))
    if any(part is None for part in parts):
        raise UnknownProgram(f"no program 0x{root.hex()} is in Redis; it is put there again")
    client.expire(_key(root), _KEPT_SECONDS)
    return program_in(root, *cast("list[bytes]", parts))


def program_in(root: Hash, header: bytes, descriptors: bytes, constants: bytes) -> Program:
    """Return the program in its parts, hashed and validated, or raise UnknownProgram."""
    try:
        program = _decoded(header, descriptors, constants)
        validate(program)
    except (ValueError, InterpreterError) as error:
        raise UnknownProgram(f"what Redis has as 0x{root.hex()} is none: {error}") from None
    if program.root != root:
        raise UnknownProgram(f"what Redis has as 0x{root.hex()} is 0x{program.root.hex()}")
    return program


def _decoded(header: bytes, descriptors: bytes, constants: bytes) -> Program:
    cuts = range(0, len(descriptors), DESCRIPTOR_BYTES)
    operators = [Operator.decode(descriptors[at : at + DESCRIPTOR_BYTES]) for at in cuts]
    blob = np.frombuffer(constants, np.uint8)
    tree = hash_bytes(blob)
    return load(Header.decode(header), operators, blob, tree, operators_tree(operators))


def _key(root: Hash) -> str:
    return f"infernet:program:{root.hex()}"
