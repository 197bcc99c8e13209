"""Tokenizers of sources: Llama 3's against its own algorithm, bytes, and files that are none."""

from __future__ import annotations

import os
import random
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from infernet.models.errors import InvalidSource
from infernet.models.manifest import Text
from infernet.models.text import Codec
from infernet.models.text_tokenizers import TextParts, of_bytes, read_parts

CHAT = (
    "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)


def codec_of(parts: TextParts) -> Codec:
    ends, begins, chat = parts.end_tokens, parts.begin_tokens, parts.chat_template
    text = Text("generate", 512, parts.vocabulary, ends, begins, chat)
    return Codec(text, Tokenizer.from_str(parts.tokenizer))


def joined(ranks: dict[bytes, int], word: bytes) -> list[int]:
    """Join the pair of least rank until none is left: the algorithm as its authors tell it."""
    parts = [bytes([byte]) for byte in word]
    while len(parts) > 1:
        pairs = [ranks.get(parts[i] + parts[i + 1], len(ranks)) for i in range(len(parts) - 1)]
        if min(pairs) == len(ranks):
            break
        place = pairs.index(min(pairs))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return [ranks[part] for part in parts]


def test_the_tokenizer_of_llama_3_joins_as_its_ranks_say() -> None:
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: no tokenizer of Llama 3")
    path = Path(root) / "llama3-tokenizer/tokenizer.model"
    parts = read_parts(path)
    assert parts.vocabulary == 128_256
    assert (parts.begin_tokens, parts.end_tokens) == ((128_000,), (128_001, 128_009))
    codec = codec_of(parts)
    assert codec.tokens_of("Hello, world!") == [128_000, 9906, 11, 1917, 0]
    lines = path.read_bytes().split(b"\n")
    ranks = {b64decode(line.split()[0]): int(line.split()[1]) for line in lines if line}
    source = random.Random(1)
    for _ in range(300):
        letters = source.choice(["etaoinshrdlu", "äöüßéèñ", "日本語今天你好", "абвгдеёж"])
        word = " " + "".join(source.choice(letters) for _ in range(source.randint(1, 14)))
        data = word.encode()
        expected = [ranks[data]] if data in ranks else joined(ranks, data)
        assert codec.tokens_of(word)[1:] == expected, word
    for text in ("I'll  say\n\n 12345 things…\t", "def f(x):\n    return x ** 2\n", "🙂 naïve"):
        assert codec.text_of(codec.tokens_of(text)) == text
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": " hi "},
    ]
    assert codec.chat_text(messages) == CHAT
    tokens = codec.tokens_of(messages)
    assert tokens[:3] == [128_000, 128_006, 9125]
    assert tokens.count(128_009) == 2


@pytest.mark.parametrize("is_encoder", [False, True])
def test_bytes_are_tokens_where_no_words_were_learnt(is_encoder: bool) -> None:
    parts = of_bytes(is_encoder=is_encoder)
    tokenizer = Tokenizer.from_str(parts.tokenizer)
    data = "aé日\n".encode()
    assert tokenizer.encode("aé日\n", add_special_tokens=False).ids == list(data)
    assert tokenizer.decode(list(data)) == "aé日\n"
    if is_encoder:
        assert tokenizer.encode("a").ids == [256, 97, 257]
    else:
        assert codec_of(parts).tokens_of("a") == [256, 97]


def test_files_that_are_no_tokenizer_are_refused(tmp_path: Path) -> None:
    ranked = [b64encode(bytes([i])) + b" %d" % i for i in range(256)]
    for content, reason in (
        (b"\x0a\x0b\x00sentencepiece", "no piece and rank"),
        (b"!!!! 0", "no piece and rank"),
        (b"IQ== 0\nIg== 1", "ranks are not 0 to 1"),
        (b"\n".join([*ranked[:-1], b"AAA= 700"]), "ranks are not 0 to 255"),
    ):
        (tmp_path / "tokenizer.model").write_bytes(content)
        with pytest.raises(InvalidSource, match=reason):
            read_parts(tmp_path / "tokenizer.model")
    with pytest.raises(InvalidSource, match="give a readable file"):
        read_parts(tmp_path / "none.model")
    with pytest.raises(InvalidSource, match="is no tokenizer: give"):
        read_parts(tmp_path / "words.txt")
    with pytest.raises(InvalidSource, match="has no tokenizer"):
        read_parts(tmp_path)
