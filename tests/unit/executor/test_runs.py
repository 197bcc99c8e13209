"""What a miner expects of a model's runs."""

import numpy as np
import pytest

from executor.runs import Runs, ignore_inference
from infernet.actors.holdings import Holding
from infernet.actors.tries import Tries
from infernet.backend.engine import open_engine
from infernet.backend.trace import Trace
from infernet.chain.records import ProgramRoot, TaskId
from infernet.store.database import open_database
from interpreter.operators import Copy, Halt, MatMul, Walk
from interpreter.program import Program
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder

LENGTH = 1 << 20


class Given:
    """Inputs of tasks, all the same."""

    def __init__(self, token: int) -> None:
        self.data = np.array([token, 0], "<i4").tobytes()

    def of(self, task_id: TaskId) -> bytes:
        return self.data


def program() -> Program:
    """Return a program that halts on zeros, before all that takes long."""
    builder = ProgramBuilder(TensorType(DType.I32, 2), slot_depth=2)
    out = builder.keep(TensorType(DType.I64, 1024))
    token = builder.begin(TensorType(DType.I32, 1))
    builder.add(Copy(token, 0, DType.I32, 2, 1, (1, 1, 1, 1), 0, (0, 0, 0, 1), 0, (0, 0, 0, 1)))
    builder.add(Halt(token, 0, 2, 1, (0,)))
    row = builder.begin(TensorType(DType.I8, LENGTH))
    walks = Walk(LENGTH, 0, 0, 0, 3), Walk(0, 0, 0, 1, 0)
    kinds = DType.I64, DType.I8, DType.I8
    builder.add(MatMul(out, row, 0, *kinds, 1, 1, 1024, LENGTH - 1024, *walks, 1))
    for slot in (token, row):
        builder.free(slot)
    builder.place(bytes(LENGTH))
    return builder.finish(out)


def rehearsed(token: int) -> tuple[Runs, ProgramRoot, int]:
    """Return runs of the program, its root and its steps."""
    made = program()
    engine, root = open_engine(made), ProgramRoot(made.root)
    holding = Holding(made.header, lambda data, iterations=1: Trace(made, data, engine, iterations))
    tries = Tries(open_database(None))
    runs = Runs({root: holding}, Given(token), tries, 2, ignore_inference)
    runs.rehearse()
    return runs, root, made.header.steps_per_iteration


def test_a_rehearsal_that_halts_does_not_make_a_model_look_short() -> None:
    runs, root, steps = rehearsed(token=1)
    assert runs.expected_seconds(root, 1) >= steps / 1e8


def test_runs_that_halt_do_not_make_the_next_look_short() -> None:
    runs, root, _ = rehearsed(token=0)
    expected = runs.expected_seconds(root, 1)
    for number in range(3):
        run = runs.infer(TaskId(bytes([number]) * 32), root, 1)
        assert run is not None and run.halted
    assert runs.expected_seconds(root, 1) == pytest.approx(expected)
