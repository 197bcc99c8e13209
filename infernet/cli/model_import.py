"""`infernet model import` and `build`: sources and seeds to stored programs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import typer

from infernet.backend.hashing import hash_bytes
from infernet.models import build, store
from infernet.models.errors import InvalidCalibration, InvalidOption
from infernet.models.inputs import read_inputs
from infernet.models.manifest import Coding, Pixels
from infernet.models.pipeline import Model, Notice, Options, import_source
from infernet.models.source import Source, read_model, read_onnx
from infernet.models.text_build import TEXT_TOPOLOGIES, build_text_model
from infernet.models.text_import import TextOptions
from infernet.models.text_sources import DECODERS, Kind, import_sequences, kind_of
from infernet.models.text_tokenizers import read_parts
from interpreter.tensors import DType

from .model_show import (
    AsJson,
    Name,
    Positions,
    Replace,
    TokenizerPath,
    err,
    layer_bar,
    progress,
    show_saved,
)

Mean = Annotated[str, typer.Option(help="Pixel mean (0 to 255), one number or one per channel.")]
Deviation = Annotated[str, typer.Option(help="Pixel divisor, one number or one per channel.")]
Invert = Annotated[bool, typer.Option("--invert", help="Use 255 minus the pixel.")]

_CALIBRATION_IMAGES = 8


class Width(Enum):
    """Integers of a decoder's tensors."""

    I8 = "i8"
    I16 = "i16"

    @property
    def dtype(self) -> DType:
        """Return the machine's type."""
        return DType[self.name]


WeightBytes = Annotated[
    int | None, typer.Option(help="Of a decoder: 1, or 2 where 1 loses too much.", min=1, max=2)
]
Activation = Annotated[Width | None, typer.Option(help="Of a decoder: what meets the weights.")]
Cache = Annotated[Width | None, typer.Option(help="Of a decoder: kept keys and values.")]
# Options by their names, each falsy where it was not given.
Given = dict[str, object]


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="An ONNX file, a folder of safetensors (BERT or Llama), a llama2.c .bin, or an "
            ".npz of BERT's arrays."
        ),
    ],
    name: Name = "",
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Pictures or an .npz; of a model of text, a text file, a sentence a line."
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Class names, one a line.")] = None,
    tokenizer: TokenizerPath = None,
    positions: Positions = None,
    weight_bytes: WeightBytes = None,
    activation: Activation = None,
    cache: Cache = None,
    mean: Mean = "",
    deviation: Deviation = "",
    invert: Invert = False,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Refuse rather than change integer weights.")
    ] = False,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Import a model as a program that anyone can check."""
    started = perf_counter()
    chosen = store.check_name(name or _name_of(file))
    kind = kind_of(file)
    of_pictures: Given = {
        "--mean": mean,
        "--deviation": deviation,
        "--invert": invert,
        "--keep-weights": keep_weights,
    }
    of_text: Given = {"--tokenizer": tokenizer, "--positions": positions}
    of_decoders: Given = {
        "--weight-bytes": weight_bytes,
        "--activation": activation,
        "--cache": cache,
    }
    if kind == Kind.PICTURES:
        _refuse(kind, of_text | of_decoders)
        with progress("importing") as notice:
            pixels = _pixels(mean, deviation, invert)
            options = Options(chosen, file.name, _labels(labels), pixels, keep_weights, hash_bytes)
            model = _import_pictures(file, options, calibration, notice)
            notice("saving")
            folder = store.save_model(model, replace=replace)
        if calibration is not None and model.manifest.source_kind != "float":
            err.print("note: the source has scales of its own, so --calibration was not used")
    else:
        _refuse(kind, of_pictures if kind in DECODERS else of_pictures | of_decoders)
        text_options = TextOptions(
            chosen,
            file.name,
            positions=positions,
            weight_bytes=weight_bytes,
            activation=activation.dtype if activation else None,
            cache=cache.dtype if cache else None,
            labels=_labels(labels),
        )
        with layer_bar("importing") as bar:
            model, folder = import_sequences(
                file,
                kind,
                text_options,
                tokenizer=tokenizer,
                calibration=calibration,
                replace_model=replace,
                progress=bar,
            )
    show_saved(model, folder, perf_counter() - started, as_json=as_json)


def build_(
    topology: Annotated[
        str, typer.Argument(help="mobilenetv2, resnet50, bert-tiny or llama-3-8b.")
    ],
    seed: Annotated[int, typer.Option(help="Seed of the weights.", min=0)] = 0,
    name: Name = "",
    layers: Annotated[int | None, typer.Option(help="Of llama-3-8b: 32.", min=1, max=32)] = None,
    vocabulary: Annotated[
        int | None, typer.Option(help="Of llama-3-8b: 128256.", min=258, max=128_256)
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed", help="Of bert-tiny: a vector in place of classes.")
    ] = False,
    positions: Positions = None,
    tokenizer: TokenizerPath = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Make a well-known network with seeded weights: true sizes, no training."""
    started = perf_counter()
    chosen = store.check_name(name or topology)
    if topology in TEXT_TOPOLOGIES:
        with layer_bar("building") as bar:
            model, folder = build_text_model(
                topology,
                TextOptions(chosen, "", positions=positions),
                seed=seed,
                layers=layers,
                vocabulary=vocabulary,
                is_embedder=embed,
                parts=read_parts(tokenizer) if tokenizer else None,
                replace_model=replace,
                progress=bar,
            )
    else:
        if topology not in build.TOPOLOGIES:
            known = ", ".join((*build.TOPOLOGIES, *TEXT_TOPOLOGIES))
            raise InvalidOption(f"no topology '{topology}'; known are {known}")
        if layers or vocabulary or embed or positions or tokenizer:
            raise InvalidOption(
                f"{topology} has no --layers, --vocabulary, --embed, --positions or --tokenizer"
            )
        with progress("building") as notice:
            notice("drawing weights")
            source = read_model(build.topology(topology, seed), "")
            origin = f"built: {topology}, seed {seed}"
            options = Options(chosen, origin, pixels=build.IMAGENET, hash_bytes=hash_bytes)
            images = build.synthetic_images(_CALIBRATION_IMAGES, seed)
            model = import_source(source, options, images, notice)
            notice("saving")
            folder = store.save_model(model, replace=replace)
    show_saved(model, folder, perf_counter() - started, as_json=as_json)


def _refuse(kind: Kind, options: Given) -> None:
    """Raise InvalidOption if an option was given that a source does not have."""
    given = [name for name, value in options.items() if value]
    if given:
        raise InvalidOption(f"{kind.value} takes no {', '.join(given)}; leave it out")


def _import_pictures(
    file: Path, options: Options, calibration: Path | None, notice: Notice
) -> Model:
    source = read_onnx(file)
    _require_reals(source, options.pixels)
    inputs = None
    if calibration is not None:
        if not calibration.exists():
            raise InvalidCalibration(
                f"{calibration}: there is no such file or folder; name another"
            )
        coding = _source_coding(source)
        given = options.pixels or _default_pixels(source, coding)
        inputs = (data for _, data in read_inputs(calibration, coding, given))
    return import_source(source, options, inputs, notice)


def _name_of(file: Path) -> str:
    stem = file.name.removesuffix(file.suffix if file.is_file() else "").lower()
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem)[:64]


def _labels(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"--labels {path}: {error}; give a text file") from None


def _pixels(mean: str, deviation: str, invert: bool) -> Pixels | None:
    if not mean and not deviation and not invert:
        return None
    return Pixels(
        False, _numbers(mean or "0", "--mean"), _numbers(deviation or "255", "--deviation"), invert
    )


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    is_usable = len(numbers) in (1, 3) and np.isfinite(numbers).all()
    if not is_usable or (option == "--deviation" and 0 in numbers):
        raise InvalidOption(f"{option} {text}: give one number or three, separated by commas")
    return numbers


def _source_coding(source: Source) -> Coding:
    """Return the source's side of its input, before a scale is known."""
    return Coding(1.0, 0, source.input_shape, source.input_dtype.name, source.input_layout)


def _default_pixels(source: Source, coding: Coding) -> Pixels:
    return Pixels(plain=source.input_dtype != np.float32, deviation=(255.0,))


def _require_reals(source: Source, pixels: Pixels | None) -> None:
    if pixels is not None and source.input_dtype != np.float32:
        raise InvalidOption(
            f"--mean, --deviation and --invert are for sources of reals; this one takes "
            f"{source.input_dtype.name}, and pixels as they are"
        )
