"""Elements of SVG as text that is safe in a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

# Drawn at this width on a phone; wider screens enlarge it.
WIDTH = 400


def tag(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """Return an element. Attributes: `_` stands for `-`, a trailing one is left out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(children)
    return Markup(f"<{name}{shown}>{inside}</{name}>")


def drawing(
    id_: str, height: float, title: str, description: str, parts: Iterable[Markup], kind: str
) -> Markup:
    """Return a whole picture of width WIDTH that a screen reader reads by title and description."""
    return tag(
        "svg",
        tag("title", title, id=f"{id_}-title"),
        tag("desc", description, id=f"{id_}-text"),
        *parts,
        viewBox=f"0 0 {WIDTH} {_number(height)}",
        class_=f"drawing {kind}",
        role="img",
        aria_labelledby=f"{id_}-title {id_}-text",
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> Markup:
    """Return a line of text on its base line."""
    return tag("text", words, x=x, y=y, class_=kind or None, text_anchor=anchor)


def box(
    x: float, y: float, width: float, height: float, kind: str, hint: str = "", r: float = 2
) -> Markup:
    """Return a rectangle with round corners; `hint`: shown by the pointer."""
    inside = (tag("title", hint),) if hint else ()
    return tag("rect", *inside, x=x, y=y, width=max(width, 0), height=height, rx=r, class_=kind)


def shape(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """Return a filled polygon."""
    listed = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
    return tag("polygon", points=listed, class_=kind)


def _number(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
