"""Tokens to text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from tokenizers import Tokenizer

from .text_reader import panics_told

# Some tokenizers drop the space before the first token of a text: text that is made goes on after
# this one.
_ANCHOR = "a"
_BYTES = 256


class Writer:
    """Writes tokens as text, where special ones have none. Threads may share it.

    Its methods raise CorruptModel where the tokenizer fails.
    """

    def __init__(self, tokenizer: Tokenizer, silent: Iterable[int]) -> None:
        """`silent`: more tokens without text."""
        added = tokenizer.get_added_tokens_decoder()
        self._silent = frozenset((*silent, *(i for i, token in added.items() if token.special)))
        self._tokenizer = tokenizer
        self._byte_tokens = _byte_tokens(tokenizer)
        self._bytes = {token: byte for byte, token in enumerate(self._byte_tokens)}

    def first(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens that no other text comes before."""
        return self._decoded(self._spoken(tokens))

    def further(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens as it goes on after other text."""
        with panics_told():
            anchor = self._tokenizer.encode(_ANCHOR, add_special_tokens=False).ids
        return self._decoded([*anchor, *self._spoken(tokens)]).removeprefix(self._decoded(anchor))

    def _decoded(self, tokens: list[int]) -> str:
        with panics_told():
            return str(self._tokenizer.decode(tokens))

    def _spoken(self, tokens: Sequence[int]) -> list[int]:
        spoken = [token for token in tokens if token not in self._silent]
        return list(self._whole(spoken)) if self._bytes else spoken

    def _whole(self, tokens: list[int]) -> Iterator[int]:
        """Yield tokens whose bytes are whole characters.

        Of bytes with one broken character among them the library makes nothing but such.
        """
        for are_bytes, run in groupby(tokens, key=self._bytes.__contains__):
            if not are_bytes:
                yield from run
                continue
            text = bytes(self._bytes[token] for token in run).decode(errors="replace")
            yield from (self._byte_tokens[byte] for byte in text.encode())


def _byte_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the token of each byte, none where tokens are no bytes."""
    if "ByteFallback" not in repr(tokenizer.decoder):
        return ()
    found = [tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in range(_BYTES)]
    tokens = tuple(token for token in found if token is not None)
    return tokens if len(tokens) == _BYTES else ()
