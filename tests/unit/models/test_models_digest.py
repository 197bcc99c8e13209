"""Digests of whole models: the published ones are the reference's, and one wrong bit is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from infernet.backend.engine import Engine, ReferenceEngine, open_engine
from infernet.backend.host import describe_host
from infernet.cli import digest, run
from infernet.models.exactness import digest_of, runs_of
from infernet.models.published import published_digests, published_programs
from interpreter.machine import Outcome
from interpreter.program import Program
from tests.exactness import tensors_of
from tests.machines.rows import differences
from tests.machines.table import BEGIN, END, PAGE, recorded, table
from tests.vectors.generate import shipped_digests

NAMES = ["digits", "encoder", "decoder-in-bytes", "decoder-in-words"]


@dataclass(frozen=True, slots=True)
class Careless:
    """An engine that gets one bit of one tensor wrong, and no output."""

    inner: Engine

    @property
    def program(self) -> Program:
        return self.inner.program

    def run(self, data: np.ndarray, iterations: int = 1) -> Outcome:
        return self.inner.run(data, iterations)

    def expose(self, data: np.ndarray, iterations: int, wanted: range) -> list[object]:
        found = list(self.inner.expose(data, iterations, wanted))
        tensors = {index: tensor.copy() for index, tensor in found[0].tensors.items()}
        tensors[min(tensors)][0] ^= 1
        return [replace(found[0], tensors=tensors), *found[1:]]


def test_the_published_digests_are_the_references() -> None:
    assert shipped_digests() == published_digests()


def test_every_family_ships() -> None:
    programs = published_programs()
    assert list(programs) == NAMES
    assert [programs[name].header.max_iterations > 1 for name in NAMES] == [
        False,
        False,
        True,
        True,
    ]


def test_one_bit_of_one_tensor_changes_a_digest() -> None:
    program = published_programs()["digits"]
    engine = open_engine(program)
    assert digest_of(engine) == published_digests()[program.root.hex()]
    assert digest_of(Careless(engine)) != published_digests()[program.root.hex()]


def test_inputs_of_an_encoder_choose_many_rows_of_its_table() -> None:
    program = published_programs()["encoder"]
    first, *_ = runs_of(program)
    words = first.data.view(program.header.input_dtype.numpy)
    assert len(set(words.tolist())) > len(words) // 3
    assert tensors_of(ReferenceEngine(program), first.data)


def test_a_row_says_what_computed_and_that_it_is_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["model", "digest", "--json", "--threads", "2"]) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    host = describe_host()
    assert (row["processor"], row["numpy"]) == (host.processor, host.numpy)
    assert (row["hashing"], row["threads"]) == (host.hashing, 2)
    assert row["conformance"] == row["expected_conformance"]
    assert [entry["name"] for entry in row["models"]] == NAMES
    assert differences([row]) == []
    row["models"][1]["digest"] = row["models"][0]["digest"]
    assert len(differences([row])) == 1


def test_a_wrong_digest_forbids_staking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = dict.fromkeys(published_digests(), "00" * 32)
    monkeypatch.setattr(digest, "published_digests", lambda: wrong)
    assert run(["model", "digest", "--json", "--threads", "1", "digits"]) == 6
    said = capsys.readouterr()
    assert len(json.loads(said.out)["models"]) == len(NAMES) + 1
    assert "Do not stake" in said.err and "'encoder' has another digest" in said.err


def test_recorded_machines_agree_and_the_page_shows_them() -> None:
    machines, published = recorded(), published_digests()
    rows = [row for rows in machines.values() for row in rows]
    assert rows and differences(rows) == []
    for entry in (entry for row in rows for entry in row["models"]):
        assert published.get(entry["program_root"], entry["digest"]) == entry["digest"]
    shown = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    assert shown.strip() == table(machines).strip()
