"""Text to the input of a program, and a program's output to text or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from .errors import CorruptModel, InvalidInput
from .manifest import Text
from .sequence.request import SEED_BYTES, encode_request
from .store import TOKENIZER, find_model, load_manifest
from .text_chat import Message, framed_chat
from .text_reader import BREAK, Reader, panics_told
from .text_writer import Writer

Bytes = npt.NDArray[np.uint8]

Prompt = str | Sequence[int] | Sequence[Message]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How text is made. `max_tokens`: None for as many as fit. Temperature 0 is greedy.

    `seed`: 32 bytes; the same ones give the same text.
    """

    max_tokens: int | None = None
    temperature: float = 0.0
    seed: bytes = bytes(SEED_BYTES)


def request_seed(number: int) -> bytes:
    """Return the seed of a request for a number: SHA-256 of its decimal digits."""
    return sha256(str(number).encode()).digest()


@dataclass(frozen=True, slots=True)
class Request:
    """What a program runs on: its input's bytes, iterations, and the tokens of the prompt."""

    data: Bytes
    iterations: int
    prompt: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Generated:
    """What a run made, its end token left out."""

    text: str
    tokens: tuple[int, ...]
    finish_reason: FinishReason


class Codec:
    """The text side of one model. Threads may share it."""

    def __init__(self, text: Text, tokenizer: Tokenizer) -> None:
        self.text = text
        self._reader = Reader(tokenizer)
        self._writer = Writer(tokenizer, (*text.begin_tokens, *text.end_tokens))

    @classmethod
    def of(cls, model: str | Path) -> Codec:
        """Return the codec of a stored model, by name or folder.

        Raises InvalidInput for a model that takes no text, CorruptModel for a damaged tokenizer.
        """
        folder = find_model(model)
        text = load_manifest(folder).text
        if text is None:
            raise InvalidInput(f"the model '{folder.name}' takes no text; give it an array")
        return cls(text, read_tokenizer(folder / TOKENIZER))

    def encode_request(self, prompt: Prompt, sampling: Sampling | None = None) -> Request:
        """Return what to run for a text, for tokens, or for the messages of a chat.

        Iterations are the prompt's tokens plus `max_tokens` less 1, at most the model's positions.
        Models that classify or embed take one iteration and cut what is too long.
        """
        tokens = self.tokens_of(prompt)
        chosen = sampling or Sampling()
        if self.text.task != "generate":
            return self._sequence(tokens)
        if len(tokens) > self.text.positions:
            raise InvalidInput(
                f"the prompt has {len(tokens)} tokens; this model takes {self.text.positions}"
            )
        if chosen.max_tokens is not None and chosen.max_tokens < 1:
            raise InvalidInput(f"max_tokens is {chosen.max_tokens}; ask for at least 1")
        data = encode_request(
            tokens,
            self.text.positions,
            self.text.vocabulary,
            temperature=chosen.temperature,
            seed=chosen.seed,
        )
        wanted = self.text.positions if chosen.max_tokens is None else chosen.max_tokens
        return Request(data, min(len(tokens) + wanted - 1, self.text.positions), tuple(tokens))

    def tokens_of(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a prompt, those that begin every text included.

        Tokens that are given as numbers stay as they are. Names of special tokens in a text or in
        a message are text.
        """
        if isinstance(prompt, str):
            return self._tokens(prompt)
        if not prompt:
            raise InvalidInput("the prompt is empty; give text, tokens or messages")
        tokens = [part for part in prompt if isinstance(part, int)]
        if len(tokens) == len(prompt):
            return tokens
        return self._chat_tokens([part for part in prompt if not isinstance(part, int)])

    def chat_text(self, messages: Sequence[Message]) -> str:
        """Return a chat as the model reads it, ready for its answer. Begin tokens are not in it."""
        return self._framed(messages).replace(BREAK, "")

    def _framed(self, messages: Sequence[Message], begin: str = "") -> str:
        if not self.text.chat_template:
            raise InvalidInput("this model has no chat template; send it a plain prompt")
        return framed_chat(self.text.chat_template, messages, self._reader, begin)

    def _chat_tokens(self, messages: Sequence[Message]) -> list[int]:
        # Some tokenizers read the first word of a text in a way of its own: what begins it counts.
        begin = self._reader.spelled(self.text.begin_tokens)
        if begin is not None:
            return self._reader.tokens(self._framed(messages, begin))
        return [*self.text.begin_tokens, *self._reader.tokens(self._framed(messages))]

    def decode_output(
        self, output: Bytes, prompt_length: int, iterations: int, *, halted: bool
    ) -> Generated:
        """Return what a run of so many iterations made after its prompt."""
        made = output.view("<i4")[prompt_length - 1 : iterations].tolist()
        if not halted:
            return Generated(self.text_of(made), tuple(made), "length")
        ends = [place for place, token in enumerate(made) if token in self.text.end_tokens]
        if not ends:
            raise InvalidInput("the run halted, but its output holds no end token")
        kept = made[: ends[0]]
        return Generated(self.text_of(kept), tuple(kept), "stop")

    def text_of(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens as it goes on after other text; special ones have none."""
        return self._writer.further(tokens)

    def prompt_of(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens that no other text comes before; special ones have none."""
        return self._writer.first(tokens)

    def numbers(self, output: Bytes) -> npt.NDArray[np.float64]:
        """Return the logits or the vector that an encoder's output stands for."""
        return output.view("<i4").astype(np.float64) * self.text.output_step

    def _tokens(self, text: str) -> list[int]:
        framed, is_encoder = self._reader.broken(text), self.text.task != "generate"
        return [*self.text.begin_tokens, *self._reader.tokens(framed, closed=is_encoder)]

    def _sequence(self, tokens: Sequence[int]) -> Request:
        """Return the input of an encoder: ids, then how many of them count."""
        if not tokens or not all(0 <= token < self.text.vocabulary for token in tokens):
            raise InvalidInput(
                f"a sequence has tokens from 0 to {self.text.vocabulary - 1}, at least one"
            )
        words = np.zeros(self.text.positions + 1, "<i4")
        kept = tokens
        if len(tokens) > self.text.positions:
            # The last token closes a sequence, however long it was.
            kept = [*tokens[: self.text.positions - 1], tokens[-1]]
        words[: len(kept)] = kept
        words[-1] = len(kept)
        return Request(words.view(np.uint8), 1, tuple(kept))


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in a file of the `tokenizers` library, or raise CorruptModel."""
    try:
        with panics_told():
            tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    # The library raises nothing narrower.
    except Exception as error:  # noqa: BLE001
        raise CorruptModel(f"{path} is no tokenizer: {error}; import the model again") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
