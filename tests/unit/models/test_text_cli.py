"""`infernet model import`, `generate`, `embed`, `classify` and `verify` for models of text."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from infernet.cli import run
from infernet.models.store import load_model
from infernet.models.text import Codec

from .test_models_cli import quantised_file
from .test_sequence_decoder import TEXT as STORY
from .test_text_import import TEXT, folder_of


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


class Console:
    """Runs a command and reads what it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def json(self, *arguments: object) -> dict[str, Any]:
        assert run(["model", *map(str, arguments), "--json"]) == 0, self._capsys.readouterr().err
        found: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return found

    def text(self, *arguments: object, code: int = 0) -> str:
        assert run(["model", *map(str, arguments)]) == code
        captured = self._capsys.readouterr()
        return captured.err if code else captured.out


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(capsys)


def test_a_story_is_imported_and_told(console: Console, tmp_path: Path) -> None:
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: no stories260K")
    source = Path(root) / "stories260k"
    (tmp_path / "text.txt").write_text(STORY)
    options = ["--calibration", tmp_path / "text.txt"]
    assert "name it with --tokenizer" in console.text(
        "import", source / "stories260K.bin", *options, code=2
    )
    options += ["--tokenizer", source / "tok512.bin"]
    facts = console.json("import", source / "stories260K.bin", "--name", "story", *options)
    assert facts["facts"] == {"weight_bytes": 2, "activation": "i16", "cache": "i16"}
    assert facts["input"] == "[1, 1, 1, 523] i32"
    start = "Once upon a time, there was a little girl named Lily."
    assert console.text("generate", "story", "", "--max-tokens", 60).startswith(start)
    made = console.json("generate", "story", "Once upon", "--max-tokens", 9)
    assert made["text"].startswith(" a time, there was")
    assert (len(made["tokens"]), made["finish_reason"], made["prompt_tokens"]) == (9, "length", 3)
    sampled = [
        console.json("generate", "story", "A", "--temperature", 1.5, "--max-tokens", 20, *seed)
        for seed in ([], ["--seed", 1], ["--seed", 1])
    ]
    assert sampled[0]["text"] != sampled[1]["text"] == sampled[2]["text"]
    assert "use it with infernet model generate" in console.text("embed", "story", "a", code=2)
    assert "takes 512" in console.text("generate", "story", "a" * 2000, code=3)


def test_widths_and_positions_are_as_asked_for(console: Console, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source")
    options = ["--calibration", source / "text.txt", "--context", 32, "--weight-bytes", 1]
    facts = console.json("import", source, *options, "--activation", "i8", "--cache", "i8")
    assert facts["name"] == "source"
    assert facts["facts"] == {"weight_bytes": 1, "activation": "i8", "cache": "i8"}
    assert Codec.of("source").text.positions == 32
    assert "--replace" in console.text("import", source, *options, code=2)
    assert "multiple of 32" in console.text("import", source, *options[:2], "--context", 33,
                                            "--name", "odd", code=2)  # fmt: skip


def test_options_of_another_kind_of_model_are_refused(console: Console, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source")
    options = ["--mean", 3, "--invert", "--calibration", source / "text.txt"]
    message = console.text("import", source, *options, code=2)
    assert "a folder of a decoder takes no --mean, --invert; leave it out" in message
    graph = quantised_file(tmp_path)
    message = console.text("import", graph, "--context", 64, "--cache", "i8", code=2)
    assert "over pictures or arrays takes no --positions, --cache" in message


def test_a_built_encoder_classifies_and_embeds_nothing(console: Console) -> None:
    facts = console.json("build", "bert-tiny", "--seed", 3, "--positions", 32)
    assert facts["source"] == "built: bert-tiny, seed 3"
    classes = console.json("classify", "bert-tiny", TEXT)["classes"]
    assert [each["label"] for each in classes] in (["class 0", "class 1"], ["class 1", "class 0"])
    assert classes[0]["logit"] >= classes[1]["logit"]
    assert sum(each["share"] for each in classes) == pytest.approx(1)
    assert "class 0" in console.text("classify", "bert-tiny", TEXT)
    assert "infernet model classify" in console.text("embed", "bert-tiny", TEXT, code=2)
    assert "of llama-3-8b alone" in console.text("build", "bert-tiny", "--layers", 2,
                                                 "--name", "b", code=2)  # fmt: skip
    assert "known are mobilenetv2" in console.text("build", "bert-huge", code=2)
    assert "has no --layers" in console.text("build", "resnet50", "--layers", 2, code=2)


def test_every_byte_is_checked_when_asked_for(console: Console) -> None:
    found = console.json("verify", "digits")
    assert found["program_root"] == load_model("digits").program.root.hex()
    assert "is what its root" in console.text("verify", "digits")
    assert "use it with an array or a picture" in console.text("generate", "digits", "a", code=2)
