"""Backends by name: the documented example is installed and used as a stranger would."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from infernet.backend.adapters import (
    GROUP,
    known_backends,
    load_adapter,
    open_with,
    require_adapter,
    runner,
)
from infernet.backend.errors import (
    BackendError,
    ConformanceError,
    UnknownBackend,
    UnsupportedProgram,
)
from tests.programs import random_input, random_program

_GUIDE = Path(__file__).parents[3] / "docs/backends.md"
_ONE_BIT_OFF = """
from dataclasses import replace

class WrongEngine(MirrorEngine):
    def run(self, data, iterations=1):
        found = super().run(data, iterations)
        output = found.output.copy()
        output[-1] ^= {output}
        return replace(found, output=output)

    def expose(self, data, iterations, wanted):
        for found in super().expose(data, iterations, wanted):
            tensors, last = found.tensors, max(found.tensors)
            {spoil}
            yield found

class WrongAdapter(MirrorAdapter):
    def open(self, program, threads):
        return WrongEngine(program)
"""


def block(language: str) -> str:
    """Return the guide's block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", _GUIDE.read_text(), re.S)
    return str(found)


def install(folder: Path, module: str, announced: str) -> None:
    """Put a package where importing finds it, as an installer leaves it."""
    (folder / "infernet_mirror.py").write_text(module)
    info = folder / "infernet_mirror-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: infernet-mirror\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{announced}\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("infernet_mirror", None)


@pytest.mark.parametrize("name", ["onnxruntime", "reference"])
def test_our_backends_are_exact_in_every_tensor(name: str) -> None:
    report = require_adapter(load_adapter(name))
    assert report.vectors > 200
    assert report.differences == ()


def test_the_documented_adapter_is_found_and_runs(folder: Path) -> None:
    announced = re.search(r"^mirror = \"(.*)\"$", block("toml"), re.M)
    assert announced
    install(folder, block("python"), f"mirror = {announced[1]}")
    assert known_backends() == ("onnxruntime", "reference", "mirror")
    adapter = load_adapter("mirror")
    assert require_adapter(adapter).engine == "mirror 1.0"
    rng = np.random.default_rng(3)
    program = random_program(rng)
    data = random_input(program, rng).tobytes()
    expected = runner(load_adapter("reference"), program)(data)
    found = runner(adapter, program)(data)
    assert (found.output, found.final.hash) == (expected.output, expected.final.hash)


@pytest.mark.parametrize(
    ("output", "spoil"),
    [
        (1, "pass"),
        (0, "tensors[last] = tensors[last] ^ np.uint8(1)"),
        (0, "tensors.pop(last)"),
        (0, "return"),
    ],
)
def test_a_single_wrong_bit_is_refused_by_the_vectors_name(
    folder: Path, output: int, spoil: str
) -> None:
    module = block("python") + _ONE_BIT_OFF.format(output=output, spoil=spoil)
    install(folder, module, "wrong = infernet_mirror:WrongAdapter")
    with pytest.raises(ConformanceError, match=r"vector '.+', (byte|iteration) \d+"):
        require_adapter(load_adapter("wrong"))


def test_a_program_that_an_adapter_declines_is_run_by_the_reference(folder: Path) -> None:
    module = block("python").replace("MOST_OPERATORS = 10_000", "MOST_OPERATORS = 0")
    install(folder, module, "mirror = infernet_mirror:MirrorAdapter")
    adapter, program = load_adapter("mirror"), random_program(np.random.default_rng(3))
    with pytest.raises(UnsupportedProgram):
        adapter.open(program, 1)
    engine = open_with(adapter, program)
    assert engine.name == "reference"
    assert "the device takes fewer" in engine.reasons[0]


def test_an_unknown_backend_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownBackend, match=r"'kneron'.*onnxruntime, reference"):
        load_adapter("kneron")


def test_a_package_that_cannot_be_loaded_is_named(folder: Path) -> None:
    install(folder, "raise OSError('no such device')", "mirror = infernet_mirror:MirrorAdapter")
    with pytest.raises(BackendError, match=r"infernet_mirror:MirrorAdapter.*no such device"):
        load_adapter("mirror")
