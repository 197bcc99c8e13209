"""Tokenizers of llama2.c: pieces with scores, joined greedily from the best score down."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from ..errors import InvalidSource

BEGIN_OF_TEXT, END_OF_TEXT = 1, 2

_FIRST_BYTE = 3
_BYTE = re.compile(rb"<0x([0-9A-F]{2})>")
_ENTRY = struct.Struct("<fi")


@dataclass(frozen=True)
class Pieces:
    """The pieces by id with their scores. Ids 3 to 258 are single bytes."""

    pieces: tuple[bytes, ...]
    scores: tuple[float, ...]

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        return {piece: i for i, piece in reversed(list(enumerate(self.pieces)))}

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, begin-of-text first."""
        tokens = []
        # The pieces were learnt with a space before every text.
        for character in f" {text}" if text else "":
            data = character.encode()
            found = self._ids.get(data)
            tokens += [byte + _FIRST_BYTE for byte in data] if found is None else [found]
        while best := self._best_pair(tokens):
            place, joined = best
            tokens[place : place + 2] = [joined]
        return [BEGIN_OF_TEXT, *tokens]

    def _best_pair(self, tokens: list[int]) -> tuple[int, int] | None:
        """Return the first pair with the best score, and the piece that it makes."""
        found = [
            (self.scores[joined], -place, joined)
            for place, (a, b) in enumerate(pairwise(tokens))
            if (joined := self._ids.get(self.pieces[a] + self.pieces[b])) is not None
        ]
        if not found:
            return None
        _, place, joined = max(found)
        return -place, joined

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens; the space before its first piece is dropped."""
        data = b""
        for token in tokens:
            if token in (BEGIN_OF_TEXT, END_OF_TEXT) or not 0 <= token < len(self.pieces):
                continue
            piece = self.pieces[token]
            byte = _BYTE.fullmatch(piece)
            data += bytes([int(byte[1], 16)]) if byte else piece
        return data.removeprefix(b" ").decode(errors="replace")


def read_pieces(path: Path) -> Pieces:
    """Return the tokenizer in a llama2.c file, or raise InvalidSource."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidSource(f"{path}: {error.strerror or error}; give a readable file") from None
    pieces: list[bytes] = []
    scores: list[float] = []
    # The file begins with the length of the longest piece.
    start = 4
    while start + _ENTRY.size <= len(data):
        score, length = _ENTRY.unpack_from(data, start)
        start += _ENTRY.size
        if not 0 < length <= len(data) - start:
            raise InvalidSource(f"{path}: piece {len(pieces)} is cut off; download it again")
        scores.append(score)
        pieces.append(data[start : start + length])
        start += length
    if start != len(data) or len(pieces) <= _FIRST_BYTE + 255:
        raise InvalidSource(f"{path} is not a tokenizer of llama2.c; download it again")
    return Pieces(tuple(pieces), tuple(scores))
