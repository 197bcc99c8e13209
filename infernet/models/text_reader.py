"""Text to tokens. A mark, which is an added token that frames text, is nobody's to spell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tokenizers import AddedToken, Tokenizer, models

from .errors import CorruptModel, InvalidInput

# No character. In framed text, the name of a mark behind one is text.
BREAK = "\U0010ffff"


class Reader:
    """Reads framed text: names in it are marks, save those that are broken. Threads may share it.

    Added tokens that are not special and have one character, or nothing but letters, digits and
    spaces, are words of the tokenizer: they frame nothing.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        added = tokenizer.get_added_tokens_decoder()
        self._marks = {token.content: i for i, token in added.items() if _is_mark(token)}
        names = sorted(self._marks, key=len, reverse=True)
        any_name = "|".join(map(re.escape, names)) or r"(?!)"
        self._starts = re.compile(f"(?={any_name})")
        self._own = re.compile(f"(?<!{BREAK})(?:{any_name})")
        self._own_or_break = re.compile(f"{self._own.pattern}|{BREAK}")
        self._library, self._ids = _renamed(tokenizer)
        self._known = frozenset(self._marks.values()) - _unknown(tokenizer)

    def broken(self, text: str) -> str:
        """Return what somebody wrote as framed text without a mark, or raise InvalidInput."""
        if BREAK in text:
            raise InvalidInput("a text holds U+10FFFF, which is no character; leave it out")
        return self._starts.sub(BREAK, text)

    def marks(self, framed: str) -> list[str]:
        """Return the names of the marks of a framed text, in their order."""
        return self._own.findall(framed)

    def spelled(self, tokens: Iterable[int]) -> str | None:
        """Return the framed text of tokens, None if one of them is no mark."""
        names = {token: name for name, token in self._marks.items()}
        found = [names.get(token) for token in tokens]
        return None if None in found else "".join(filter(None, found))

    def tokens(self, framed: str, *, closed: bool = False) -> list[int]:
        """Return the tokens of a framed text. `closed`: with those that the tokenizer puts around.

        Raises InvalidInput for what cannot be encoded, CorruptModel where the tokenizer fails.
        """
        # The library knows each mark by its name behind a break, which no text has.
        text = self._own_or_break.sub(
            lambda part: "" if part[0] == BREAK else f"{BREAK}{part[0]}", framed
        )
        try:
            with panics_told():
                encoding = self._library.encode(text, add_special_tokens=False)
        except CorruptModel:
            raise
        # The library raises nothing narrower.
        except Exception as error:  # noqa: BLE001
            raise InvalidInput(f"the text cannot be encoded: {error}") from None
        tokens = [self._ids.get(token, token) for token in encoding.ids]
        expected = [self._marks[name] for name in self.marks(framed)]
        if self._known_of(tokens) != self._known_of(expected):
            raise InvalidInput(
                "this tokenizer cannot tell text from special tokens here; leave their names out"
            )
        return list(self._library.post_process(encoding).ids) if closed else tokens

    def _known_of(self, tokens: list[int]) -> list[int]:
        return [token for token in tokens if token in self._known]


@contextmanager
def panics_told() -> Iterator[None]:
    """Raise CorruptModel where the library gives up."""
    try:
        yield
    except BaseException as error:
        # It is no Exception, and its type cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise CorruptModel(f"the tokenizer fails: {error}; import the model again") from None


def _is_mark(token: AddedToken) -> bool:
    name = "".join(token.content.replace("\u2581", " ").split())
    return token.special or not (len(name) <= 1 or name.isalnum())


def _renamed(tokenizer: Tokenizer) -> tuple[Tokenizer, dict[int, int]]:
    """Return the tokenizer with a break before each mark's name, and its own ids by those."""
    found = Tokenizer(tokenizer.model)
    found.normalizer = tokenizer.normalizer
    found.pre_tokenizer = tokenizer.pre_tokenizer
    found.post_processor = tokenizer.post_processor
    ids = {}
    # Those that the model has too get numbers behind all others, which so keep theirs.
    for token, given in sorted(
        tokenizer.get_added_tokens_decoder().items(),
        key=lambda one: (found.model.token_to_id(one[1].content) is not None, one[0]),
    ):
        is_mark = _is_mark(given)
        name = f"{BREAK}{given.content}" if is_mark else given.content
        one = AddedToken(
            name,
            # What a template writes is a mark, whatever stands beside it.
            single_word=given.single_word and not is_mark,
            lstrip=given.lstrip,
            rstrip=given.rstrip,
            # A normaliser may change a mark's name, or leave of it what anybody can write.
            normalized=given.normalized and not is_mark,
            special=given.special,
        )
        found.add_tokens([one])
        place = found.token_to_id(name)
        if place is None or (place != token and found.model.id_to_token(place) is not None):
            raise CorruptModel("the numbers of the tokenizer's tokens have gaps; import it anew")
        ids[place] = token
    return found, ids


def _unknown(tokenizer: Tokenizer) -> frozenset[int]:
    """Return the token of what a tokenizer has no other for, if it has one."""
    model = tokenizer.model
    if isinstance(model, models.Unigram):
        token = json.loads(model.__getstate__())["unk_id"]
    else:
        name = getattr(model, "unk_token", None)
        token = None if name is None else tokenizer.token_to_id(name)
    return frozenset() if token is None else frozenset([token])
