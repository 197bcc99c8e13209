"""The scene of a demonstration: a model, the inputs of both tasks, and the lie about one."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer

from infernet.backend.engine import open_engine
from infernet.backend.hashing import hash_bytes
from infernet.backend.trace import Trace
from infernet.chain.deploy import PRODUCTION
from infernet.chain.market import MAX_INPUT_BYTES
from infernet.models.errors import InvalidInput
from infernet.models.images import PICTURES, read_input
from infernet.models.manifest import Manifest, output_numbers
from infernet.models.pipeline import Model
from infernet.models.store import load_manifest, load_model, shipped_dir

from .demo_lie import Lie, plan_lie


@dataclass(frozen=True, slots=True)
class Scene:
    """What a demonstration is about, as its narrator knows it.

    `sources`, `inputs`: files and bytes of the honest and of the disputed task; `truth`: the run
    that the lie is about.
    """

    name: str
    model: Model
    sources: tuple[Path, Path]
    inputs: tuple[bytes, bytes]
    truth: Trace
    lie: Lie


def prepare(name: str, path: Path | None, lie_at: str, rng: random.Random) -> Scene:
    """Return the scene for the given options, or raise what is wrong with them."""
    model = load_model(name, hash_bytes)
    sources = choose_inputs(name, model, path)
    first, second = (read_input(model, source).tobytes() for source in sources)
    at = parse_step(lie_at, model.program.header.steps_per_iteration)
    truth = Trace(model.program, second, open_engine(model.program))
    lie = plan_lie(truth, at, rng, PRODUCTION.game.arity)
    return Scene(name, model, sources, (first, second), truth, lie)


def choose_inputs(name: str, model: Model, path: Path | None) -> tuple[Path, Path]:
    """Return the input files of both tasks: the given one twice, or two shipped samples."""
    size = model.program.header.input_type.byte_count
    if size > MAX_INPUT_BYTES:
        raise InvalidInput(
            f"model '{name}' takes {size} bytes; an input carried to the chain has at most "
            f"{MAX_INPUT_BYTES}"
        )
    if path is not None:
        return path, path
    folder = shipped_dir() / name
    found = sorted(p for p in folder.rglob("*") if p.suffix in PICTURES) if folder.is_dir() else []
    # A user's model may hide a shipped one of the same name, whose samples are not its own.
    if not found or load_manifest(folder).program_root != model.manifest.program_root:
        raise InvalidInput(f"model '{name}' ships no sample; name a picture or array with --input")
    return found[0], found[-1]


def parse_step(text: str, steps: int) -> int | None:
    """Return the step in an option, None for 'random'; raise BadParameter otherwise."""
    if text == "random":
        return None
    if not text.isdecimal() or int(text) >= steps:
        raise typer.BadParameter(
            f"'{text}' is not a step of this model; give 'random' or 0 to {steps - 1}",
            param_hint="--lie-at",
        )
    return int(text)


def name_answer(manifest: Manifest, output: bytes) -> str:
    """Return the class with the highest score: its label, or its number."""
    best = int(np.argmax(output_numbers(manifest, np.frombuffer(output, np.uint8))))
    return manifest.labels[best] if best < len(manifest.labels) else str(best)


def compare_answers(scene: Scene) -> str:
    """Return the liar's answer beside the true one."""
    manifest, truth = scene.model.manifest, scene.truth
    claimed = name_answer(manifest, scene.lie.told_on(truth).output)
    true = name_answer(manifest, truth.output)
    return f"{claimed} (true: {true}{', with other scores' if claimed == true else ''})"
