"""Runs that share waves give the bits that each gives alone, whoever joins, halts or fails."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.runs import SharedRun
from infernet.backend.adapters import load_adapter, runner
from infernet.backend.engine import ReferenceEngine
from infernet.backend.sequence import engine as sequence_engine
from infernet.backend.sequence.engine import SequenceEngine
from infernet.backend.sequence.joint import Joint
from infernet.backend.sequence.waves import Lane, Waves
from infernet.backend.trace import Trace
from infernet.models.sequence.decoder import DecoderShape
from infernet.models.sequence.request import encode_request
from infernet.models.sequence.seeded_decoder import LLAMA_3_8B
from interpreter.program import Program
from tests.exposure import require_same_inside
from tests.halting import HALTS, ITERATIONS, halting_input, halting_program
from tests.runs import random_request, random_run_program
from tests.unit.backend.test_sequence_engine import POSITIONS, keys_program
from tests.unit.backend.test_sequence_engine_models import (
    FINE,
    needs_data,
    program_of,
    prompt_of,
    story_program,
)

native = pytest.importorskip(
    "infernet.backend.native._machine", reason="the package was installed without a C compiler"
)
T = TypeVar("T")
SEEDS = st.integers(0, 2**32 - 1)
LONGEST_SECONDS = 300
ENDS = tuple(range(0, 80, 9))


@dataclass(frozen=True)
class Request:
    """What to run, and before which wave it may join."""

    data: np.ndarray
    iterations: int
    joins_at: int = 0


def alone(program: Program, requests: Sequence[Request]) -> list[Lane]:
    """Run each request in waves of its own."""
    waves, found = Waves(program), []
    for request in requests:
        found.append(waves.start(request.data, request.iterations))
        while not found[-1].is_done:
            waves.advance(found[-1:], 1)
    return found


def together(program: Program, requests: Sequence[Request], threads: int = 1) -> list[Lane]:
    """Run all requests, each from its wave on, in waves that they share."""
    waves, wave = Waves(program), 0
    lanes = [waves.start(request.data, request.iterations) for request in requests]
    while not all(lane.is_done for lane in lanes):
        both = zip(lanes, requests, strict=True)
        ready = [lane for lane, each in both if each.joins_at <= wave and not lane.is_done]
        if ready:
            waves.advance(ready, threads)
        wave += 1
    return lanes


def require_same(found: Sequence[Lane], expected: Sequence[Lane]) -> None:
    """Compare what runs came to, and all that they kept."""
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert one.progress[:2] == other.progress[:2], number
        assert np.array_equal(one.progress.output, other.progress.output), number
        assert np.array_equal(one.kept, other.kept), number


@cache
def decoder(end_tokens: tuple[int, ...] = ()) -> Program:
    """Return a small decoder."""
    return program_of(end_tokens=end_tokens)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make calls in threads of their own that begin together; a hang fails."""
    barrier = threading.Barrier(len(calls))

    def begin(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(begin, call) for call in calls]
        return [future.result(LONGEST_SECONDS) for future in futures]


def decoder_requests(
    count: int, seed: int, context: int = 32, vocabulary: int = 80
) -> list[Request]:
    """Draw requests of all lengths, greedy ones and others."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        length = int(rng.integers(1, context + 1))
        choices = {}
        if rng.random() < 0.6:
            choices = {"temperature": float(rng.uniform(0.2, 3)), "seed": rng.bytes(32)}
        prompt = prompt_of(length, vocabulary)
        data = encode_request(prompt, context, vocabulary, **choices)
        iterations = int(rng.integers(1, context + 1))
        found.append(Request(data, iterations, int(rng.integers(0, context))))
    return found


# What is computed


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, threads=st.sampled_from([1, 2]))
def test_any_runs_of_any_program(seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_run_program(rng)
    most = program.header.max_iterations
    requests = [
        Request(random_request(rng), int(rng.integers(1, most + 1)), int(rng.integers(0, 6)))
        for _ in range(int(rng.integers(1, 9)))
    ]
    require_same(together(program, requests, threads), alone(program, requests))


@pytest.mark.parametrize("ends", [(), ENDS])
def test_requests_to_a_decoder(ends: tuple[int, ...], level: str) -> None:
    program, halted = decoder(ends), 0
    for seed, count in enumerate((8, 1, 5)):
        requests = decoder_requests(count, seed)
        expected = alone(program, requests)
        halted += sum(lane.progress.halt is not None for lane in expected)
        for threads in (1, 2):
            require_same(together(program, requests, threads), expected)
    assert bool(halted) == bool(ends)


def test_requests_to_a_decoder_against_the_reference() -> None:
    program = decoder(ENDS)
    requests = decoder_requests(3, 11)
    engine, reference = SequenceEngine(program), ReferenceEngine(program)
    for lane, request in zip(together(program, requests), requests, strict=True):
        expected = reference.run(request.data, request.iterations)
        assert np.array_equal(lane.progress.output, expected.output)
        assert (lane.progress.halt is not None) == expected.halted
    require_same_inside(engine, requests[0].data, requests[0].iterations, [0])


def test_each_run_halts_by_itself_and_keeps_what_it_kept_then(level: str) -> None:
    # What this program copies between its HALTs would show whether a run went on.
    program = halting_program()
    places = [(i, halt) for i in range(ITERATIONS) for halt in range(HALTS)]
    inputs = [halting_input(*place) for place in places] + [halting_input(None)]
    requests = [Request(data, ITERATIONS, number % 3) for number, data in enumerate(inputs)]
    found = together(program, requests)
    require_same(found, alone(program, requests))
    assert [lane.progress.positions for lane in found] == [i + 1 for i, _ in places] + [ITERATIONS]
    assert len({lane.progress.halt for lane in found}) == HALTS + 1


def test_positions_that_cannot_share_a_wave_share_it_with_other_runs() -> None:
    program = keys_program(reads_before=True)
    rng = np.random.default_rng(4)
    size = program.header.input_type.byte_count
    requests = [
        Request(rng.integers(0, 256, size, np.uint8), 1 + number % POSITIONS, number % 3)
        for number in range(8)
    ]
    require_same(together(program, requests), alone(program, requests))


def test_a_wave_gives_each_run_a_position_and_the_first_ones_more() -> None:
    waves = Waves(decoder())
    waves.most_positions = 16
    prompts = (1, 9, 32, 20)
    lanes = [waves.start(encode_request(prompt_of(n), 32, 80), 32) for n in prompts]
    waves.advance(lanes, 1)
    assert [lane.progress.positions for lane in lanes] == [1, 9, 5, 1]
    waves.advance(lanes, 1)
    assert [lane.progress.positions for lane in lanes] == [2, 10, 18, 2]


def test_lanes_that_do_not_fit_the_positions_are_refused() -> None:
    waves = Waves(decoder())
    lane = waves.start(encode_request(prompt_of(3), 32, 80), 32)
    layout, positions = waves.layout(2), np.arange(2)
    arena = np.zeros(layout.arena_bytes, np.uint8)
    for counts in ([1], [3], [-1], [2**62]):
        with pytest.raises(ValueError, match="other positions"):
            waves.run(layout, arena, positions, [lane], counts, 1)
    with pytest.raises(ValueError, match="other positions"):
        waves.run(layout, arena, positions, [lane, lane], [3, -1], 1)


@needs_data
def test_requests_to_stories() -> None:
    program = story_program(**FINE)
    requests = [
        Request(each.data, 40 + each.iterations % 40, each.joins_at % 20)
        for each in decoder_requests(6, 3, 512, 512)
    ]
    require_same(together(program, requests, 2), alone(program, requests))


@pytest.mark.slow
def test_requests_to_llama_shapes() -> None:
    sizes = (LLAMA_3_8B.width, LLAMA_3_8B.hidden, 2, LLAMA_3_8B.heads, LLAMA_3_8B.kv_heads)
    program = program_of(DecoderShape(*sizes, 2048, 64, LLAMA_3_8B.theta))
    requests = decoder_requests(8, 1, 64, 2048)
    expected = alone(program, requests)
    for threads in (1, 2):
        require_same(together(program, requests, threads), expected)
    engine = SequenceEngine(program)
    assert engine.lanes > 1
    calls = [partial(engine.run, each.data, each.iterations) for each in requests]
    for outcome, lane in zip(at_once(calls), expected, strict=True):
        assert np.array_equal(outcome.output, lane.progress.output)


# Threads that share an engine


@dataclass(slots=True)
class Watched(Waves):
    """Waves that note who is in them, and may be held up or fail."""

    before: Callable[[Sequence[Lane]], None] = lambda lanes: None
    seen: list[tuple[Lane, ...]] = field(default_factory=list)

    def advance(self, lanes: Sequence[Lane], threads: int) -> None:
        self.seen.append(tuple(lanes))
        self.before(lanes)
        Waves.advance(self, lanes, threads)


@pytest.mark.parametrize(("threads", "lanes"), [(1, 2), (2, 3), (1, 8)])
def test_threads_that_share_an_engine(threads: int, lanes: int) -> None:
    program = decoder(ENDS)
    engine = SequenceEngine(program, threads, lanes)
    requests = decoder_requests(8, 5)
    expected = [lane.progress.output.tobytes() for lane in alone(program, requests)]

    def several(first: int) -> list[bytes]:
        turn = [*requests[first:], *requests[:first]]
        outputs = [engine.run(each.data, each.iterations).output.tobytes() for each in turn]
        return outputs[-first:] + outputs[:-first] if first else outputs

    found = at_once([lambda first=first: several(first) for first in range(8)])
    assert all(outputs == expected for outputs in found)
    for request in requests[:2]:
        wanted = sorted({0, request.iterations - 1})
        require_same_inside(engine, request.data, request.iterations, wanted)


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once a condition holds; fail if it never does."""
    until = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_runs_join_before_any_wave_in_turn_and_never_too_many() -> None:
    program, requests = (
        decoder(),
        [Request(encode_request(prompt_of(4), 32, 80), iterations) for iterations in (9, 7, 12, 5)],
    )
    waves = Watched(program)
    joint = Joint(waves, 3, 1, 1)
    lanes = [waves.start(request.data, request.iterations) for request in requests]

    def hold(running: Sequence[Lane]) -> None:
        # The second wave starts when all others wait for it.
        if len(waves.seen) == 1:
            for count, lane in enumerate(lanes[1:], 1):
                others.append(threading.Thread(target=joint.complete, args=(lane,)))
                others[-1].start()
                wait_for(lambda count=count: len(joint._waiting) == count)

    others: list[threading.Thread] = []
    waves.before = hold
    joint.complete(lanes[0])
    for other in others:
        other.join(LONGEST_SECONDS)
    require_same(lanes, alone(program, requests))
    first, second, third, fourth = lanes
    assert waves.seen[0] == (first,)
    assert waves.seen[1] == (first, second, third)
    assert max(map(len, waves.seen)) == 3
    # Whoever waits joins as soon as another run is done, be its caller the leader or not.
    joined = waves.seen.index((first, third, fourth))
    assert all(second in each for each in waves.seen[1:joined])
    assert not joint._running and not joint._waiting and joint._leader is None


class Unlucky(Exception):
    """Raised in place of a wave."""


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("make", [decoder, partial(keys_program, reads_before=True)])
def test_what_a_leader_raises_is_its_own(make: Callable[[], Program], is_after: bool) -> None:
    program, rng = make(), np.random.default_rng(6)
    size = program.header.input_type.byte_count
    requests = [
        Request(encode_request(prompt_of(3 + n), 32, 80), 20)
        if size > 100
        else Request(rng.integers(0, 256, size, np.uint8), POSITIONS)
        for n in range(6)
    ]
    expected = alone(program, requests)

    class Failing(Watched):
        def advance(self, lanes: Sequence[Lane], threads: int) -> None:
            self.seen.append(tuple(lanes))
            fails = len(self.seen) in (2, 4, 5)
            if fails and not is_after:
                raise Unlucky
            Waves.advance(self, lanes, threads)
            if fails:
                raise Unlucky

    waves = Failing(program)
    joint = Joint(waves, 4, 1, 1)
    lanes = [waves.start(request.data, request.iterations) for request in requests]

    def complete(lane: Lane) -> bool:
        try:
            joint.complete(lane)
        except Unlucky:
            return False
        return True

    done = at_once([lambda lane=lane: complete(lane) for lane in lanes])
    assert done.count(False) == 3
    survivors = [number for number, is_done in enumerate(done) if is_done]
    require_same([lanes[i] for i in survivors], [expected[i] for i in survivors])
    assert not joint._running and not joint._waiting and joint._leader is None


def test_a_wave_that_is_broken_off_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # TOKEN of an empty prompt reads what the first position itself keeps.
    plain, others = decoder(), keys_program(reads_before=True)
    empty = encode_request(prompt_of(1), 32, 80).copy()
    empty.view("<i4")[0] = 0
    rng = np.random.default_rng(7)
    size = others.header.input_type.byte_count
    for program, requests in (
        (plain, [Request(empty, 12), *decoder_requests(3, 8)]),
        (others, [Request(rng.integers(0, 256, size, np.uint8), POSITIONS) for _ in range(3)]),
    ):
        expected = alone(program, requests)
        for unlucky in range(5):
            waves, calls, settle = Waves(program), 0, Waves._settle
            lanes = [waves.start(each.data, each.iterations) for each in requests]

            def breaks_off(
                self: Waves, *args: object, unlucky: int = unlucky, settle: Callable = settle
            ) -> None:
                nonlocal calls
                calls += 1
                # What a wave computed is lost where the exception comes before it is noted.
                if calls == unlucky + 1:
                    raise Unlucky
                settle(self, *args)

            with monkeypatch.context() as patch:
                patch.setattr(Waves, "_settle", breaks_off)
                while not all(lane.is_done for lane in lanes):
                    try:
                        waves.advance([lane for lane in lanes if not lane.is_done], 1)
                    except Unlucky:
                        continue
            assert calls > unlucky
            require_same(lanes, expected)


# Nothing catches an exception that strikes where a thread ends.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_exceptions_from_other_threads_stop_nobody_else() -> None:
    program = decoder()
    requests = decoder_requests(6, 9)
    expected = [lane.progress.output.tobytes() for lane in alone(program, requests)]
    engine = SequenceEngine(program, 1, 4)
    victims: list[int] = []
    over = threading.Event()

    def steady(request: Request) -> list[bytes]:
        return [engine.run(request.data, request.iterations).output.tobytes() for _ in range(15)]

    def struck(request: Request) -> None:
        victims.append(threading.get_ident())
        while not over.is_set():
            # The exception may also come between two runs.
            with suppress(Unlucky):
                while not over.is_set():
                    with suppress(Unlucky):
                        engine.run(request.data, request.iterations)

    strike = ctypes.pythonapi.PyThreadState_SetAsyncExc
    # No threads of a pool: an exception in the pool's own code would leave its others waiting.
    hit = [threading.Thread(target=struck, args=(each,), daemon=True) for each in requests[:2]]
    for thread in hit:
        thread.start()
    with ThreadPoolExecutor(4) as pool:
        safe = [pool.submit(steady, request) for request in requests[2:]]
        wait_for(lambda: len(victims) == 2)
        while not all(future.done() for future in safe):
            for victim in victims:
                strike(ctypes.c_ulong(victim), ctypes.py_object(Unlucky))
            time.sleep(0.002)
        over.set()
        found = [future.result(LONGEST_SECONDS) for future in safe]
    for thread in hit:
        thread.join(LONGEST_SECONDS)
        assert not thread.is_alive()
    assert found == [[output] * 15 for output in expected[2:]]


# When runs share


def test_only_runs_that_read_much_share_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    program = decoder()
    assert SequenceEngine(program).lanes == 1
    monkeypatch.setattr(sequence_engine, "_LEAST_SHARED_BYTES", len(program.constants))
    assert SequenceEngine(program).lanes == 16
    monkeypatch.setattr(sequence_engine, "_MOST_KEPT_BYTES", 3 * Waves(program).plan.kept_bytes)
    assert SequenceEngine(program).lanes == 3
    monkeypatch.setattr(sequence_engine, "_MOST_KEPT_BYTES", 1)
    assert SequenceEngine(program).lanes == 1


def test_a_miners_tasks_at_the_same_time_share_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    program = decoder()
    requests = [Request(encode_request(prompt_of(n), 32, 80), 20) for n in range(1, 5)]
    expected = [lane.progress.output.tobytes() for lane in alone(program, requests)]
    monkeypatch.setattr(sequence_engine, "_LEAST_SHARED_BYTES", 1)
    start_run = runner(load_adapter("onnxruntime"), program)
    runs = [SharedRun(start_run(each.data.tobytes(), each.iterations), 1) for each in requests]
    advance, seen = Waves.advance, []

    def watch(self: Waves, lanes: Sequence[Lane], threads: int) -> None:
        if not seen:
            # Let the others come while the first wave runs.
            wait_for(lambda: len(joint_of(runs[0])._waiting) == 3)
        seen.append((len(lanes), threads))
        advance(self, lanes, threads)

    monkeypatch.setattr(Waves, "advance", watch)
    assert at_once([lambda run=run: run.output for run in runs]) == expected
    assert seen[0] == (1, 1)
    # Each brings the thread that its own inference would have.
    assert seen[1] == (4, min(4, os.cpu_count() or 1))


def joint_of(run: SharedRun) -> Joint:
    """Return where a miner's run meets others."""
    assert isinstance(run.run, Trace) and isinstance(run.run.engine, SequenceEngine)
    return run.run.engine._joint
