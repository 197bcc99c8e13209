"""The pulse of a deployment, the layers of a model, and a face for each id."""

from __future__ import annotations

import math
from collections import Counter
from hashlib import sha256

from markupsafe import Markup

from ..records import Layer, Pulse
from .svg import WIDTH, box, drawing, tag, text

_PULSE_HEIGHT, _PULSE_AXIS = 110.0, 58.0
_MOST_LAYERS = 400
_FACE = 5


def pulse(found: Pulse) -> Markup:
    """Return requests upwards, final and slashed results downwards, over equal spans of blocks."""
    downwards = map(sum, zip(found.final, found.slashed, strict=True))
    most = max((*found.requested, *downwards), default=0) or 1
    width = WIDTH / len(found.requested)
    parts = [tag("line", x1=0, x2=WIDTH, y1=_PULSE_AXIS, y2=_PULSE_AXIS, class_="axis")]
    for number, asked in enumerate(found.requested):
        x, final, slashed = number * width, found.final[number], found.slashed[number]
        if asked:
            high = 50 * asked / most
            hint = f"{asked} requested"
            parts.append(box(x, _PULSE_AXIS - 1 - high, width - 1.5, high, "requested", hint))
        if final:
            low = 34 * final / most
            parts.append(box(x, _PULSE_AXIS + 1, width - 1.5, low, "final", f"{final} final"))
        if slashed:
            y, low = _PULSE_AXIS + 1 + 34 * final / most, 34 * slashed / most
            parts.append(box(x, y, width - 1.5, low, "slashed", f"{slashed} slashed"))
    parts.append(text(0, _PULSE_HEIGHT - 3, f"block {found.first_block:,}", "note"))
    parts.append(text(WIDTH, _PULSE_HEIGHT - 3, f"{found.last_block:,}", "note", "end"))
    words = (
        f"From block {found.first_block:,} to {found.last_block:,}: {sum(found.requested)} "
        f"requested, {sum(found.final)} final, {sum(found.slashed)} slashed."
    )
    return drawing("pulse", _PULSE_HEIGHT, "Tasks by block", words, parts, "pulse")


def layers(found: tuple[Layer, ...], steps: int) -> Markup:
    """Return the operators of a program in their order, each as long as its share of steps.

    Lengths are square roots of shares, so that small operators can be seen beside large ones.
    """
    shown = found[:_MOST_LAYERS]
    roots = [math.sqrt(layer.steps) for layer in shown]
    whole, x = sum(roots) or 1.0, 0.0
    parts = []
    for layer, root in zip(shown, roots, strict=True):
        width = WIDTH * root / whole
        share = 100 * layer.steps / steps
        hint = f"{layer.index} {layer.opcode} {layer.name}: {layer.steps:,} steps, {share:.2g} %"
        gap = 1 if width > 3 else 0
        parts.append(box(x, 2, width - gap, 44, f"layer {layer.opcode.lower()}", hint))
        x += width
    words = ", ".join(f"{name} {count}" for name, count in opcodes(found).items())
    return drawing("layers", 48, f"{len(found)} operators", words, parts, "layers")


def opcodes(found: tuple[Layer, ...]) -> dict[str, int]:
    """Return how many operators of each kind there are, the most frequent first."""
    return dict(Counter(layer.opcode for layer in found).most_common())


def face(id_: str) -> Markup:
    """Return a small picture that is the same for the same id, to tell ids apart at a glance."""
    digest = sha256(id_.lower().encode()).digest()
    hue = digest[0] % 12
    cells = []
    for row in range(_FACE):
        for column in range(3):
            if digest[1 + row * 3 + column] & 1:
                for x in {column, _FACE - 1 - column}:
                    cells.append(tag("rect", x=x, y=row, width=1.02, height=1.02))
    return tag(
        "svg", *cells, viewBox=f"0 0 {_FACE} {_FACE}", class_=f"face hue{hue}", aria_hidden="true"
    )
