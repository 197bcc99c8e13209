"""What is posted: tasks that differ from each other."""

from __future__ import annotations

from random import Random

_PIXELS = 256
_MODEL = "digits"


def body_of(random: Random) -> bytes:
    """Return a task in JSON whose input is a picture of 16x16 grey values nobody saw before."""
    values = ",".join([f"0.{value:03}" for value in random.randbytes(_PIXELS)])
    return b'{"model":"%s","input":{"tensor":[%s]}}' % (_MODEL.encode(), _nested(values).encode())


def _nested(values: str) -> str:
    """Return comma separated numbers of five characters as rows of sixteen, in one channel."""
    step = 16 * 6
    rows = [values[at : at + step].rstrip(",") for at in range(0, len(values), step)]
    return "[[" + "],[".join(rows) + "]]"
