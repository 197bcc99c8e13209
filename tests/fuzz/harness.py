"""What a harness is, and when an input makes it fail."""

from __future__ import annotations

import re
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .mutations import Mutate, of_bytes

# Of the thread's own processor, so that a busy machine fails nothing.
MOST_SECONDS = 3.0
MOST_MIB = 512
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_ROOT = Path(__file__).parents[2]
_ROOMS = ("interpreter", "bisection", "infernet", "executor", "fisherman", "api")


class Disagreement(Exception):
    """A decoder takes what is not canonical, or two decoders judge one input differently."""


@dataclass(frozen=True, slots=True)
class Harness:
    """One decoder. `seeds`: real objects, encoded, which `call` takes; `refusals`: what `call` may
    raise for anything else, as the decoder's documentation says.

    `tries`: mutated inputs in the default tests.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    call: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    mutate: Mutate = of_bytes
    tries: int = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a decoder took an input. `failure`: what is wrong with that, "" if nothing is."""

    failure: str = ""
    is_refused: bool = False


def tried(harness: Harness, data: bytes, most_seconds: float = MOST_SECONDS) -> Outcome:
    """Give a decoder an input."""
    before, is_refused = _peak_mib(is_reset=True), False
    began = time.thread_time()
    try:
        with warnings.catch_warnings():
            # What a library says of a bad file; numbers that overflow are ours.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            harness.call(data)
    except harness.refusals:
        is_refused = True
    except (KeyboardInterrupt, SystemExit):
        raise
    # A panic of a compiled library is a BaseException.
    except BaseException as error:  # noqa: BLE001
        return Outcome(f"{type(error).__name__} at {_place(error)}: {str(error)[:200]}")
    seconds, grown = time.thread_time() - began, _peak_mib() - before
    # Getting memory takes time; so what grows too much may be slow as well.
    if grown > MOST_MIB:
        return Outcome(f"memory: {grown} MiB more", is_refused)
    if seconds > most_seconds:
        return Outcome(f"slow: {seconds:.1f} s", is_refused)
    return Outcome(is_refused=is_refused)


def kind_of(what: str) -> str:
    """Return a failure without what differs from input to input: error and place."""
    return what.partition(": ")[0]


def _peak_mib(*, is_reset: bool = False) -> int:
    """Return the most memory that this process has held, of late if it is reset."""
    if is_reset:
        # Linux: forget the peak so far.
        _CLEAR.write_text("5")
    found = _PEAK.search(_STATUS.read_text())
    assert found is not None
    return int(found[1]) >> 10


def _place(error: BaseException) -> str:
    """Return the last line of the project's own that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if _is_ours(Path(frame.filename))]
    last = (inside or frames)[-1]
    name = Path(last.filename)
    shown = name.relative_to(_ROOT) if name.is_relative_to(_ROOT) else Path(name.name)
    return f"{shown}:{last.lineno}"


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _ROOMS
