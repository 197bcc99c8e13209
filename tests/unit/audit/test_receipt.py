"""A receipt that was changed anywhere is refused, and the message names the place."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.audit.errors import InvalidReceipt, UnknownMatter
from infernet.audit.ids import find_id
from infernet.audit.receipt import (
    AssertionPart,
    ChainPart,
    FinalityPart,
    HistoryPart,
    Receipt,
    RunPart,
    TaskPart,
    assertion_id_of,
    faults,
    read_receipt,
    root_of,
    task_id_of,
)
from infernet.chain.records import Address
from interpreter import machine
from interpreter.merkle import Hash
from interpreter.state import final_state, initial_state
from tests.programs import random_input, random_program

HASH = bytes(range(32))


def account(number: int) -> Address:
    return Address(f"0x{number:040x}")


def made() -> Receipt:
    rng = np.random.default_rng(3)
    program = random_program(rng)
    header, data = program.header, random_input(program, rng)
    output = machine.run(program, data).tobytes()
    steps = header.steps_per_iteration
    chain = ChainPart(31337, *(account(n) for n in range(1, 6)))
    roots = program.root, root_of(data.tobytes())
    task = TaskPart(b"", account(7), 9, *roots, 1, 10**16, 2_000_000_000)
    task = replace(task, id=task_id_of(chain, task))
    result = AssertionPart(b"", 1, account(8), root_of(output), False)
    result = replace(result, id=assertion_id_of(task.id, result))
    states = (
        initial_state(header, Hash(task.input_root)).hash,
        final_state(header, Hash(result.output_root), steps, False).hash,
    )
    run = RunPart("random", header.encode(), data.tobytes(), output, steps, *states)
    history = HistoryPart(1, HASH, 2, HASH, 3, HASH)
    return Receipt(chain, task, result, run, history, FinalityPart("final", 9, HASH))


RECEIPT = made()
TEXT = RECEIPT.to_json()
CONTENT = json.loads(TEXT)
FIELDS = [(part, name) for part, values in asdict(RECEIPT).items() for name in values]


def changed(value: object, place: int) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1 + place
    assert isinstance(value, str)
    if not value.startswith("0x"):
        return value + "x"
    at = 2 + place % (len(value) - 2)
    return value[:at] + ("1" if value[at] == "0" else "0") + value[at + 1 :]


def test_an_unchanged_receipt_returns_as_it_was():
    assert read_receipt(TEXT) == RECEIPT


@pytest.mark.parametrize(("part", "name"), FIELDS)
@settings(max_examples=20, deadline=None)
@given(place=st.integers(0, 10**6))
def test_each_change_of_each_field_is_refused_and_named(part, name, place):
    content = json.loads(TEXT)
    content[part][name] = changed(content[part][name], place)
    with pytest.raises(InvalidReceipt) as caught:
        read_receipt(json.dumps(content))
    assert re.search(rf"\b{part}\.{name}\b", str(caught.value))


@pytest.mark.parametrize(("part", "name"), FIELDS)
@pytest.mark.parametrize("value", [None, [], {}, 1.5, "0xZZ", "gone"])
def test_each_field_of_a_wrong_type_or_none_is_refused_and_named(part, name, value):
    content = json.loads(TEXT)
    if value == "gone":
        del content[part][name]
    else:
        content[part][name] = value
    with pytest.raises(InvalidReceipt) as caught:
        read_receipt(json.dumps(content))
    assert re.search(rf"\b{name}\b", str(caught.value))


@pytest.mark.parametrize(("part", "name"), [f for f in FIELDS if f[0] in {"task", "assertion"}])
def test_what_ids_are_made_of_is_bound_without_the_checksum(part, name):
    old = getattr(getattr(RECEIPT, part), name)
    new = bytes(32) if isinstance(old, bytes) else changed(old, 0)
    forged = replace(RECEIPT, **{part: replace(getattr(RECEIPT, part), **{name: new})})
    assert any(f"{part}.{name}" in fault.fields for fault in faults(forged))


def test_a_changed_checksum_is_refused():
    content = {**CONTENT, "checksum": changed(CONTENT["checksum"], 0)}
    with pytest.raises(InvalidReceipt, match="checksum"):
        read_receipt(json.dumps(content))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no receipt"),
        ("[]", "no version"),
        (json.dumps({**CONTENT, "version": 2}), "reads 1"),
        (json.dumps({**CONTENT, "extra": 1}), "extra"),
        (json.dumps({**CONTENT, "task": []}), "task has to be an object"),
        (json.dumps({**CONTENT, "checksum": "12"}), "hexadecimal"),
    ],
)
def test_what_is_no_receipt_is_refused(text, words):
    with pytest.raises(InvalidReceipt, match=words):
        read_receipt(text)


def test_an_id_is_found_by_its_first_digits_unless_two_begin_so():
    known = [bytes.fromhex("aabbcc" + "00" * 29), bytes.fromhex("aabbcc" + "11" * 29)]
    assert find_id("0xAABBCC00", known, "game") == known[0]
    for text, words in (
        ("0xaabbcc", "2 ids of a game begin with 0xaabbcc: 0xaabbcc00, 0xaabbcc11; give more"),
        ("0xaabbdd", "no game 0xaabbdd; the latest: 0xaabbcc11, 0xaabbcc00; check"),
        ("0xaabb", "at least 6"),
        ("aabbcc00", "give 0x"),
    ):
        with pytest.raises(UnknownMatter, match=words):
            find_id(text, known, "game")
    with pytest.raises(UnknownMatter, match="no game yet"):
        find_id("0xaabbcc", [], "game")


def test_of_many_candidates_the_first_are_told_with_digits_that_differ():
    known = [bytes(3) + bytes([0, n]) + bytes(27) for n in range(7)]
    with pytest.raises(UnknownMatter, match=r"0x0000000000, 0x0000000001, .* and 2 more;"):
        find_id("0x000000", known, "task")
