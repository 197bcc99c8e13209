"""Tokenizers of the sources: those of llama2.c made anew, those of Hugging Face as they are."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from interpreter.operators.control import MAX_END_TOKENS

from .errors import CorruptModel, InvalidSource
from .sequence.configs import read_json
from .sequence.pieces import BEGIN_OF_TEXT, END_OF_TEXT, Pieces, read_pieces
from .text import read_tokenizer
from .text_chat import check_template

_BYTE = re.compile(rb"<0x[0-9A-F]{2}>")
_UNKNOWN = 0
# What stands for text that begins and ends, which no text may spell.
_MARKS = {_UNKNOWN: "<unk>", BEGIN_OF_TEXT: "<s>", END_OF_TEXT: "</s>"}
# Models that know no chats go on after the last message.
PLAIN_CHAT = "{{ messages | map(attribute='content') | join('\\n') }}"

_BYTES = 256
_LLAMA_3_MARKS = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")
_LLAMA_3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA_3_CHAT = (
    "{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


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
    count = tokenizer.get_vocab_size(with_added_tokens=True)
    ends = _ends(generation.get("eos_token_id"), count)
    if not ends:
        ends = _token(tokenizer, config, "eos_token")
    begins = _token(tokenizer, config, "bos_token")
    return TextParts(tokenizer.to_str(), count, begins, ends, _template(folder, config))


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _ends(value: Any, count: int) -> tuple[int, ...]:
    """Return the end tokens that a configuration has as one number, several or none."""
    if value is None:
        return ()
    found = tuple(value) if isinstance(value, list) else (value,)
    if len(found) > MAX_END_TOKENS or not all(type(x) is int and 0 <= x < count for x in found):
        raise InvalidSource(
            f"eos_token_id is {value!r}; at most {MAX_END_TOKENS} tokens from 0 to {count - 1} can "
            "end a text"
        )
    return found


def _template(folder: Path, config: Mapping[str, Any]) -> str:
    """Return the chat template of a folder, or "" where it has none."""
    found, separate = config.get("chat_template") or "", folder / "chat_template.jinja"
    try:
        if not found and separate.exists():
            found = separate.read_text(encoding="utf-8")
        if isinstance(found, list):
            # Several templates by name: that without tools is the default one.
            found = {one["name"]: one["template"] for one in found}.get("default", "")
        if not isinstance(found, str):
            raise TypeError(f"it is {found!r}, neither text nor a list of named ones")
        check_template(found)
    except TemplateError as error:
        raise InvalidSource(
            f"{folder} has a chat template that cannot be used: {error} Correct it, or leave it "
            "out: the model then takes plain prompts"
        ) from None
    except (OSError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise InvalidSource(
            f"{folder} has a chat template that cannot be read: {error!r}; download it again"
        ) from None
    return found


def _token(tokenizer: Tokenizer, config: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Return a special token of the configuration: a name, or an object with the name inside."""
    value = config.get(name)
    content = value.get("content") if isinstance(value, dict) else value
    if not isinstance(content, str) or not content:
        return ()
    try:
        found = tokenizer.token_to_id(content)
    except UnicodeEncodeError:
        # Half of a character, which no token holds.
        found = None
    if found is None:
        raise InvalidSource(f"tokenizer_config.json: {name} {content!r} is not in tokenizer.json")
    return (found,)


def read_parts(path: Path) -> TextParts:
    """Return the tokenizer in a folder or file: tokenizer.json, or that of llama2.c or of Llama 3.

    Raises InvalidSource.
    """
    if path.is_dir():
        return of_folder(path)
    if path.name == "tokenizer.json":
        return of_folder(path.parent)
    if path.suffix == ".bin":
        return of_pieces(read_pieces(path))
    if path.suffix == ".model":
        return of_ranks(path)
    raise InvalidSource(
        f"{path} is no tokenizer: give tokenizer.json, its folder, a .bin of llama2.c, or "
        "tokenizer.model of Llama 3"
    )


def of_ranks(path: Path) -> TextParts:
    """Return the tokenizer of Llama 3 in its own file: a piece in base64 and its rank a line."""
    try:
        lines = [line.split() for line in path.read_bytes().splitlines() if line]
        ranks = {b64decode(piece, validate=True): int(rank) for piece, rank in lines}
    except OSError as error:
        raise InvalidSource(f"{path}: {error.strerror}; give a readable file") from None
    except ValueError:
        raise InvalidSource(
            f"{path} has lines that are no piece and rank; is it of Llama 3? Others need "
            "tokenizer.json"
        ) from None
    if sorted(ranks.values()) != list(range(len(ranks))) or len(ranks) < _BYTES:
        raise InvalidSource(f"{path}: the ranks are not 0 to {len(ranks) - 1}; download it again")
    # The library spells bytes as characters that can be printed.
    spell = _spelling()
    names = {piece: "".join(spell[byte] for byte in piece) for piece in ranks}
    merges = sorted(_rank_merges(ranks), key=lambda merge: merge[2])
    model = models.BPE(
        vocab={names[piece]: rank for piece, rank in ranks.items()},
        merges=[(names[left], names[right]) for left, right, _ in merges],
        ignore_merges=True,
    )
    tokenizer = Tokenizer(model)
    split = pre_tokenizers.Split(Regex(_LLAMA_3_WORDS), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, _plain_bytes()])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in _llama_3_specials()])
    begin, *ends = (len(ranks) + _llama_3_specials().index(name) for name in _LLAMA_3_MARKS)
    count = tokenizer.get_vocab_size(with_added_tokens=True)
    return TextParts(tokenizer.to_str(), count, (begin,), tuple(ends), _LLAMA_3_CHAT)


def _rank_merges(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes, tuple[int, int, int]]]:
    """Return every pair of pieces that makes a third one; the third's rank comes first."""
    found = []
    for piece, rank in ranks.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ranks and right in ranks:
                found.append((left, right, (rank, ranks[left], ranks[right])))
    return found


def _llama_3_specials() -> list[str]:
    """Return the 256 special tokens of Llama 3 in their order."""
    names = [f"<|reserved_special_token_{i}|>" for i in range(_BYTES - 5)]
    return [
        "<|begin_of_text|>",
        "<|end_of_text|>",
        *names[:4],
        "<|start_header_id|>",
        "<|end_header_id|>",
        names[4],
        "<|eot_id|>",
        *names[5:],
    ]


def of_bytes(*, is_encoder: bool) -> TextParts:
    """Return a tokenizer whose tokens are single bytes, for models that have learnt no words."""
    spell = _spelling()
    tokenizer = Tokenizer(models.BPE(vocab={spell[i]: i for i in range(_BYTES)}, merges=[]))
    tokenizer.pre_tokenizer = _plain_bytes()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in ("<begin>", "<end>")])
    begin, end = _BYTES, _BYTES + 1
    if not is_encoder:
        return TextParts(tokenizer.to_str(), end + 1, (begin,), (end,), PLAIN_CHAT)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<begin> $A <end>", special_tokens=[("<begin>", begin), ("<end>", end)]
    )
    return TextParts(tokenizer.to_str(), end + 1)


def _plain_bytes() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def _spelling() -> dict[int, str]:
    """Return the character that the library writes for each byte."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(_BYTES) if byte not in printed)
    moved = {byte: chr(_BYTES + place) for place, byte in enumerate(others)}
    return {**{byte: chr(byte) for byte in printed}, **moved}
