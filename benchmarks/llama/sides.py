"""What is measured, each in a process of its own: `python -m benchmarks.llama.sides SIDE ...`.

A side prints one JSON object when it is ready, then one for each task that it reads, a line each:
`prefill` is a prompt of PROMPT tokens, `decode` DECODED tokens one by one, `together N` the same
by N requests at once, of another first token each, `dispute` a run of
DISPUTED positions, half of them prompt, and the first dissection of it, `memory` what is resident.
All begin with an empty context and print their seconds: of the processor with one thread, since
neighbours hardly disturb those, else of the clock.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from infernet.models.sequence.seeded_decoder import LLAMA_3_8B

PROMPT, DECODED, DISPUTED = 128, 16, 64
# Requests at once.
TOGETHER = (1, 2, 4, 8, 16)
# What deployments take.
ARITY = 28
CONTEXT = 512
# Far more than any cache holds.
_READ_BYTES = 1 << 29
_PROMPT_TOKENS = [1 + 37 * i for i in range(PROMPT)]

_silent: object = None

Task = Callable[[], dict[str, Any]]


def resident_bytes() -> dict[str, int]:
    """Return this process's memory: `all`, and `own`, which is no mapped file's."""
    found = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    kilobytes = {name: int(found[name].split()[0]) for name in ("VmRSS", "RssAnon")}
    return {"all": kilobytes["VmRSS"] << 10, "own": kilobytes["RssAnon"] << 10}


@dataclass(frozen=True, slots=True)
class Watch:
    """What counts the seconds of a number of threads."""

    threads: int

    def time(self, work: Callable[[], object]) -> float:
        """Return the seconds that some work takes."""
        now = time.process_time if self.threads == 1 else time.perf_counter
        began = now()
        work()
        return now() - began


def ours(folder: str, threads: int) -> dict[str, Task]:
    """Serve the stored model in `folder` by the engine that a miner uses."""
    from bisection.dissection import cuts
    from infernet.backend.hashing import hash_bytes
    from infernet.backend.sequence.engine import SequenceEngine
    from infernet.backend.trace import Trace
    from infernet.models.sequence.request import encode_request
    from infernet.models.store import load_model
    from interpreter.program import Step

    model = load_model(folder, hash_bytes)
    program = model.program
    # Requests at once get no more threads than one.
    engine = SequenceEngine(program, threads, most_threads=threads)
    text = model.manifest.text
    assert text is not None
    watch = Watch(threads)

    def run(prompt: list[int], iterations: int) -> dict[str, Any]:
        data = encode_request(prompt, text.positions, text.vocabulary)
        trace = Trace(program, data, engine, iterations)
        seconds = watch.time(lambda: trace.outcome)
        if trace.halted:
            raise RuntimeError("the run halted, so its time is not that of all its tokens")
        hashing = watch.time(lambda: trace.final.hash)
        return {"seconds": seconds, "hashing_seconds": hashing}

    def together(count: int) -> dict[str, Any]:
        requests = [
            encode_request([token], text.positions, text.vocabulary)
            for token in _PROMPT_TOKENS[:count]
        ]

        def work() -> None:
            with ThreadPoolExecutor(count) as pool:
                for outcome in pool.map(lambda data: engine.run(data, DECODED), requests):
                    if outcome.halted:
                        raise RuntimeError(
                            "a run halted, so its time is not that of all its tokens"
                        )

        return {"seconds": watch.time(work)}

    def dispute() -> dict[str, Any]:
        data = encode_request(_PROMPT_TOKENS[: DISPUTED // 2], text.positions, text.vocabulary)
        trace = Trace(program, data, engine, DISPUTED)
        seconds = watch.time(lambda: trace.outcome)
        steps = cuts(Step(0), Step(trace.steps), ARITY)
        return {"seconds": seconds, "dissection": watch.time(lambda: trace.state_hashes(steps))}

    return {
        "prefill": lambda: run(_PROMPT_TOKENS, PROMPT),
        "decode": lambda: run(_PROMPT_TOKENS[:1], DECODED),
        "dispute": dispute,
        **{f"together {count}": partial(together, count) for count in TOGETHER},
    }


def theirs(path: str, threads: int) -> dict[str, Task]:
    """Serve a GGUF file by llama.cpp, with its defaults but for the threads."""
    import llama_cpp

    # It has to live as long as the library may call it.
    global _silent
    _silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    model_params = llama_cpp.llama_model_default_params()
    llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(path.encode(), model_params)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = CONTEXT
    params.n_threads = params.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, params) if model else None
    if not context:
        raise RuntimeError(f"llama.cpp cannot load {path}")

    watch = Watch(threads)
    is_whole = llama_cpp.llama_model_n_layer(model) == LLAMA_3_8B.layers

    def step(context: object, tokens: list[int], places: list[tuple[int, int]]) -> None:
        """Decode tokens, each at a position of a sequence."""
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, (token, (position, sequence)) in enumerate(zip(tokens, places, strict=True)):
            batch.token[i], batch.pos[i] = token, position
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
            # The last layer would do without most rows, an eighth of the work of a few layers.
            is_last = i == len(tokens) - 1 or sequence != places[i + 1][1]
            batch.logits[i] = not is_whole or is_last
        if llama_cpp.llama_decode(context, batch):
            raise RuntimeError("llama.cpp cannot decode")
        llama_cpp.llama_get_logits(context)
        llama_cpp.llama_batch_free(batch)

    def run(batches: list[list[int]], context: object = context, sequences: int = 1) -> Any:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)

        def work() -> None:
            position = 0
            for tokens in batches:
                each = len(tokens) // sequences
                places = [(position + i % each, i // each) for i in range(len(tokens))]
                step(context, tokens, places)
                position += each

        return {"seconds": watch.time(work)}

    def together(count: int) -> dict[str, Any]:
        # A context of its own: the other tasks' has room for one sequence.
        params.n_seq_max, params.n_ctx = count, CONTEXT * count
        own = llama_cpp.llama_init_from_model(model, params)
        if not own:
            raise RuntimeError(f"llama.cpp has no room for {count} sequences")
        batches = [[token + i for i in range(count)] for token in _PROMPT_TOKENS[:DECODED]]
        run(batches[:1], own, count)
        found = run(batches, own, count)
        llama_cpp.llama_free(own)
        return found

    return {
        "prefill": lambda: run([_PROMPT_TOKENS]),
        "decode": lambda: run([[token] for token in _PROMPT_TOKENS[:DECODED]]),
        **{f"together {count}": partial(together, count) for count in TOGETHER},
    }


def reader(source: str, threads: int) -> dict[str, Task]:
    """Serve `read`: bytes a second that all threads read from memory together."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder, "read.so")
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run(["cc", *flags, source, "-o", str(built)], check=True)
        library = ctypes.CDLL(str(built))
    library.read_words.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    library.read_words.restype = ctypes.c_uint64
    words = np.ones(_READ_BYTES // 8, np.uint64)
    parts = np.split(words, threads)
    pool, watch = ThreadPoolExecutor(threads), Watch(threads)

    def read(streams: int) -> float:
        def one(part: Any) -> int:
            return int(library.read_words(part.ctypes.data, len(part), streams))

        return _READ_BYTES / watch.time(lambda: list(pool.map(one, parts)))

    return {"read": lambda: {"bytes_a_second": max(read(1), read(8))}}


SIDES = {"ours": ours, "theirs": theirs, "reader": reader}


def main(side: str, source: str, threads: str) -> None:
    """Load, then do what standard input asks for."""
    began = time.perf_counter()
    tasks = SIDES[side](source, int(threads))
    ready = {"load_seconds": time.perf_counter() - began, "memory": resident_bytes()}
    print(json.dumps(ready), flush=True)
    tasks["memory"] = lambda: {"memory": resident_bytes()}
    for line in sys.stdin:
        print(json.dumps(tasks[line.strip()]()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
