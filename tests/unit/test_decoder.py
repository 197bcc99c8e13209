"""A tiny decoder: kept slots, a growing cache, sampling, and HALT before the last iteration."""

from dataclasses import replace

import numpy as np
import pytest

from interpreter import machine
from interpreter.errors import InvalidProgram, InvalidWitness
from interpreter.merkle import tree_of_bytes
from interpreter.operators import (
    Combine,
    Copy,
    Draw,
    Embed,
    Free,
    Halt,
    Keep,
    Lookup,
    MatMul,
    Reduce,
    ReduceKind,
    Scale,
    Token,
    Walk,
)
from interpreter.program import Program, Step
from interpreter.state import State, final_state, initial_state
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder

I8, I16, I32, I64, U8 = DType.I8, DType.I16, DType.I32, DType.I64, DType.U8
ITERATIONS, VOCABULARY, WIDTH = 6, 40, 32
LENGTH, GREEDY, SEED, PROMPT = 0, 1, 2, 10
REQUEST = 14
RANGE16 = (I16.minimum, I16.maximum)


def decoder(end_tokens: tuple[int, ...]) -> Program:
    """Return a program whose next token depends on all that went before, through a cache."""
    rng = np.random.default_rng(5)
    b = ProgramBuilder(TensorType(I32, REQUEST), slot_depth=4)
    output = b.keep(TensorType(I32, ITERATIONS))
    cache = b.keep(TensorType(I16, ITERATIONS * WIDTH))
    table = b.place(rng.integers(-128, 128, VOCABULARY * WIDTH, np.int8).tobytes(), 8)
    head = b.place(rng.integers(-128, 128, VOCABULARY * WIDTH, np.int8).tobytes(), 8)
    weights = (np.exp(np.arange(64) / 9)[::-1] * 50).astype("<i4")
    exponent = b.place(weights.tobytes(), 8)

    token = b.begin(TensorType(I32, 1))
    b.add(Token(token, 0, output, REQUEST, LENGTH, PROMPT, ITERATIONS))
    x = b.begin(TensorType(I8, WIDTH))
    b.add(Embed(x, I8, 1, WIDTH, token, I32, 1, 0, VOCABULARY, table, 0))
    wide = b.begin(TensorType(I16, WIDTH))
    plain = (0, I8, U8, 0, 0, 0, -1, 0, 3, 0, *RANGE16, 0, 0)
    b.add(Scale(wide, I16, 1, WIDTH, x, *plain))
    ends = (0, (0, 0, 0, 1), 0, (0, 0, 0, 1), 0, WIDTH)
    b.add(Copy(cache, wide, I16, WIDTH, ITERATIONS * WIDTH, (1, 1, 1, WIDTH), *ends))
    scores = b.begin(TensorType(I64, ITERATIONS))
    q, k = Walk(WIDTH, 0, 0, 0, 0), Walk(ITERATIONS * WIDTH, 0, 0, WIDTH, 0)
    b.add(MatMul(scores, x, cache, I64, I8, I16, 1, 1, ITERATIONS, WIDTH, q, k, 1))
    total = b.begin(TensorType(I64, 1))
    b.add(Reduce(total, scores, 0, I64, I64, U8, 1, ITERATIONS, ReduceKind.SUM))
    mixed = b.begin(TensorType(I16, WIDTH))
    b.add(Combine(mixed, I16, 1, WIDTH, wide, total, I16, I64, 2, 1, 18, *RANGE16))
    logits = b.begin(TensorType(I64, VOCABULARY))
    rows = Walk(WIDTH, 0, 0, 0, 0), Walk(0, head, 0, WIDTH, 0)
    b.add(MatMul(logits, mixed, 0, I64, I16, I8, 1, 1, VOCABULARY, WIDTH, *rows, 1))
    top = b.begin(TensorType(I64, 1))
    b.add(Reduce(top, logits, 0, I64, I64, U8, 1, VOCABULARY, ReduceKind.MAX))
    odds = b.begin(TensorType(I32, VOCABULARY))
    b.add(Lookup(odds, logits, top, I32, I64, I64, 1, VOCABULARY, 1, 0, 14, 64, exponent))
    sum_ = b.begin(TensorType(I64, 1))
    b.add(Reduce(sum_, odds, 0, I64, I32, U8, 1, VOCABULARY, ReduceKind.SUM))
    drawn = b.begin(TensorType(I64, 1))
    b.add(Draw(drawn, 0, sum_, REQUEST, SEED, GREEDY))
    new = b.begin(TensorType(I32, 1))
    b.add(Reduce(new, odds, drawn, I32, I32, I64, 1, VOCABULARY, ReduceKind.PICK))
    zeros = (0, (0, 0, 0, 1), 0, (0, 0, 0, 1), 0, 1)
    b.add(Copy(output, new, I32, 1, ITERATIONS, (1, 1, 1, 1), *zeros))
    b.add(Halt(new, 0, REQUEST, LENGTH, end_tokens))
    for slot in (token, x, wide, scores, total, mixed, logits, top, odds, sum_, drawn, new):
        b.free(slot)
    return b.finish(output, ITERATIONS)


def request(*prompt: int, greedy: int = 0) -> np.ndarray:
    """Return the input bytes of a request."""
    words = [len(prompt), greedy, *range(100, 108), *prompt]
    return np.array(words + [0] * (REQUEST - len(words)), "<i4").view(np.uint8)


def tokens_of(program: Program, data: np.ndarray, iterations: int = ITERATIONS) -> list[int]:
    """Return the tokens that a run makes."""
    found: list[int] = machine.run(program, data, iterations).view("<i4").tolist()
    return found


def test_a_run_halts_at_an_end_token_and_not_inside_the_prompt() -> None:
    data = request(3, 9, 9)
    free = tokens_of(decoder((-1,)), data)
    ends = free[0], free[3]
    stop = next(p for p in (2, 3) if free[p] in ends)
    outcome = machine.complete(decoder(ends), data, ITERATIONS)
    assert outcome.halted
    # Position 0 makes an end token too, but the prompt goes on.
    expected = [*free[: stop + 1], *[0] * (ITERATIONS - stop - 1)]
    assert outcome.output.view("<i4").tolist() == expected


def test_a_shorter_run_makes_the_same_tokens_first() -> None:
    program, data = decoder((-1,)), request(1, 2)
    free = tokens_of(program, data)
    for iterations in (1, 3, 5):
        assert tokens_of(program, data, iterations)[:iterations] == free[:iterations]


def test_the_seed_matters_unless_the_run_is_greedy() -> None:
    program = decoder((-1,))
    first, second = request(7, 8, greedy=1), request(7, 8, greedy=1)
    second.view("<i4")[SEED] += 1
    assert tokens_of(program, first) == tokens_of(program, second)
    sampled = request(7, 8)
    other = sampled.copy()
    other.view("<i4")[SEED] += 1
    assert tokens_of(program, sampled) != tokens_of(program, other)


@pytest.mark.parametrize("halts", [True, False])
def test_every_step_of_a_decoder_is_proven_and_ends_in_the_final_state(halts: bool) -> None:
    data = request(3, 9, 9)
    free = tokens_of(decoder((-1,)), data)
    program = decoder((free[3] if halts else -1,))
    rng = np.random.default_rng(1)
    memory, accumulator, halted = machine.start(program, data), 0, False
    expected = initial_state(program.header, tree_of_bytes(data).root)
    steps = program.header.steps_per_iteration * ITERATIONS
    for number in range(steps):
        at = Step(number)
        proof = machine.prove(program, ITERATIONS, at, memory, accumulator, halted)
        before, after = machine.verify(program.root, ITERATIONS, at, proof)
        assert before == expected
        if number % 7 == 0 and proof.witness:
            place = int(rng.integers(len(proof.witness)))
            wrong = bytearray(proof.witness)
            wrong[place] ^= 1
            with pytest.raises(InvalidWitness):
                machine.verify(program.root, ITERATIONS, at, replace(proof, witness=bytes(wrong)))
        expected, accumulator, halted = after, after.accumulator, after.halted
    outcome = machine.complete(program, data, ITERATIONS)
    root = tree_of_bytes(outcome.output).root
    assert outcome.halted == halted == halts
    assert expected == final_state(program.header, root, steps, halts)


def test_a_halted_step_takes_no_witness_and_changes_the_step_alone() -> None:
    program, data = decoder((-1,)), request(1)
    memory = machine.start(program, data)
    proof = machine.prove(program, ITERATIONS, Step(9), memory, 0, True)
    before, after = machine.verify(program.root, ITERATIONS, Step(9), proof)
    assert before == State(Step(9), True, memory.root, 0)
    assert after == State(Step(10), True, memory.root, 0)
    with pytest.raises(InvalidWitness, match="empty witness"):
        machine.verify(program.root, ITERATIONS, Step(9), replace(proof, witness=b"x"))


def test_registration_wants_kept_slots_across_iterations() -> None:
    kind = TensorType(I32, 4)
    builder = ProgramBuilder(kind)
    output, left = builder.keep(kind), builder.begin(kind)
    with pytest.raises(InvalidProgram, match=f"slot {left} is neither empty nor kept"):
        builder.finish(output, 2)
    builder = ProgramBuilder(kind)
    with pytest.raises(InvalidProgram, match="neither empty nor kept"):
        builder.finish(builder.begin(kind), 2)
    builder = ProgramBuilder(kind)
    output = builder.keep(kind)
    builder.instructions.append(Free(output))
    with pytest.raises(InvalidProgram, match="which is kept"):
        builder.finish(output, 2)
    builder = ProgramBuilder(kind)
    builder.begin(kind, 2)
    with pytest.raises(InvalidProgram, match="occupied"):
        builder.finish(builder.keep(kind, 2), 1)


def test_a_slot_that_was_begun_and_freed_is_not_kept_later() -> None:
    """In the next iteration BEGIN would meet the kept tensor, and nobody could prove the step."""
    kind = TensorType(I32, 4)
    builder = ProgramBuilder(kind)
    output, other = builder.keep(kind), builder.begin(kind)
    builder.instructions += [Free(other), Keep(other, kind)]
    with pytest.raises(InvalidProgram, match="before all other operators"):
        builder.finish(output, 2)


def test_one_iteration_may_leave_slots_behind() -> None:
    kind = TensorType(I32, 4)
    builder = ProgramBuilder(kind)
    output = builder.keep(kind)
    builder.begin(kind)
    program = builder.finish(output)
    assert not machine.run(program, np.zeros(16, np.uint8)).any()


def test_a_copy_must_fit_in_the_last_iteration() -> None:
    builder = ProgramBuilder(TensorType(I32, 1))
    output = builder.keep(TensorType(I32, 3))
    copy = Copy(output, 0, I32, 1, 3, (1, 1, 1, 1), 0, (0, 0, 0, 1), 0, (0, 0, 0, 1), 0, 1)
    builder.add(copy)
    assert builder.finish(output, 3).header.max_iterations == 3
    builder.instructions.pop()
    with pytest.raises(InvalidProgram, match="destination index 3 is outside 3"):
        builder.finish(output, 4)
