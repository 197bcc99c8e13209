"""Disputes about Llama-3-8B's true shapes: who wins, in how many transactions, at what gas.

    python -m benchmarks.decoder_disputes [--layers N] [--positions P] [--folder F] …

Real contracts on py-evm with the Prague rules, production k; weights are seeded. Half of the
positions are the prompt. Each kind of lie is told once, by a lying executor and a lying challenger
in turn; with `--last` in one of the last positions, for what follows a lie is computed slowly.
Before that the first dissection is timed on an engine that has not run yet, as a miner's has not
that restarts, against the execution. Prints a table; returns how many limits were missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import perf_counter

from bisection.dissection import cuts
from bisection.game import Player
from infernet.backend.engine import open_engine
from infernet.backend.hashing import hash_bytes
from infernet.backend.trace import Trace
from infernet.models.sequence.request import encode_request
from infernet.models.store import load_model, models_dir
from infernet.models.text_build import LLAMA_NAME, build_text_model
from infernet.models.text_import import TextOptions
from interpreter.program import Program, Step
from tests.e2e.disputes_arena import Arena
from tests.e2e.sequence_disputes import Court, Told, summary

KINDS = ("logit", "KV entry", "sample", "token", "stop too early")
MOST_DISSECTION_SHARE = 1.5
_CONTEXT, _SEED = 128, 7


def program_of(layers: int) -> Program:
    """Return the program of so many layers; build it where the store does not have it."""
    name = f"{LLAMA_NAME}-{layers}-layers"
    folder = models_dir() / name
    if not folder.exists():
        began = perf_counter()
        build_text_model(
            LLAMA_NAME, TextOptions(name, "", positions=_CONTEXT), seed=_SEED, layers=layers
        )
        print(f"built in {perf_counter() - began:.0f} s", flush=True)
    return load_model(folder, hash_bytes).program


def told(program: Program, positions: int, threads: int, last: int) -> tuple[Told, float]:
    """Return a run, and what the first dissection of it takes, as a share of the execution.

    `last`: so many positions at the end may be lied about.
    """
    prompt = [Random(_SEED).randrange(256, 100_000) for _ in range(positions // 2)]
    data = encode_request(prompt, program.header.max_iterations, 128_256)
    # Weights that are not in memory yet would count as execution.
    open_engine(program, threads).run(data, 1)
    began = perf_counter()
    open_engine(program, threads).run(data, positions)
    execution = perf_counter() - began
    truth = Trace(program, data, open_engine(program, threads), positions)
    ends = cuts(Step(0), Step(truth.steps), Arena().arity)[1:]
    began = perf_counter()
    truth.state_hashes(ends)
    took = perf_counter() - began
    print(
        f"{positions} positions, {len(prompt)} of them prompt, {threads} thread(s): execution "
        f"{execution:.1f} s, first dissection {took:.1f} s: {took / execution:.2f} x, limit "
        f"{MOST_DISSECTION_SHARE} x",
        flush=True,
    )
    return Told(truth, _SEED, max(0, positions - last)), took / execution


def main(arguments: Sequence[str] = ()) -> int:
    """Play and print; return how many limits were missed. A lost or costly dispute raises."""
    parser = argparse.ArgumentParser(description="disputes about a large decoder")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--positions", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--last", type=int, default=1 << 24)
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    parser.add_argument("--folder", help="where the model stays; else a temporary one")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["INFERNET_DATA_DIR"] = str(Path(options.folder or temporary))
        program = program_of(options.layers)
        arena, began = Arena(), perf_counter()
        sent = arena.register(program)
        print(
            f"registered {len(program.operators):,} operators in {len(sent)} transactions, "
            f"{sum(each.gas for each in sent):,} gas; {perf_counter() - began:.0f} s",
            flush=True,
        )
        run, share = told(program, options.positions, options.threads, options.last)
        court, began = Court(arena, run), perf_counter()
        for number, kind in enumerate(options.kinds):
            played = court.play(kind, list(Player)[number % 2])
            dispute = played.dispute
            print(
                f"  {kind}: a lying {dispute.honest.opponent.value} lost at step "
                f"{played.disputed:,} after {len(dispute.sent)} transactions, {dispute.gas:,} gas; "
                f"{perf_counter() - began:.0f} s so far",
                flush=True,
            )
        print(summary(f"{LLAMA_NAME}, {options.layers} layers", run, court.played))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"peak resident memory {most:,} MiB, of which the mapped weights are a part")
    return int(share > MOST_DISSECTION_SHARE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
