"""Models of sequences to stored programs: what reads the sources, and how integers are chosen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from infernet.backend.hashing import hash_constants
from interpreter.operators.base import MAP_ELEMENTS
from interpreter.program import Program
from interpreter.tensors import DType

from .errors import InvalidCalibration, InvalidOption, InvalidSource, UnusableStore
from .manifest import Coding, Manifest, Text
from .pipeline import Model
from .sequence import quantise
from .sequence.arithmetic import Array
from .sequence.decode import Choices
from .sequence.decoder import Decoder, DecoderShape
from .sequence.encoder import encoder_program
from .sequence.growth import Progress, Workplace, forget, grow
from .sequence.parts import Encoder
from .sequence.reals import RealEncoder
from .store import check_name, models_dir, save_model
from .text import Codec
from .text_tokenizers import TextParts

# Positions unless asked for: of a decoder at most, of an encoder.
DECODER_POSITIONS, ENCODER_POSITIONS = 2048, 128
# Decoders with fewer weights than this lose too much to eight bits.
_FEW_WEIGHTS = 50_000_000


@dataclass(frozen=True, slots=True)
class TextOptions:
    """How to import. What is None is chosen by the model's size.

    `positions`: a multiple of 32. `weight_bytes`: 1 or 2; `activation`, `cache`: i8 or i16; the
    three are of decoders alone. `source_sha256`: hex.
    """

    name: str
    source_file: str
    source_sha256: str = ""
    positions: int | None = None
    weight_bytes: int | None = None
    activation: DType | None = None
    cache: DType | None = None
    labels: tuple[str, ...] = ()


def import_decoder(
    decoder: Decoder,
    parts: TextParts,
    options: TextOptions,
    calibration: str | Sequence[int],
    *,
    folder: Path | None = None,
    replace: bool = False,
    progress: Progress = lambda done, total: None,
) -> tuple[Model, Path]:
    """Store the model of a decoder and return it with its folder.

    `calibration`: running text, or its tokens, that ranges are measured on. `folder`: of the
    models. What a killed import of the same model left there is not done again.
    """
    parent = folder or models_dir()
    if (parent / check_name(options.name)).exists() and not replace:
        raise InvalidOption(
            f"a model is stored as '{options.name}'; choose --name or use --replace"
        )
    choices = choose(decoder.shape, options, parts.end_tokens)
    text = _decoder_text(decoder.shape, parts, choices.context)
    tokens = calibration
    if isinstance(tokens, str):
        tokens = Codec(text, Tokenizer.from_str(parts.tokenizer)).tokens_of(tokens)
    identity = [options.source_file, options.source_sha256, repr(decoder.shape), repr(choices)]
    digest = sha256(json.dumps([*identity, list(tokens)]).encode()).hexdigest()
    workplace = Workplace(parent / f".growing-{options.name}", digest)
    with _writing(workplace.folder), workplace.locked():
        program, names = grow(
            decoder, tokens, choices, workplace, hash_bytes=hash_constants, progress=progress
        )
        model = Model(program, _decoder_manifest(program, options, choices, text, names))
        stored = save_model(
            model,
            folder=folder,
            replace=replace,
            tokenizer=parts.tokenizer,
            grown=workplace.folder,
        )
        forget(stored)
    return model, stored


def _decoder_text(shape: DecoderShape, parts: TextParts, positions: int) -> Text:
    """Return what the manifest says about text, or raise InvalidSource."""
    if parts.vocabulary > shape.vocabulary:
        raise InvalidSource(
            f"the tokenizer has {parts.vocabulary} tokens and the model {shape.vocabulary}; "
            "give the tokenizer that belongs to it"
        )
    tokens = parts.end_tokens, parts.begin_tokens
    return Text("generate", positions, shape.vocabulary, *tokens, parts.chat_template)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say what to do where a disk is full or a folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise UnusableStore(
            f"{error.filename or folder} cannot be written: {error.strerror or error}; make room, "
            "or name a writable folder in INFERNET_DATA_DIR, and the same command goes on"
        ) from None


def _decoder_manifest(
    program: Program, options: TextOptions, choices: Choices, text: Text, names: tuple[str, ...]
) -> Manifest:
    facts = {
        "weight_bytes": choices.weight_bytes,
        "activation": choices.activation.name.lower(),
        "cache": choices.cache.name.lower(),
    }
    header = program.header
    return Manifest(
        options.name,
        program.root.hex(),
        options.source_file,
        options.source_sha256,
        "float",
        Coding(1.0, 0, (1, header.input_type.count), "int32", "flat"),
        Coding(1.0, 0, (1, header.output_type.count), "int32", "flat"),
        None,
        operator_names=names,
        facts=facts,
        text=text,
    )


def choose(shape: DecoderShape, options: TextOptions, end_tokens: tuple[int, ...]) -> Choices:
    """Return how a decoder becomes integers: finely where it is small."""
    is_small = shape.weights < _FEW_WEIGHTS
    finest = DType.I16 if is_small else DType.I8
    context = options.positions
    if context is None:
        context = min(shape.context, DECODER_POSITIONS) // MAP_ELEMENTS * MAP_ELEMENTS
    return Choices(
        context,
        end_tokens,
        options.activation or finest,
        options.cache or finest,
        options.weight_bytes or (2 if is_small else 1),
    )


def import_encoder(
    real: RealEncoder,
    parts: TextParts | None,
    options: TextOptions,
    calibration: str | Sequence[Array],
) -> Model:
    """Return the model of a BERT-class encoder.

    `calibration`: sentences, one a line; or sequences as the encoder takes them (see `quantise`).
    An encoder without a table of words takes no text and needs no `parts`.
    """
    positions = options.positions or ENCODER_POSITIONS
    if real.embedding and options.positions is None:
        known = len(real.embedding.positions) // MAP_ELEMENTS * MAP_ELEMENTS
        positions = min(positions, known)
    text = _encoder_text(real, parts, positions, options.labels)
    sequences = calibration
    if isinstance(sequences, str):
        if text is None or parts is None:
            raise InvalidCalibration("this encoder takes embedded words: give arrays of them")
        codec = Codec(text, Tokenizer.from_str(parts.tokenizer))
        lines = sentences(sequences)
        sequences = [np.array(codec.encode_request(line).prompt) for line in lines]
    choices = quantise.Choices()
    encoder = quantise.quantise(real, sequences, choices)
    program, names = encoder_program(encoder, positions, hash_constants)
    return Model(program, _encoder_manifest(program, encoder, options, text, names, choices))


def _encoder_text(
    real: RealEncoder, parts: TextParts | None, positions: int, labels: tuple[str, ...]
) -> Text | None:
    if real.classifier and labels and len(labels) != len(real.classifier.classes.bias):
        count = len(real.classifier.classes.bias)
        raise InvalidOption(f"{len(labels)} labels for {count} classes; give one a line")
    if real.embedding is None:
        return None
    if parts is None:
        raise InvalidOption("this encoder takes words: name its tokenizer with --tokenizer")
    words = len(real.embedding.words)
    if parts.vocabulary > words:
        raise InvalidSource(
            f"the tokenizer has {parts.vocabulary} tokens and the model {words}; "
            "give the tokenizer that belongs to it"
        )
    return Text("classify" if real.classifier else "embed", positions, words)


def _encoder_manifest(
    program: Program,
    encoder: Encoder,
    options: TextOptions,
    text: Text | None,
    names: tuple[str, ...],
    choices: quantise.Choices,
) -> Manifest:
    header = program.header
    if text is not None:
        text = replace(text, output_step=encoder.output_step)
    kinds = {DType.I16: "int16", DType.I32: "int32"}
    shapes = (1, header.input_type.count), (1, header.output_type.count)
    return Manifest(
        options.name,
        program.root.hex(),
        options.source_file,
        options.source_sha256,
        "float",
        Coding(encoder.input_step, 0, shapes[0], kinds[header.input_dtype], "flat"),
        Coding(encoder.output_step, 0, shapes[1], kinds[header.output_dtype], "flat"),
        None,
        options.labels,
        (choices.describe(),),
        names,
        text=text,
    )


def sentences(text: str) -> Sequence[str]:
    """Return the lines of a calibration text that hold something, or raise InvalidCalibration."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InvalidCalibration("the calibration text is empty; give one sentence a line")
    return lines


def embedded(arrays: Iterable[tuple[str, Array]], width: int) -> Iterator[Array]:
    """Yield sequences of embedded words `f[n, width]`, or raise InvalidCalibration."""
    for name, array in arrays:
        if array.ndim != 2 or array.shape[1] != width or not np.isfinite(array).all():
            raise InvalidCalibration(
                f"{name} is {array.shape}; a sequence of embedded words is (words, {width})"
            )
        yield array
