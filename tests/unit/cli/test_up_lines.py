"""What `infernet up` tells a reader to try fits the model that is served."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import pytest

from infernet.cli.up import asking
from infernet.models.manifest import Manifest, Task, Text
from infernet.models.store import load_manifest, shipped_dir


def manifest(task: Task) -> Manifest:
    return replace(load_manifest(shipped_dir() / "digits"), name="own", text=Text(task, 64, 258))


def test_a_model_of_pictures_is_asked_about_a_picture() -> None:
    words = shlex.split(asking(load_manifest(shipped_dir() / "digits")))
    assert words[:3] == ["$GATEWAY/v1/tasks", "-F", "model=digits"]
    assert words[-1].startswith("input=@") and words[-1].endswith("digit-7.png")


@pytest.mark.parametrize(
    ("task", "place", "member"),
    [
        ("generate", "completions", "prompt"),
        ("embed", "embeddings", "input"),
        ("classify", "tasks", "input"),
    ],
)
def test_a_model_of_text_is_asked_about_a_text(task: Task, place: str, member: str) -> None:
    words = shlex.split(asking(manifest(task)))
    assert words[0] == f"$GATEWAY/v1/{place}" and words[1:4] == [
        "-H",
        "Content-Type: application/json",
        "-d",
    ]
    body = json.loads(words[4])
    assert body["model"] == "own" and "Once upon a time" in json.dumps(body[member])
