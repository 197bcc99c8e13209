"""Text to requests and back, with the tokenizer of stories260K against its own pieces."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models

from infernet.models.errors import CorruptModel, InvalidInput, InvalidSource
from infernet.models.manifest import Coding, Manifest, Text
from infernet.models.sequence.pieces import Pieces, read_pieces
from infernet.models.sequence.request import encode_request
from infernet.models.text import Codec, Sampling, read_tokenizer
from infernet.models.text_chat import Message
from infernet.models.text_tokenizers import PLAIN_CHAT, of_folder, of_pieces

# Enough of a tokenizer of llama2.c: marks, bytes, then pieces that join.
JOINED = [b" ", b"a", b"b", b"c", b" a", b"ab", b" ab", b"bc", "é".encode(), b"aa", b"aaa"]
PIECES = Pieces(
    (
        b"<unk>",
        b"\n<s>\n",
        b"\n</s>\n",
        *(f"<0x{i:02X}>".encode() for i in range(256)),
        *JOINED,
    ),
    (*[0.0] * 259, *(-float(i) for i in range(len(JOINED)))),
)
TEXT = Text("generate", 32, 270, (1, 2), (1,), PLAIN_CHAT)


def codec(pieces: Pieces = PIECES, text: Text = TEXT) -> Codec:
    return Codec(text, Tokenizer.from_str(of_pieces(pieces).tokenizer))


def some_texts(pieces: Pieces, count: int) -> list[str]:
    """Return texts of pieces side by side, and texts of characters that they may not have."""
    source = random.Random(1)
    names = [piece.decode() for piece in pieces.pieces[259:]]
    characters = "abhetnd .,\n日é<0x>s/\U0001f642"
    texts = []
    for index in range(count):
        parts = names if index % 2 else characters
        texts.append("".join(source.choice(parts) for _ in range(source.randint(0, 30))))
    return texts


def assert_same_tokens(pieces: Pieces, texts: list[str]) -> None:
    found = codec(pieces, Text("generate", 512, len(pieces.pieces), (1, 2), (1,)))
    for text in texts:
        tokens = found.tokens_of(text)
        assert tokens == pieces.encode(text), text
        assert found.text_of(tokens) == (f" {text}" if text else "")


def test_small_pieces_join_as_their_scores_say() -> None:
    assert_same_tokens(PIECES, some_texts(PIECES, 500))


def test_the_tokens_of_stories_are_those_of_its_own_tokenizer() -> None:
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: no tok512.bin")
    pieces = read_pieces(Path(root) / "stories260k/tok512.bin")
    assert_same_tokens(pieces, some_texts(pieces, 2000))


def test_a_request_holds_the_prompt_and_as_many_iterations_as_are_asked_for() -> None:
    request = codec().encode_request("ab", Sampling(5, 0.5, bytes(range(32))))
    assert request.prompt == (1, 265)
    assert request.iterations == 2 + 5 - 1
    expected = encode_request([1, 265], 32, 270, temperature=0.5, seed=bytes(range(32)))
    assert np.array_equal(request.data, expected)
    assert codec().encode_request("ab").iterations == 32
    assert codec().encode_request("ab", Sampling(500)).iterations == 32
    assert codec().encode_request([5, 6], Sampling(1)).prompt == (5, 6)


def test_chats_are_written_as_the_template_says() -> None:
    messages: list[Message] = [
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "c"},
    ]
    assert codec().chat_text(messages) == "ab\nc"
    assert codec().encode_request(messages).prompt == tuple(codec().tokens_of("ab\nc"))
    with pytest.raises(InvalidInput, match="no chat template"):
        codec(text=Text("generate", 32, 270)).chat_text(messages)
    strict = Text("generate", 32, 270, chat_template="{{ raise_exception('users first') }}")
    with pytest.raises(InvalidInput, match="users first"):
        codec(text=strict).chat_text(messages)
    escaping = Text("generate", 32, 270, chat_template="{{ messages.__class__.mro() }}")
    with pytest.raises(InvalidInput, match="unsafe"):
        codec(text=escaping).chat_text(messages)


@pytest.mark.parametrize(
    ("prompt", "sampling", "reason"),
    [
        ("ab", Sampling(0), "max_tokens is 0"),
        ("ab", Sampling(temperature=-1.0), "temperature -1"),
        ([], Sampling(), "the prompt is empty"),
        ([270], Sampling(), "numbers from 0 to 269"),
        ("b" * 40, Sampling(), "42 tokens; this model takes 32"),
        ("\ud800", Sampling(), "cannot be encoded"),
    ],
)
def test_requests_that_cannot_be_are_refused(
    prompt: str | list[int], sampling: Sampling, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        codec().encode_request(prompt, sampling)


def test_a_prompt_is_told_as_it_was_given() -> None:
    found = codec()
    for text in ("ab", " ab", "a b", "é"):
        assert found.prompt_of(found.tokens_of(text)) == text


def test_an_output_becomes_text_until_its_end_token() -> None:
    # Positions 0 and 1 belong to the prompt: what they made is read by nobody.
    output = np.array([1, 7, 263, 264, 267, 2, 0, 0], "<i4").view(np.uint8)
    made = codec().decode_output(output, 3, 6, halted=True)
    assert (made.text, made.tokens, made.finish_reason) == (" aabé", (263, 264, 267), "stop")
    cut = codec().decode_output(output, 3, 4, halted=False)
    assert (cut.text, cut.tokens, cut.finish_reason) == (" aab", (263, 264), "length")
    with pytest.raises(InvalidInput, match="no end token"):
        codec().decode_output(output, 3, 4, halted=True)


@pytest.mark.parametrize("end", range(4))
def test_a_broken_character_breaks_no_other(end: int) -> None:
    tokens = [263, *(byte + 3 for byte in b"\n\xff" + "日".encode()[:end]), 264]
    broken = "" if end == 0 else "日" if end == 3 else "\ufffd"
    assert codec().text_of(tokens) == f" a\n\ufffd{broken}ab"
    assert codec().prompt_of([2, *tokens]) == f"a\n\ufffd{broken}ab"
    assert codec().text_of([13, 2, *tokens[-3:-1]]) == codec().text_of([13, *tokens[-3:-1]])


def test_a_text_that_ends_inside_a_character_has_all_before_it() -> None:
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: no tok512.bin")
    pieces = read_pieces(Path(root) / "stories260k/tok512.bin")
    found = codec(pieces, Text("generate", 64, len(pieces.pieces), (1, 2), (1,)))
    tokens = found.tokens_of("hi\n👍")[1:]
    ends = {found.text_of(tokens[:count]) for count in range(4, len(tokens))}
    assert ends == {" hi\n\ufffd"}
    assert found.text_of(tokens) == " hi\n👍"


def test_a_tokenizer_that_panics_is_a_damaged_one() -> None:
    tokenizer = Tokenizer(models.BPE({"a": 0, " ": 1}, []))
    tokenizer.decoder = decoders.Strip(" ", 1, 1)
    found = Codec(Text("generate", 32, 2), tokenizer)
    with pytest.raises(CorruptModel, match="the tokenizer fails: slice index"):
        found.text_of([1])


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1 / 0 }}",
        "{{ '{}'.format() }}",
        "{{ 'x'.encode('nope') }}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{{ 'x' }",
        "{{ messages[0].content | round }}",
        "{{ '\\ud800' }}",
    ],
)
def test_whatever_a_template_raises_is_told(template: str) -> None:
    found = codec(text=Text("generate", 32, 270, chat_template=template))
    with pytest.raises(InvalidInput, match=r"template does not take|cannot be encoded"):
        found.tokens_of([{"role": "user", "content": "a"}])


def test_templates_have_the_loops_of_hugging_face() -> None:
    template = "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}a{% endfor %}"
    found = codec(text=Text("generate", 32, 270, chat_template=template))
    assert found.chat_text([{"role": "user", "content": "b"}] * 3) == "a"


def test_a_sequence_is_cut_and_closed_by_its_last_token() -> None:
    found = codec(text=Text("embed", 32, 270, output_step=0.5))
    request = found.encode_request(list(range(40)))
    assert request.prompt == (*range(31), 39)
    words = request.data.view("<i4").tolist()
    assert words == [*range(31), 39, 32]
    assert found.encode_request([7]).data.view("<i4").tolist() == [7, *[0] * 31, 1]
    numbers = found.numbers(np.array([3, -4], "<i4").view(np.uint8))
    assert numbers.tolist() == [1.5, -2.0]
    with pytest.raises(InvalidInput, match="from 0 to 269"):
        found.encode_request([270])


def test_a_folder_says_how_text_begins_ends_and_is_framed(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(of_pieces(PIECES).tokenizer)
    plain = of_folder(tmp_path)
    assert (plain.begin_tokens, plain.end_tokens, plain.chat_template) == ((), (), "")
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": "{{ 1 }}"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    found = of_folder(tmp_path)
    assert (found.begin_tokens, found.end_tokens, found.chat_template) == ((1,), (2,), "{{ 1 }}")
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [2, 5]}')
    assert of_folder(tmp_path).end_tokens == (2, 5)
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<none>"}')
    with pytest.raises(InvalidSource, match="'<none>' is not in tokenizer"):
        of_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InvalidSource, match="is no tokenizer"):
        of_folder(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(InvalidSource, match=r"has no tokenizer\.json"):
        of_folder(tmp_path)
    with pytest.raises(CorruptModel, match="is no tokenizer"):
        read_tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("generation_config.json", '{"eos_token_id": ["a"]}', r"from 0 to 269 can end a text"),
        ("generation_config.json", '{"eos_token_id": [[2]]}', r"from 0 to 269 can end a text"),
        ("generation_config.json", '{"eos_token_id": true}', r"from 0 to 269 can end a text"),
        ("generation_config.json", '{"eos_token_id": -1}', r"from 0 to 269 can end a text"),
        ("generation_config.json", '{"eos_token_id": 270}', r"from 0 to 269 can end a text"),
        ("generation_config.json", f'{{"eos_token_id": {list(range(17))}}}', "at most 16 tokens"),
        ("tokenizer_config.json", '{"chat_template": 5}', "neither text nor a list of named"),
        ("tokenizer_config.json", '{"chat_template": ["x"]}', "template that cannot be read"),
        ("tokenizer_config.json", '{"chat_template": [{"x": 1}]}', "template that cannot be read"),
        ("tokenizer_config.json", '{"chat_template": "{% for"}', "template that cannot be used"),
        (
            "tokenizer_config.json",
            '{"chat_template": "{% generation %}x{% endgeneration %}"}',
            "cannot be used: Encountered unknown tag 'generation'",
        ),
        ("tokenizer_config.json", f'{{"chat_template": "{{{{{"(" * 5000}"}}', "cannot be used"),
        ("tokenizer_config.json", "[" * 100_000, "cannot be read: maximum recursion"),
        ("chat_template.jinja", b"\xff\xfe", "template that cannot be read"),
    ],
)
def test_a_folder_that_frames_no_text_is_refused(
    tmp_path: Path, file: str, text: str | bytes, message: str
) -> None:
    (tmp_path / "tokenizer.json").write_text(of_pieces(PIECES).tokenizer)
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidSource, match=message):
        of_folder(tmp_path)


def test_a_manifest_keeps_what_it_says_about_text() -> None:
    coding = Coding(1.0, 0, (1, 43), "int32", "flat")
    manifest = Manifest("story", "00", "", "", "float", coding, coding, None, text=TEXT)
    assert Manifest.decode(manifest.encode()) == manifest
    assert Manifest.decode(manifest.encode()).text == TEXT
