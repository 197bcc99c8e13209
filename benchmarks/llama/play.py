"""The course of the benchmark: make both models, let the sides take turns, print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from infernet.models.sequence.seeded_decoder import LLAMA_3_8B

from ..rivals import infernet
from .gguf import write_gguf
from .sides import CONTEXT, DECODED, DISPUTED, PROMPT, TOGETHER

SEED = 1
LEAST_DECODE_RATIO, LEAST_PREFILL_RATIO = 1.35, 4.0
LEAST_OF_BANDWIDTH, MOST_HASHING, MOST_DISSECTION = 0.75, 0.01, 1.5
# 9 GB for 8 GB of weights.
MOST_MEMORY_BEYOND_WEIGHTS = 1e9


@dataclass(slots=True)
class Side:
    """A process that measures, and the best that it gave."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    best: dict[str, dict[str, Any]]

    def ask(self, task: str) -> dict[str, Any]:
        """Return what a task gives."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{task}\n")
        self.process.stdin.flush()
        return answer(self.process)

    def take_turn(self, task: str) -> None:
        """Do a task and keep the fastest of its turns."""
        found = self.ask(task)
        if task not in self.best or found["seconds"] < self.best[task]["seconds"]:
            self.best[task] = found

    def rate(self, task: str, tokens: int) -> float:
        """Return tokens a second."""
        return float(tokens / self.best[task]["seconds"])


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next object that a side prints, or raise RuntimeError if it ended."""
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with {process.wait()}")
    found: dict[str, Any] = json.loads(line)
    return found


@contextmanager
def side(name: str, source: Path, threads: int) -> Iterator[Side]:
    """Run a side until the block ends."""
    command = [sys.executable, "-m", "benchmarks.llama.sides", name, str(source), str(threads)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # A library's own threads would compete with those that are counted.
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as process:
        try:
            yield Side(process, answer(process), {})
        finally:
            process.kill()


def model_name(layers: int) -> str:
    """Return the name under which a model is stored."""
    return "llama-3-8b" if layers == LLAMA_3_8B.layers else f"llama-3-8b-{layers}l"


def stored_model(folder: Path, layers: int) -> Path:
    """Return our model's folder; it is built if it is not there."""
    name = model_name(layers)
    found = folder / "models" / name
    if not (found / "manifest.json").exists():
        options = ["--layers", str(layers), "--context", str(CONTEXT), "--seed", str(SEED)]
        infernet(["model", "build", "llama-3-8b", *options, "--name", name], folder)
    return found


def rivals_model(folder: Path, layers: int) -> Path:
    """Return llama.cpp's file; it is written if it is not there."""
    found = folder / f"{model_name(layers)}.gguf"
    if not found.exists():
        write_gguf(found.with_suffix(".part"), replace(LLAMA_3_8B, layers=layers), SEED)
        found.with_suffix(".part").rename(found)
    return found


def measure(layers: int, threads: int, rounds: int, folder: str) -> int:
    """Print the figures; return how many limits were missed."""
    with ExitStack() as stack:
        place = Path(folder or stack.enter_context(tempfile.TemporaryDirectory())).absolute()
        place.mkdir(parents=True, exist_ok=True)
        model = stored_model(place, layers)
        reader = stack.enter_context(side("reader", Path(__file__).with_name("read.c"), threads))
        ours = stack.enter_context(side("ours", model, threads))
        theirs = None
        if find_spec("llama_cpp"):
            theirs = stack.enter_context(side("theirs", rivals_model(place, layers), threads))
        sides = [one for one in (ours, theirs) if one is not None]
        for one in sides:
            # This brings the files into memory.
            one.ask("decode")
        bandwidth = 0.0
        for _ in range(rounds):
            for task in ("prefill", "decode", *(f"together {count}" for count in TOGETHER)):
                for one in sides:
                    one.take_turn(task)
                bandwidth = max(bandwidth, reader.ask("read")["bytes_a_second"])
        ours.take_turn("dispute")
        weights = (model / "constants.bin").stat().st_size
        return report(layers, threads, weights, bandwidth, ours, theirs)


def report(
    layers: int, threads: int, weights: int, bandwidth: float, ours: Side, theirs: Side | None
) -> int:
    """Print the figures; return how many limits were missed."""
    shape = replace(LLAMA_3_8B, layers=layers)
    print(f"{layers} of 32 layers, {threads} thread(s), {weights / 1e9:.2f} GB of constants")
    print(f"{'':<24} {'ours':>10} {'llama.cpp':>10}")
    for label, task, tokens in (
        (f"prefill {PROMPT}, tokens/s", "prefill", PROMPT),
        (f"decode {DECODED}, tokens/s", "decode", DECODED),
        *((f"{n} at once, tokens/s", f"together {n}", n * DECODED) for n in TOGETHER),
    ):
        beside = f"{theirs.rate(task, tokens):>10.2f}" if theirs else f"{'-':>10}"
        print(f"{label:<24} {ours.rate(task, tokens):>10.2f} {beside}")
    memories = [one.ask("memory")["memory"] for one in (ours, theirs) if one is not None]
    for label, values in (
        ("resident GB", [memory["all"] for memory in memories]),
        ("private GB", [memory["own"] for memory in memories]),
    ):
        print(f"{label:<24}" + "".join(f" {value / 1e9:>10.2f}" for value in values))
    loads = [one.ready["load_seconds"] for one in (ours, theirs) if one is not None]
    print(f"{'load seconds':<24}" + "".join(f" {seconds:>10.2f}" for seconds in loads))
    # The embedding's table is not read through.
    read = shape.weights - shape.vocabulary * shape.width
    share = ours.rate("decode", DECODED) * read / bandwidth
    decode = ours.best["decode"]
    hashing = decode["hashing_seconds"] / decode["seconds"]
    dissection = ours.best["dispute"]["dissection"] / ours.best["dispute"]["seconds"]
    checks = [
        (f"of {bandwidth / 1e9:.1f} GB/s that memory gives", share, share >= LEAST_OF_BANDWIDTH),
        ("of a run spent on hashing", hashing, hashing < MOST_HASHING),
        (
            f"runs of {DISPUTED} positions for the first dissection",
            dissection,
            dissection <= MOST_DISSECTION,
        ),
        (
            "GB beyond the weights",
            (memories[0]["all"] - weights) / 1e9,
            memories[0]["all"] - weights <= MOST_MEMORY_BEYOND_WEIGHTS,
        ),
    ]
    if theirs is None:
        print("llama.cpp left out: pip install llama-cpp-python")
    else:
        for task, tokens, least in (
            ("prefill", PROMPT, LEAST_PREFILL_RATIO),
            ("decode", DECODED, LEAST_DECODE_RATIO),
        ):
            ratio = ours.rate(task, tokens) / theirs.rate(task, tokens)
            checks.append((f"times llama.cpp's {task}, limit {least}", ratio, ratio >= least))
    for label, value, is_met in checks:
        print(f"{value:>10.3f} {label}{'' if is_met else '   MISSED'}")
    return sum(not is_met for _, _, is_met in checks)
