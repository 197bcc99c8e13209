"""Encoders and decoders of well-known shapes with seeded weights: true sizes, no training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .errors import InvalidOption
from .pipeline import Model
from .sequence.growth import Progress
from .sequence.seeded import BERT_TINY, seeded_encoder, seeded_sequences
from .sequence.seeded_decoder import LLAMA_3_8B, seeded_decoder, seeded_tokens
from .store import save_model
from .text_import import TextOptions, import_decoder, import_encoder
from .text_tokenizers import TextParts, of_bytes

BERT_TINY_NAME, LLAMA_NAME = "bert-tiny", "llama-3-8b"
TEXT_TOPOLOGIES = (BERT_TINY_NAME, LLAMA_NAME)

_CALIBRATION_TOKENS = 32
_CALIBRATION_LENGTHS = (3, 8, 16, 32, 64, 128)


def build_text_model(
    topology: str,
    options: TextOptions,
    *,
    seed: int,
    layers: int | None = None,
    vocabulary: int | None = None,
    is_embedder: bool = False,
    parts: TextParts | None = None,
    replace_model: bool = False,
    progress: Progress = lambda done, total: None,
) -> tuple[Model, Path]:
    """Store a model of a shape and return it with its folder.

    `layers`, `vocabulary`: fewer than the shape has, of a decoder alone. `is_embedder`: an encoder
    gives the mean of its rows and has no classes. `parts`: its tokenizer;
    none means that tokens are bytes.
    """
    if topology == LLAMA_NAME:
        if is_embedder:
            raise InvalidOption(f"--embed is of {BERT_TINY_NAME} alone")
        shape = replace(
            LLAMA_3_8B,
            layers=layers or LLAMA_3_8B.layers,
            vocabulary=vocabulary or LLAMA_3_8B.vocabulary,
        )
        origin = f"built: {topology}, layers {shape.layers}, vocabulary {shape.vocabulary}"
        return import_decoder(
            seeded_decoder(shape, seed),
            parts or of_bytes(is_encoder=False),
            replace(options, source_file=f"{origin}, seed {seed}"),
            seeded_tokens(shape, seed, _CALIBRATION_TOKENS),
            replace=replace_model,
            progress=progress,
        )
    if layers or vocabulary:
        raise InvalidOption(f"--layers and --vocabulary are of {LLAMA_NAME} alone")
    found = parts or of_bytes(is_encoder=True)
    options = replace(options, source_file=f"built: {topology}, seed {seed}")
    sequences = seeded_sequences(BERT_TINY, seed, _CALIBRATION_LENGTHS)
    real = seeded_encoder(BERT_TINY, seed)
    real = replace(real, classifier=None) if is_embedder else real
    model = import_encoder(real, found, options, sequences)
    return model, save_model(model, replace=replace_model, tokenizer=found.tokenizer)
