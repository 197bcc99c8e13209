"""Every foreseeable mistake ends in one clear message and an exit code, nothing half done."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infernet.backend.errors import BackendError, ConformanceError
from infernet.chain.errors import ChainUnavailable, InsufficientBalance
from infernet.cli import KNOWN, exit_code_of, run
from infernet.cli.errors import DemoFailed
from infernet.config import ConfigError
from infernet.models.errors import InvalidInput, InvalidOption
from infernet.models.store import shipped_dir

SAMPLE = next(iter(sorted((shipped_dir() / "digits").glob("*.png"))))


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("INFERNET_RPC_URL", raising=False)
    monkeypatch.delenv("INFERNET_PASSWORD_FILE", raising=False)
    return tmp_path / "data"


@pytest.fixture
def dead_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def stored_copy(data_dir: Path) -> Path:
    """Store a copy of the shipped model, to be damaged."""
    return Path(shutil.copytree(shipped_dir() / "digits", data_dir / "models" / "mine"))


def expect(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str) -> None:
    assert run(arguments) == code
    captured = capsys.readouterr()
    # Long lines are wrapped in boxes of usage errors.
    told = " ".join(captured.err.replace("│", " ").split())
    assert text in told
    assert "Traceback" not in told
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["nonsense"], 2, "No such command"),
        (["demo", "--lie-at", "x"], 2, "'x' is not a step of this model"),
        (["demo", "--lie-at", "999999999999"], 2, "give 'random' or 0 to"),
        (["demo", "--lie-at", "-1"], 2, "not a step"),
        (["demo", "--seed", "x"], 2, "Invalid value for '--seed'"),
        (["demo", "--model", "nobody"], 3, "no model 'nobody' (known: digits; kept in "),
        (["demo", "--input", "/no/such/file.png"], 3, "/no/such/file.png"),
        (["demo", "--engine", "geth"], 2, "Invalid value for '--engine'"),
        (["chain", "deploy"], 2, "set INFERNET_RPC_URL"),
    ],
)
def test_wrong_options_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    expect(capsys, arguments, code, text)


def test_what_is_no_picture_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"this is no picture")
    expect(capsys, ["demo", "--input", str(path)], 3, "is not a picture")


def test_truncated_picture_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:200])
    expect(capsys, ["demo", "--input", str(path)], 3, "is not a picture")


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((3, 3), np.float32), "has shape (3, 3)"),
        (np.zeros((1, 1, 16, 16), np.complex64), "has type complex64"),
        (np.full((1, 1, 16, 16), np.nan, np.float32), "not finite"),
    ],
)
def test_wrong_array_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, array: np.ndarray, text: str
) -> None:
    path = tmp_path / "input.npy"
    shape = json.loads((shipped_dir() / "digits/manifest.json").read_text())["input"]
    if array.ndim == 4:
        array = np.resize(array, shape["source_shape"])
    np.save(path, array)
    expect(capsys, ["demo", "--input", str(path)], 3, text)


@pytest.mark.parametrize("name", ["header.bin", "operators.bin", "constants.bin", "manifest.json"])
def test_truncated_model_is_refused(
    capsys: pytest.CaptureFixture[str], data_dir: Path, name: str
) -> None:
    path = stored_copy(data_dir) / name
    path.write_bytes(path.read_bytes()[:-7])
    expect(capsys, ["demo", "--model", "mine", "--input", str(SAMPLE)], 3, "import the model again")


def test_model_with_another_root_than_its_manifest_says_is_refused(
    capsys: pytest.CaptureFixture[str], data_dir: Path
) -> None:
    path = stored_copy(data_dir) / "constants.bin"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    expect(capsys, ["demo", "--model", "mine", "--input", str(SAMPLE)], 3, "import the model again")


def test_chain_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], dead_url: str
) -> None:
    expect(capsys, ["chain", "deploy", "--rpc", dead_url], 4, f"no chain answers at {dead_url}")


def test_addresses_of_nothing_deployed_leave_no_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, dead_url: str
) -> None:
    path = tmp_path / "addresses.json"
    expect(capsys, ["chain", "deploy", "--rpc", dead_url, "-o", str(path)], 4, "no chain answers")
    assert not path.exists()
    path.write_text("kept")
    expect(capsys, ["chain", "deploy", "--rpc", dead_url, "-o", str(path)], 4, "no chain answers")
    assert path.read_text() == "kept"


def test_setting_names_the_chain_when_no_flag_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, dead_url: str
) -> None:
    monkeypatch.setenv("INFERNET_RPC_URL", dead_url)
    expect(capsys, ["chain", "deploy"], 4, "no chain answers")


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("infernet 0.")


def test_conformance_is_told_in_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["model", "conformance", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["exact"] is True
    assert facts["digest"] == facts["expected_digest"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidOption("x"), 2),
        (ConfigError("x"), 2),
        (InvalidInput("x"), 3),
        (BackendError("x"), 3),
        (ChainUnavailable("x"), 4),
        (InsufficientBalance("x"), 4),
        (DemoFailed("x"), 5),
        (ConformanceError("x"), 6),
    ],
)
def test_exit_codes_follow_the_consequence(error: Exception, code: int) -> None:
    assert isinstance(error, KNOWN)
    assert exit_code_of(error) == code
