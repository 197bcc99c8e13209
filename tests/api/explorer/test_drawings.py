"""Pictures are well formed, stay inside their frame and say in words what they show."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from api.explorer.drawings import dispute, network, task
from api.explorer.drawings.svg import WIDTH
from api.explorer.pages import DisputePage, TaskPage
from api.explorer.records import Answer, Head, ModelRef, Move, Pulse, Purse, Score, Side, Verdict
from api.store.records import Finality, TaskState
from infernet.chain.records import Address, AssertionId, GameId, ProgramRoot, Seconds, TaskId, Wei

HEAD = Head(1, 9, Seconds(1_000))
ID = b"\x01" * 32
MODEL = ModelRef(ProgramRoot(ID), "model")
WHO = Address("0x" + "12" * 20)


@st.composite
def games(draw: st.DrawFn) -> DisputePage:
    """Return a dispute that was played to some point by the game's own rules."""
    steps, arity = draw(st.integers(2, 1 << 40)), draw(st.integers(2, 32))
    start, length, moves = 0, steps, list[Move]()
    for number in range(1, 1 + draw(st.integers(0, 12))):
        by = Side.CHALLENGER if number % 2 else Side.EXECUTOR
        count = min(arity, length)
        clocks = (Seconds(draw(st.integers(0, 900))) for _ in range(2))
        moves.append(Move(number, by, start, length, count, *clocks, 1, Seconds(1), ID, 7))
        if length <= count:
            break
        part = draw(st.integers(0, count - 1))
        edges = [start + length * each // count for each in (part, part + 1)]
        start, length = edges[0], edges[1] - edges[0]
    total = draw(st.integers(0, 10**24))
    burned = draw(st.integers(0, total))
    purse = Purse(
        Side.EXECUTOR, "stake", Wei(total), Wei(total - burned), Wei(burned), Wei(0), Wei(0)
    )
    return DisputePage(
        HEAD,
        GameId(ID),
        AssertionId(ID),
        TaskId(ID),
        MODEL,
        WHO,
        WHO,
        draw(st.sampled_from(Verdict)),
        draw(st.booleans()),
        steps,
        arity,
        Seconds(900),
        Seconds(60),
        Seconds(draw(st.integers(0, 900))),
        Seconds(draw(st.integers(0, 900))),
        None,
        tuple(moves),
        None,
        (purse,),
        0,
        (),
    )


def parsed(drawn: Markup) -> ElementTree.Element:
    """Return a drawing whose title and description are those that its label names."""
    root = ElementTree.fromstring(str(drawn))
    named = {each.get("id"): each.text for each in root if each.tag in ("title", "desc")}
    for name in root.attrib["aria-labelledby"].split():
        assert named[name]
    return root


def check_frame(root: ElementTree.Element) -> None:
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for each in root.iter("rect"):
        x, y, w, h = (float(each.attrib[name]) for name in ("x", "y", "width", "height"))
        assert min(x, y, w, h) >= -0.01
        assert x + w <= width + 0.01
        assert y + h <= height + 0.01


@settings(max_examples=40, deadline=None)
@given(games())
def test_a_dispute_is_drawn_with_a_cell_for_each_part_of_each_move(page):
    root = parsed(dispute.narrowing(page))
    check_frame(root)
    cells = [each for each in root.iter("rect") if each.attrib["class"].startswith("cell")]
    assert len(cells) == sum(move.parts for move in page.moves)
    named = [each for each in cells if "named" in each.attrib["class"]]
    assert len(named) == max(0, len(page.moves) - 1)
    words = dispute.narrowing_text(page)
    assert all(f"{move.length:,} steps from step {move.start:,}" in words for move in page.moves)


@settings(max_examples=40, deadline=None)
@given(games())
def test_clocks_and_money_fill_their_bars_and_no_more(page):
    check_frame(parsed(dispute.clocks(page)))
    root = parsed(dispute.money(page))
    check_frame(root)
    filled = sum(float(each.attrib["width"]) for each in root.iter("rect"))
    assert abs(filled - (WIDTH if page.purses[0].total_wei else 0)) < 0.1


COUNTS = st.lists(st.integers(0, 400), min_size=48, max_size=48).map(tuple)


@settings(max_examples=40, deadline=None)
@given(COUNTS, COUNTS, COUNTS)
def test_the_pulse_stays_in_its_frame_whatever_happened(asked, final, slashed):
    root = parsed(network.pulse(Pulse(1, 9, asked, final, slashed)))
    check_frame(root)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TaskState), st.integers(0, 9))
def test_a_life_marks_where_the_task_is(state, slashed):
    fields = dict.fromkeys(TaskPage.__dataclass_fields__)
    page = TaskPage(**{**fields, "state": state, "slashed": slashed, "finality": Finality.NONE})
    root = parsed(task.life(page))
    here = [e for e in root.iter("circle") if e.attrib["class"].endswith("here")]
    is_station = state not in (TaskState.REFUNDED, TaskState.FAILED)
    assert len(here) == is_station
    assert state.value in ElementTree.tostring(root, "unicode")


def test_what_models_call_their_classes_is_text_and_nothing_else():
    drawn = task.scores(Answer((Score("<script>&", 1.0, 1.0),), 1))
    assert "<script>" not in drawn
    assert "<script>&" in (parsed(drawn).findtext("text") or "")


def test_ids_have_faces_of_their_own_and_always_the_same():
    ids = [f"0x{number:064x}" for number in range(200)]
    faces = [network.face(id_) for id_ in ids]
    assert len(set(faces)) > 190
    assert faces[7] == network.face(ids[7].upper())
