"""Files of sequence models: which kind a path holds, and its way to a stored model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from .errors import InvalidCalibration, InvalidOption, InvalidSource
from .inputs import read_arrays
from .pipeline import Model
from .sequence.arithmetic import Array
from .sequence.bert import read_folder, read_npz
from .sequence.bert_onnx import read_onnx_encoder
from .sequence.checkpoint import read_checkpoint
from .sequence.configs import read_json
from .sequence.growth import Progress
from .sequence.llama import read_llama
from .sequence.reals import RealEncoder
from .store import save_model
from .text_import import TextOptions, embedded, import_decoder, import_encoder
from .text_tokenizers import TextParts, of_folder, read_parts


class Kind(Enum):
    """What a path holds."""

    PICTURES = "an ONNX graph over pictures or arrays"
    ENCODER_GRAPH = "an ONNX graph of an encoder"
    ENCODER_ARRAYS = "arrays of an encoder"
    ENCODER_FOLDER = "a folder of an encoder"
    DECODER_FOLDER = "a folder of a decoder"
    CHECKPOINT = "a llama2.c checkpoint"


DECODERS = (Kind.DECODER_FOLDER, Kind.CHECKPOINT)

_FAMILIES = {"bert": Kind.ENCODER_FOLDER, "llama": Kind.DECODER_FOLDER}
_FILES = {".bin": Kind.CHECKPOINT, ".npz": Kind.ENCODER_ARRAYS}


def kind_of(path: Path) -> Kind:
    """Return what a path holds, or raise InvalidSource."""
    if not path.exists():
        raise InvalidSource(f"{path}: there is no such file or folder; give a readable file")
    if path.is_dir():
        family = read_json(path / "config.json").get("model_type")
        if not isinstance(family, str) or family not in _FAMILIES:
            raise InvalidSource(
                f"{path} holds a '{family}'; folders of {' or '.join(_FAMILIES)} can be imported"
            )
        return _FAMILIES[family]
    if path.suffix in _FILES:
        return _FILES[path.suffix]
    return Kind.ENCODER_GRAPH if _is_encoder(path) else Kind.PICTURES


def _is_encoder(path: Path) -> bool:
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except (OSError, DecodeError, ValueError):
        # The reader of graphs says what is wrong with the file.
        return False
    names = {value.name for value in graph.input}
    return "input_ids" in names or any(n.op_type == "LayerNormalization" for n in graph.node)


def import_sequences(
    path: Path,
    kind: Kind,
    options: TextOptions,
    *,
    tokenizer: Path | None,
    calibration: Path | None,
    replace_model: bool = False,
    progress: Progress = lambda done, total: None,
) -> tuple[Model, Path]:
    """Store the model in a path of sequences and return it with its folder.

    `tokenizer`: where the path holds none. `calibration`: a text, or arrays of embedded words.
    """
    if calibration is None:
        raise InvalidCalibration(
            "the model has no scales of its own: give a text with --calibration"
        )
    parts = _parts(path, kind, tokenizer)
    options = replace(options, source_sha256=_digest(path))
    if kind in DECODERS:
        if parts is None:
            raise InvalidOption(f"{path} has no tokenizer: name it with --tokenizer")
        decoder = read_checkpoint(path) if kind == Kind.CHECKPOINT else read_llama(path)
        text = _text(calibration)
        return import_decoder(
            decoder, parts, options, text, replace=replace_model, progress=progress
        )
    real = _encoder(path, kind)
    if kind == Kind.ENCODER_FOLDER and not options.labels:
        options = replace(options, labels=_labels(path, real))
    given = _text(calibration) if real.embedding else _sequences(calibration, real.width)
    model = import_encoder(real, parts, options, given)
    text_file = parts.tokenizer if parts and real.embedding else None
    return model, save_model(model, replace=replace_model, tokenizer=text_file)


def _encoder(path: Path, kind: Kind) -> RealEncoder:
    if kind == Kind.ENCODER_FOLDER:
        return read_folder(path)
    return read_npz(path) if kind == Kind.ENCODER_ARRAYS else read_onnx_encoder(path)


def _parts(path: Path, kind: Kind, tokenizer: Path | None) -> TextParts | None:
    if tokenizer is not None:
        return read_parts(tokenizer)
    is_folder = kind in (Kind.ENCODER_FOLDER, Kind.DECODER_FOLDER)
    return of_folder(path) if is_folder else None


def _labels(folder: Path, real: RealEncoder) -> tuple[str, ...]:
    """Return the classes' names in a configuration, if it names all of them."""
    names = read_json(folder / "config.json").get("id2label")
    if real.classifier is None or not isinstance(names, dict):
        return ()
    count = len(real.classifier.classes.bias)
    found = [names.get(str(index)) for index in range(count)]
    return tuple(map(str, found)) if None not in found else ()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCalibration(f"--calibration {path}: {error}; give a text file") from None


def _sequences(path: Path, width: int) -> Sequence[Array]:
    if path.is_file() and path.suffix not in (".npz", ".npy"):
        raise InvalidCalibration(
            f"--calibration {path}: this encoder takes embedded words, no text; give an .npz of "
            f"sequences (words, {width})"
        )
    return [np.asarray(rows) for rows in embedded(read_arrays(path), width)]


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder that of its files' names and digests."""
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file_digest(file, "sha256").hexdigest()
        kinds = (".json", ".safetensors")
        files = sorted(each for each in path.iterdir() if each.suffix in kinds)
        digests = {each.name: _digest(each) for each in files}
    except OSError as error:
        raise InvalidSource(f"{error.filename}: {error.strerror}; give readable files") from None
    return sha256(json.dumps(digests).encode()).hexdigest()
