"""States of a run too large to be shown whole: told at each stop, and let go (see course.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from interpreter.merkle import Tree
from interpreter.operators import Begin, Free
from interpreter.program import Location

from .course import Course
from .exposed import Exposed
from .states import Bytes, States
from .timeline import Timeline, before_in

# Shown whole at a time; large models have less in an iteration.
_MOST_SHOWN_BYTES = 1 << 29
# What may also be shown whole, in multiples of what a run holds at a time.
_MOST_RUNS = 2
_MOST_ITERATIONS = 4
# Two neighbouring cuts of a dissection lie in one iteration or in two.
_LEAST_ITERATIONS = 2


class Paused(States):
    """The states around one operator, which the run has reached; they last as long as its stop."""

    def has_halted(self, where: Location) -> bool:
        return False


def shown_limit(held: int) -> int:
    """Return the bytes that what is shown whole may take. `held`: the most that a run holds."""
    return max(_MOST_SHOWN_BYTES, _MOST_RUNS * held)


def most_shown(timeline: Timeline) -> int:
    """Return how many iterations may be kept whole, each operator's destination by itself.

    0: a single one would already take far more than a run does.
    """
    shown, held, most = 0, 0, 0
    kinds = {}
    for instruction in timeline.instructions:
        if isinstance(instruction, Begin):
            kinds[instruction.dst] = instruction.kind.byte_count
            held += kinds[instruction.dst]
            most = max(most, held)
        elif isinstance(instruction, Free):
            held -= kinds.pop(instruction.dst, 0)
        elif target := instruction.destination:
            shown += target.kind.byte_count
    limit = shown_limit(most)
    if shown > limit:
        return 0
    return min(_MOST_ITERATIONS, max(_LEAST_ITERATIONS, limit // max(1, shown)))


def pauses(
    course: Course,
    timeline_of: Callable[[int], Timeline],
    iterations: int,
    data: Bytes,
    stops: Sequence[tuple[int, int]],
) -> Iterator[Paused]:
    """Yield the states around some operators, up to where the run halts.

    `stops`: iterations and operators, which ascend. What is yielded lasts until the next is taken.
    """
    trees: dict[int, Tree] = {}
    entered = -1
    for iteration, operator in stops:
        if not (course.enter(iteration) and course.advance(operator)):
            return
        timeline = timeline_of(iteration)
        trees = _still(trees, timeline, operator) if iteration == entered else {}
        entered = iteration
        exposed = _before(course, timeline, operator)
        goes_on = course.advance(operator + 1)
        if target := timeline.instructions[operator].destination:
            exposed.tensors[operator] = course.content(target.slot)
        place = timeline, iterations, iteration
        yield Paused(course.program, *place, data, exposed, trees)
        if not goes_on:
            return


def _before(course: Course, timeline: Timeline, operator: int) -> Exposed:
    """Return what lies in memory before an operator: copied is only what it changes."""
    target, found = timeline.instructions[operator].destination, Exposed({}, {})
    given = before_in(course.program.header.input_slot)
    for slot, version in enumerate(timeline.before[operator]):
        if version is None or timeline.is_zero(version) or version.writer == given:
            continue
        content = course.content(slot)
        if target is not None and target.slot == slot:
            content = content.copy()
        if version.writer >= 0:
            found.tensors[version.writer] = content
        else:
            found.kept[slot] = content
    return found


def _still(trees: dict[int, Tree], timeline: Timeline, operator: int) -> dict[int, Tree]:
    """Return the trees of what lies in memory still."""
    writers = {version.writer for version in timeline.before[operator] if version is not None}
    return {writer: tree for writer, tree in trees.items() if writer in writers}
