"""Engines that stay warm: a worker opens each program once."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import redis

from infernet.backend.adapters import Adapter, open_with
from infernet.backend.engine import Engine
from infernet.backend.hashing import hash_bytes
from infernet.models.store import list_models, load_manifest, load_model
from interpreter.errors import InterpreterError
from interpreter.merkle import Hash
from interpreter.program import Program

from .errors import QueueError, UnknownProgram
from .jobs import Answer, decode, parse_root
from .programs import get_program


class Bench:
    """The programs that a worker has open; of many, the `most` used last."""

    def __init__(
        self, client: redis.Redis, adapter: Adapter, threads: int = 1, most: int = 8
    ) -> None:
        self._client, self._adapter = client, adapter
        self._threads, self._most = threads, most
        self._engines: OrderedDict[Hash, Engine] = OrderedDict()

    def run(self, program_root: object, data: object, iterations: object) -> dict[str, str | bool]:
        """Return the answer to a job's arguments, in JSON's types; raises what the engine raises.

        Whoever can write to Redis may have written them.
        """
        try:
            engine = self._engine(parse_root(program_root))
            content = np.frombuffer(decode(data), np.uint8)
            engine.program.header.input_type.check(content, "input")
            wanted = _iterations(iterations, engine.program.header.max_iterations)
        except UnknownProgram as error:
            return Answer(is_unknown_program=True, failure=str(error)).encode()
        except (QueueError, InterpreterError) as error:
            return Answer(failure=str(error)).encode()
        outcome = engine.run(content, wanted)
        return Answer(outcome.output.tobytes(), outcome.halted).encode()

    def _engine(self, root: Hash) -> Engine:
        if root in self._engines:
            self._engines.move_to_end(root)
        else:
            self._engines[root] = open_with(self._adapter, self._program(root), self._threads)
            while len(self._engines) > self._most:
                self._engines.popitem(last=False)
        return self._engines[root]

    def _program(self, root: Hash) -> Program:
        for entry in list_models():
            if load_manifest(entry.folder).program_root == root.hex():
                return load_model(entry.folder, hash_bytes).program
        return get_program(self._client, root)


def _iterations(iterations: object, most: int) -> int:
    if type(iterations) is not int or not 1 <= iterations <= most:
        raise QueueError(
            f"a job wants {str(iterations)[:80]} iterations; the program takes 1 to {most}"
        )
    return iterations
