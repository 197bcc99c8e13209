"""Real models of sequences, as the command line imports them: one digest on every kernel at hand.

The models come from outside (INFERNET_TEST_DATA); masks.py says how kernels are chosen.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from infernet.backend.engine import ReferenceEngine
from infernet.backend.sequence.engine import SequenceEngine
from infernet.models.exactness import digest_of
from infernet.models.store import load_model

from .masks import PROFILES, require_digests

TEXT = "Once there was a small boat on a big lake. A boy named Tom wanted to sail it.\n"
SENTENCE_WORDS = 10


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return a folder of stored models and the reference's digest of each."""
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: the models are outside the project")
    home = tmp_path_factory.mktemp("home")
    stories, bert = Path(root) / "stories260k", Path(root) / "bert-tiny-sst2"
    text, words = home / "text.txt", home / "words.npz"
    text.write_text(TEXT)
    rows = [np.loadtxt(bert / f"inputs-sst2/input_{i}.txt") for i in range(SENTENCE_WORDS)]
    np.savez(words, sentence=np.stack(rows).astype(np.float32))
    story = ("import", stories / "stories260K.bin", "--tokenizer", stories / "tok512.bin")
    story = (*story, "--context", "512", "--calibration", text)
    fast = ("--weight-bytes", "1", "--activation", "i8", "--cache", "i8")
    encoder = ("import", bert / "bert_tiny_sst2_encoder.npz", "--calibration", words)
    commands = {
        "stories": story,
        "stories-in-bytes": (*story, *fast),
        "bert": (*encoder, "--positions", "128"),
        "bert-seeded": ("build", "bert-tiny", "--seed", "1"),
        "llama-3-8b": ("build", "llama-3-8b", "--layers", "2", "--context", "64", "--seed", "1"),
    }
    for name, command in commands.items():
        model = [sys.executable, "-m", "infernet", "model", *map(str, command), "--name", name]
        environment = {**os.environ, "INFERNET_DATA_DIR": str(home)}
        subprocess.run(model, env=environment, check=True, capture_output=True)
    folder = home / "models"
    programs = {name: load_model(folder / name).program for name in commands}
    yield folder, {name: digest_of(ReferenceEngine(program)) for name, program in programs.items()}


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_the_compiled_engine_has_the_references_digest(
    threads: int, stored: tuple[Path, dict[str, str]]
) -> None:
    folder, digests = stored
    for name, expected in digests.items():
        program = load_model(folder / name).program
        assert digest_of(SequenceEngine(program, threads)) == expected, name


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_digests_are_equal_on_every_kernel(
    profile: str, stored: tuple[Path, dict[str, str]]
) -> None:
    require_digests(profile, *stored)
