"""The nightly run of both twins finds a difference, names its seed and can be repeated."""

import sys

import pytest

from interpreter.memory import Memory
from interpreter.operators import Clip

from . import differential
from .bulk import Report, Tally

SHARE = 50


def test_a_part_proves_every_kind_of_program() -> None:
    report = differential.prove_part(7, share=SHARE)
    assert report.steps == differential.PART_STEPS // SHARE
    assert report.forgeries > report.steps // 2 and report.programs > 2


def test_a_difference_fails_its_part_and_says_how_to_repeat_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    true = Clip.step

    def wrong(self: Clip, index: int, iteration: int, memory: Memory, accumulator: int) -> int:
        return true(self, index, iteration, memory, accumulator) + 1

    monkeypatch.setattr(Clip, "step", wrong)
    monkeypatch.setattr(differential, "RANDOM_STEPS", 0)
    monkeypatch.setattr(differential, "SEQUENCE_STEPS", 0)
    monkeypatch.setattr(differential, "EXTREME_STEPS", 100)
    arguments = ["differential", "--parts", "1", "--seed", "3", "--processes", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert differential.main() == 1
    answer = capsys.readouterr()
    assert "seed 3" in answer.out and "CLIP" in answer.out
    assert "--seed 3 --parts 1" in answer.err


def test_counts_of_parts_add_up() -> None:
    one = Report(2, 3, 1, {"ADD map": Tally(2, 50, 9)})
    one.add(Report(4, 1, 2, {"ADD map": Tally(3, 40, 10), "END end": Tally(1, 7, 7)}))
    assert one == Report(6, 4, 3, {"ADD map": Tally(5, 50, 10), "END end": Tally(1, 7, 7)})
