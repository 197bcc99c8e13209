"""The lines of docs/text.md do what is written beside them, with a real model, on `infernet up`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.anvil import free_port, needs_anvil

from .test_curl_guide import around, blocks, network

__all__ = ["around"]

PAGE, TITLE = "docs/text.md", "Ten minutes with the openai client"
_SECONDS = 300
_BEGINNING = ", there was a little girl named Lily. She"


def done(script: str, folder: Path, around: dict[str, str]) -> str:
    """Run lines of the page and return what they say."""
    found = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"],
        cwd=folder,
        env=around,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    return found.stdout


@pytest.mark.slow
@needs_anvil
@pytest.mark.skipif("INFERNET_TEST_DATA" not in os.environ, reason="INFERNET_TEST_DATA is not set")
def test_the_lines_for_text_run_as_they_are_written(tmp_path: Path, around: dict[str, str]) -> None:
    pytest.importorskip("openai")
    for name in ("stories260K.bin", "tok512.bin"):
        (tmp_path / name).symlink_to(Path(os.environ["INFERNET_TEST_DATA"]) / "stories260k" / name)
    port = free_port()
    importing, serving, key, checking = (
        each.replace("8000", str(port)) for each in blocks(PAGE, TITLE)
    )
    (lines,) = blocks(PAGE, TITLE, "python")
    assert _BEGINNING in done(importing, tmp_path, around)
    (tmp_path / "ask.py").write_text(lines)
    with network(serving, f"http://127.0.0.1:{port}", tmp_path, around):
        said = done(f"{key}\n{sys.executable} ask.py", tmp_path, around).splitlines()
        assert said[0].startswith(_BEGINNING) and said[-1] == "[128, 128]"
        (task_id,) = re.findall(r"0x[0-9a-f]{64} soft", "\n".join(said))
        checked = checking.replace("0x...", task_id.removesuffix(" soft"))
        told = done(f"{key}\n{checked}", tmp_path, around)
    assert "the output is right" in told
