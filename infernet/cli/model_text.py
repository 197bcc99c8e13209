"""`infernet model generate`, `embed` and `classify`: a model of text on this machine, off chain."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from infernet.backend.engine import Engine, open_engine
from infernet.backend.hashing import hash_bytes
from infernet.models.errors import InvalidOption
from infernet.models.manifest import Manifest, Task
from infernet.models.store import load_model
from infernet.models.text import Codec, Sampling, request_seed

from .model_show import AsJson, ModelName, err, out

Given = Annotated[str, typer.Argument(help="The text.")]
Threads = Annotated[int | None, typer.Option(help="Default: as there are processors.", min=1)]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A model that is loaded, with what turns text into its inputs."""

    manifest: Manifest
    codec: Codec
    engine: Engine


def generate(
    model: ModelName,
    text: Given,
    max_tokens: Annotated[int | None, typer.Option(help="Default: as many as fit.", min=1)] = None,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token.", min=0)] = 0.0,
    seed: Annotated[int, typer.Option(help="Gives the same text again.")] = 0,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Continue a text with a model of this machine; the same bits as every checker's."""
    ready = _open(model, "generate", threads)
    sampling = Sampling(max_tokens, temperature, request_seed(seed))
    request = ready.codec.encode_request(text, sampling)
    started = perf_counter()
    outcome = ready.engine.run(request.data, request.iterations)
    seconds = perf_counter() - started
    made = ready.codec.decode_output(
        outcome.output, len(request.prompt), request.iterations, halted=outcome.halted
    )
    if as_json:
        facts = {"text": made.text, "tokens": made.tokens, "finish_reason": made.finish_reason}
        counts = {"prompt_tokens": len(request.prompt), "seconds": round(seconds, 3)}
        typer.echo(json.dumps({**facts, **counts, "engine": ready.engine.name}))
        return
    typer.echo(f"{text}{made.text}" if text else made.text.lstrip(" "))
    err.print(
        f"{len(made.tokens)} tokens after {len(request.prompt)} in {seconds:.1f} s "
        f"({made.finish_reason}); {ready.engine.name}"
    )


def embed(model: ModelName, text: Given, threads: Threads = None, as_json: AsJson = False) -> None:
    """Print a text's vector."""
    numbers = _numbers(_open(model, "embed", threads), text)
    if as_json:
        typer.echo(json.dumps({"embedding": numbers}))
        return
    typer.echo(" ".join(f"{number:.6f}" for number in numbers))


def classify(
    model: ModelName, text: Given, threads: Threads = None, as_json: AsJson = False
) -> None:
    """Print a text's classes, the likeliest first."""
    ready = _open(model, "classify", threads)
    logits = np.array(_numbers(ready, text))
    odds = np.exp(logits - logits.max())
    odds /= odds.sum()
    labels = ready.manifest.labels or tuple(f"class {i}" for i in range(len(logits)))
    order = np.argsort(-logits, kind="stable").tolist()
    if as_json:
        found = [{"label": labels[i], "logit": logits[i], "share": odds[i]} for i in order]
        typer.echo(json.dumps({"classes": found}))
        return
    table = Table("class", "logit", "share")
    for i in order:
        table.add_row(labels[i], f"{logits[i]:.4f}", f"{odds[i]:.1%}")
    out.print(table)


def _open(name: str, task: Task, threads: int | None) -> _Ready:
    found = load_model(name, hash_bytes)
    kind = found.manifest.text.task if found.manifest.text else None
    if kind != task:
        fit = f"infernet model {kind}" if kind else "an array or a picture"
        raise InvalidOption(f"the model '{name}' does not {task}; use it with {fit}")
    engine = open_engine(found.program, threads or os.cpu_count() or 1)
    for reason in engine.reasons:
        err.print(f"note: the reference runs, slowly: {reason}")
    return _Ready(found.manifest, Codec.of(name), engine)


def _numbers(ready: _Ready, text: str) -> Sequence[float]:
    outcome = ready.engine.run(ready.codec.encode_request(text).data, 1)
    numbers: list[float] = ready.codec.numbers(outcome.output).tolist()
    return numbers
