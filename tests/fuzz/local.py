"""Settings, keystores, and what travels through Redis."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from eth_account import Account

from infernet.backend.adapters import Reference
from infernet.config.errors import ConfigError
from infernet.config.load import load
from infernet.config.show import lines
from infernet.keys import KeyStoreError
from infernet.keystore import open_keystore
from infernet.queue.bench import Bench
from infernet.queue.errors import QueueError, UnknownProgram
from infernet.queue.jobs import Answer, answer_in, encode
from infernet.queue.programs import program_in
from interpreter.merkle import Hash
from interpreter.program import Program
from tests.programs import random_instruction_program

from .files import folder
from .harness import Disagreement, Harness
from .machine import OPCODES, programs
from .mutations import of_bytes, of_json

_OUTPUT_BYTES = 64
_ROOT = Path(__file__).parents[2]


def _settings() -> list[bytes]:
    whole = (_ROOT / "miner.example.toml").read_bytes()
    return [whole, b'[network]\nrpc = ["http://127.0.0.1:8545"]\n[fisherman]\nsample = "50%"\n']


def _setting(data: bytes) -> None:
    path = folder("settings") / "miner.toml"
    path.write_bytes(data)
    list(lines(load(path, environment={})))


_PASSPHRASE = "correct horse"


def _keystores() -> list[bytes]:
    key = "0x" + "11" * 32
    made = [
        Account.encrypt(key, _PASSPHRASE, "pbkdf2", 1),
        Account.encrypt(key, _PASSPHRASE, iterations=2),
    ]
    return [json.dumps(each).encode() for each in made]


def _keystore(data: bytes) -> None:
    place = folder("keystore")
    path, passphrase = place / "keystore.json", place / "passphrase"
    path.write_bytes(data)
    if not passphrase.exists():
        passphrase.touch(0o600)
        passphrase.write_text(_PASSPHRASE)
    open_keystore(path, passphrase, None)


# The queue


def _answers() -> list[bytes]:
    made = (Answer(bytes(8), True), Answer(failure="no"), Answer(is_unknown_program=True))
    return [base64.b64encode(json.dumps(each.encode()).encode()) for each in made]


def _answer(data: bytes) -> None:
    """Take what stands in Redis; whatever is no answer is a failure."""
    found = answer_in(data, _OUTPUT_BYTES)
    assert found.output is None or isinstance(found.output, bytes)
    if found.failure.startswith("a worker's answer is not in its form"):
        raise QueueError(found.failure)


def _changed_answer(data: bytes, rng: Any) -> bytes:
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        content = data
    if rng.random() < 0.3:
        return of_bytes(data, rng)
    return base64.b64encode(of_json(content, rng))


@cache
def _small() -> Program:
    return random_instruction_program(np.random.default_rng(4), OPCODES[2], max_count=20)


class _Own(Bench):
    """A bench whose programs are at hand."""

    def _program(self, root: Hash) -> Program:
        if root != _small().root:
            raise UnknownProgram("no such program")
        return _small()


@cache
def _bench() -> Bench:
    return _Own(None, Reference())  # type: ignore[arg-type]


def _jobs() -> list[bytes]:
    data = encode(bytes(_small().header.input_type.byte_count))
    return [json.dumps([_small().root.hex(), data, 1]).encode()]


def _job(data: bytes) -> None:
    """Run a job's arguments; what cannot be run is an answer that says so."""
    arguments = json.loads(data)
    if not isinstance(arguments, list) or len(arguments) != 3:
        raise QueueError("other arguments")
    found = Answer.decode(_bench().run(*arguments))
    if found.output is None:
        raise QueueError(found.failure)


def _parts() -> list[bytes]:
    found = []
    for each in programs()[:8]:
        descriptors = b"".join(op.encode() for op in each.operators)
        parts = (each.header.encode(), descriptors, each.constants.tobytes())
        if sum(map(len, parts)) < 1 << 15:
            found.append(each.root + b"".join(len(p).to_bytes(4) + p for p in parts))
    return found


def _program(data: bytes) -> None:
    """Take a root and three parts, each behind its length."""
    root, rest, parts = Hash(data[:32]), data[32:], []
    for _ in range(3):
        size = int.from_bytes(rest[:4])
        parts.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    if program_in(root, *parts).root != root:
        raise Disagreement("another program is taken")


HARNESSES = (
    Harness("settings", _settings, _setting, (ConfigError,)),
    Harness("keystore", _keystores, _keystore, (KeyStoreError,), of_json),
    Harness("queue-answer", _answers, _answer, (QueueError,), _changed_answer),
    Harness("queue-job", _jobs, _job, (QueueError, ValueError), of_json),
    Harness("queue-program", _parts, _program, (QueueError,)),
)
