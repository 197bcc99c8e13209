"""Models of sequences to stored programs: what reads the sources, and how integers are chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from interpreter.merkle import HashBytes, tree_of_bytes
from interpreter.operators.base import MAP_ELEMENTS
from interpreter.program import Program
from interpreter.tensors import DType

from .errors import InvalidCalibration, InvalidOption, InvalidSource
from .manifest import Coding, Manifest, Text
from .pipeline import Model, Notice
from .sequence import quantise
from .sequence.arithmetic import Array
from .sequence.decode import Choices, decoder_program
from .sequence.decoder import Decoder, DecoderShape, ranges_of
from .sequence.encoder import encoder_program
from .sequence.parts import Encoder
from .sequence.reals import RealEncoder
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
    hash_bytes: HashBytes = tree_of_bytes


def import_decoder(
    decoder: Decoder,
    parts: TextParts,
    options: TextOptions,
    calibration: str,
    notice: Notice = lambda message: None,
) -> Model:
    """Return the model of a decoder. `calibration`: running text that ranges are measured on."""
    shape = decoder.shape
    if parts.vocabulary > shape.vocabulary:
        raise InvalidSource(
            f"the tokenizer has {parts.vocabulary} tokens and the model {shape.vocabulary}; "
            "give the tokenizer that belongs to it"
        )
    choices = choose(shape, options, parts.end_tokens)
    text = decoder_text(shape, choices, parts)
    notice("measuring ranges")
    codec = Codec(text, Tokenizer.from_str(parts.tokenizer))
    tokens = codec.tokens_of(calibration)
    ranges = ranges_of(decoder, tokens)
    program = decoder_program(
        decoder,
        ranges,
        choices,
        hash_bytes=options.hash_bytes,
        progress=lambda done, total: notice(f"layer {done + 1} of {total}"),
    )
    facts = {"calibration_tokens": len(tokens), **choice_facts(choices)}
    return Model(program, decoder_manifest(program, options, text, facts))


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


def decoder_text(shape: DecoderShape, choices: Choices, parts: TextParts) -> Text:
    """Return what a decoder's manifest says about text."""
    return Text(
        "generate",
        choices.context,
        shape.vocabulary,
        parts.end_tokens,
        parts.begin_tokens,
        parts.chat_template,
    )


def choice_facts(choices: Choices) -> dict[str, Any]:
    """Return how a decoder became integers, for its manifest."""
    return {
        "weight_bytes": choices.weight_bytes,
        "activation": choices.activation.name.lower(),
        "cache": choices.cache.name.lower(),
    }


def decoder_manifest(
    program: Program, options: TextOptions, text: Text | None, facts: dict[str, Any]
) -> Manifest:
    """Return the description of a decoder's program."""
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
        facts=facts,
        text=text,
    )


def import_encoder(
    real: RealEncoder,
    parts: TextParts | None,
    options: TextOptions,
    calibration: Iterable[Any],
    notice: Notice = lambda message: None,
) -> Model:
    """Return the model of a BERT-class encoder.

    `calibration`: sentences, or embedded words `f[n, width]` of an encoder without a table of
    words; that one needs no `parts`, since it takes no text.
    """
    positions = options.positions or ENCODER_POSITIONS
    if real.embedding and options.positions is None:
        known = len(real.embedding.positions) // MAP_ELEMENTS * MAP_ELEMENTS
        positions = min(positions, known)
    text = _encoder_text(real, parts, positions, options.labels)
    notice("measuring ranges")
    if text is None or parts is None:
        sequences = [np.asarray(rows, np.float64) for rows in calibration]
    else:
        codec = Codec(text, Tokenizer.from_str(parts.tokenizer))
        sequences = [np.array(codec.encode_request(line).prompt) for line in calibration]
    choices = quantise.Choices()
    encoder = quantise.quantise(real, sequences, choices)
    notice("emitting")
    program, names = encoder_program(encoder, positions, options.hash_bytes)
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
