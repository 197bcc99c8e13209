"""What is measured, each in a process of its own: `python -m benchmarks.llama.sides SIDE ...`.

A side prints one JSON object when it is ready, then one for each task that it reads, a line each:
`prefill` is a prompt of PROMPT tokens, `decode` DECODED tokens one by one, `dispute` a run of
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
from pathlib import Path
from typing import Any

import numpy as np

from infernet.models.sequence.seeded_decoder import LLAMA_3_8B

PROMPT, DECODED, DISPUTED = 128, 16, 64
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
    from infernet.backend.engine import open_engine
    from infernet.backend.hashing import hash_bytes
    from infernet.backend.trace import Trace
    from infernet.models.sequence.request import encode_request
    from infernet.models.store import load_model
    from interpreter.program import Step

    model = load_model(folder, hash_bytes)
    program = model.program
    engine = open_engine(program, threads)
    if engine.reasons:
        raise RuntimeError(f"no fast engine runs: {'; '.join(engine.reasons)}")
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

    def step(tokens: list[int], position: int) -> None:
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i] = token, position + i
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            # The last layer would do without most rows, an eighth of the work of a few layers.
            batch.logits[i] = not is_whole or i == len(tokens) - 1
        if llama_cpp.llama_decode(context, batch):
            raise RuntimeError("llama.cpp cannot decode")
        llama_cpp.llama_get_logits(context)
        llama_cpp.llama_batch_free(batch)

    def run(batches: list[list[int]]) -> dict[str, Any]:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)

        def work() -> None:
            position = 0
            for tokens in batches:
                step(tokens, position)
                position += len(tokens)

        return {"seconds": watch.time(work)}

    return {
        "prefill": lambda: run([_PROMPT_TOKENS]),
        "decode": lambda: run([[token] for token in _PROMPT_TOKENS[:DECODED]]),
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
