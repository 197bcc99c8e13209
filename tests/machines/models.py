"""Real models of each family, imported as anybody would. They come from INFERNET_TEST_DATA."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

_TEXT = "Once there was a small boat on a big lake. A boy named Tom wanted to sail it.\n"
_WORDS = 10


def import_models(home: Path) -> list[Path]:
    """Import the models into a folder and return the folder of each."""
    root = Path(os.environ["INFERNET_TEST_DATA"])
    text, words = home / "text.txt", home / "words.npz"
    text.write_text(_TEXT)
    inputs = [np.loadtxt(root / f"bert-tiny-sst2/inputs-sst2/input_{i}.txt") for i in range(_WORDS)]
    np.savez(words, sentence=np.stack(inputs).astype(np.float32))
    stories, bert = root / "stories260k", root / "bert-tiny-sst2/bert_tiny_sst2_encoder.npz"
    decoder = ("--tokenizer", stories / "tok512.bin", "--context", "512", "--calibration", text)
    commands = {
        "mobilenetv2": (root / "mobilenet/mobilenet_v2_1.0_224_quant.qdq.onnx",),
        "bert-tiny-sst2": (bert, "--calibration", words, "--positions", "128"),
        "stories260k": (stories / "stories260K.bin", *decoder),
    }
    for name, command in commands.items():
        subprocess.run(
            [sys.executable, "-m", "infernet", "model", "import", *command, "--name", name],
            env={**os.environ, "INFERNET_DATA_DIR": str(home)},
            check=True,
            capture_output=True,
        )
    return [home / "models" / name for name in commands]
