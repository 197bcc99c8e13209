"""Tokenizers of the sources: those of llama2.c made anew, those of Hugging Face as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers

from .errors import CorruptModel, InvalidSource
from .sequence.pieces import BEGIN_OF_TEXT, END_OF_TEXT, Pieces
from .sequence.safetensors import read_json
from .text import read_tokenizer

_BYTE = re.compile(rb"<0x[0-9A-F]{2}>")
_UNKNOWN = 0
# What stands for text that begins and ends, which no text may spell.
_MARKS = {_UNKNOWN: "<unk>", BEGIN_OF_TEXT: "<s>", END_OF_TEXT: "</s>"}
# Models that know no chats go on after the last message.
PLAIN_CHAT = "{{ messages | map(attribute='content') | join('\\n') }}"


@dataclass(frozen=True, slots=True)
class TextParts:
    """What a source says about text. `tokenizer`: JSON of the `tokenizers` library."""

    tokenizer: str
    vocabulary: int
    begin_tokens: tuple[int, ...] = ()
    end_tokens: tuple[int, ...] = ()
    chat_template: str = ""


def of_pieces(pieces: Pieces) -> TextParts:
    """Return the tokenizer of llama2.c as one that joins the pair with the best score.

    Raises InvalidSource for pieces that are no text.
    """
    try:
        names = [piece.decode() for piece in pieces.pieces]
    except UnicodeDecodeError as error:
        raise InvalidSource(f"the tokenizer has a piece that is no text: {error}") from None
    vocabulary = {name: i for i, name in reversed(list(enumerate(names)))}
    for index, mark in _MARKS.items():
        vocabulary.pop(names[index], None)
        vocabulary[mark] = index
    merges = sorted(_merges(pieces, vocabulary), key=lambda merge: -pieces.scores[merge[2]])
    model = models.BPE(
        vocab=vocabulary,
        merges=[(left, right) for left, right, _ in merges],
        unk_token=_MARKS[_UNKNOWN],
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    # The pieces were learnt with a space before every text.
    tokenizer.normalizer = normalizers.Prepend(" ")
    parts = [decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(parts)
    ends = (BEGIN_OF_TEXT, END_OF_TEXT)
    return TextParts(tokenizer.to_str(), len(names), (BEGIN_OF_TEXT,), ends, PLAIN_CHAT)


def _merges(pieces: Pieces, vocabulary: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Return every pair of pieces that makes a third one, with the place of that."""
    found = []
    for index, piece in enumerate(pieces.pieces):
        name = piece.decode()
        if index in _MARKS or _BYTE.fullmatch(piece) or vocabulary[name] != index:
            continue
        for cut in range(1, len(name)):
            left, right = name[:cut], name[cut:]
            if left in vocabulary and right in vocabulary:
                found.append((left, right, index))
    return found


def of_folder(folder: Path) -> TextParts:
    """Return the tokenizer beside a Hugging Face model and its special tokens.

    Reads tokenizer.json, tokenizer_config.json and generation_config.json, the latter two if they
    are there. Raises InvalidSource.
    """
    path = folder / "tokenizer.json"
    if not path.exists():
        raise InvalidSource(f"{folder} has no tokenizer.json; the model's text needs it")
    try:
        tokenizer = read_tokenizer(path)
    except CorruptModel as error:
        raise InvalidSource(str(error)) from None
    config = _optional(folder / "tokenizer_config.json")
    generation = _optional(folder / "generation_config.json") or _optional(folder / "config.json")
    ends = _numbers(generation.get("eos_token_id"))
    if not ends:
        ends = _token(tokenizer, config, "eos_token")
    template = config.get("chat_template") or ""
    separate = folder / "chat_template.jinja"
    if not template and separate.exists():
        template = separate.read_text(encoding="utf-8")
    if not isinstance(template, str):
        # Several templates by name: that without tools is the default one.
        template = next((one["template"] for one in template if one["name"] == "default"), "")
    begins = _token(tokenizer, config, "bos_token")
    count = tokenizer.get_vocab_size(with_added_tokens=True)
    return TextParts(tokenizer.to_str(), count, begins, ends, template)


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _numbers(value: Any) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,)
    return tuple(value) if isinstance(value, list) else ()


def _token(tokenizer: Tokenizer, config: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Return a special token of the configuration: a name, or an object with the name inside."""
    value = config.get(name)
    content = value.get("content") if isinstance(value, dict) else value
    if not isinstance(content, str) or not content:
        return ()
    found = tokenizer.token_to_id(content)
    if found is None:
        raise InvalidSource(f"tokenizer_config.json: {name} '{content}' is not in tokenizer.json")
    return (found,)
