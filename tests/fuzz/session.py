"""One harness under the engine, in a process of its own that is forked when all is imported.

The engine (atheris, which is libFuzzer) keeps inputs that reach new branches of our own code. What
fails is written down and the search goes on; only an input that ends the process ends it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from hashlib import sha256
from io import StringIO
from pathlib import Path
from random import Random

import atheris

# Compiled, or of no interest, is all else; of kernels the judgement of their results guides.
_INSTRUMENTED = ["interpreter", "bisection", "infernet", "executor", "api", "eth_abi", "tomllib"]
_INSTRUMENTED += ["tests.fuzz.native"]
# It tells each module that it instruments.
with redirect_stderr(StringIO()), atheris.instrument_imports(include=_INSTRUMENTED):
    from .harness import Harness, kind_of, tried
    from .kept import kept_inputs
    from .mutations import MOST_BYTES
    from .table import HARNESSES

_MOST_SECONDS, _END_SECONDS, _GRACE_SECONDS = 10.0, 60, 300
_MOST_MIB, _MOST_ADDRESS_BYTES = 3_072, 16 << 30
_OWN_SHARE = 0.4


def run(name: str, seconds: int, folder: Path) -> str:
    """Fuzz for so long and return what the engine said.

    `folder`: where corpus, log and what was found are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    child = os.fork()
    if child == 0:
        _redirect(log)
        _fuzz(HARNESSES[name], seconds, folder)
        os._exit(0)
    has_ended = _wait(child, time.monotonic() + seconds + _GRACE_SECONDS)
    said = log.read_text(errors="replace")
    return said if has_ended else f"{said}\nSUMMARY: it did not end"


def _redirect(log: Path) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(target, stream)


def _wait(child: int, until: float) -> bool:
    """Return whether a process ended by itself; else it is ended."""
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _fuzz(harness: Harness, seconds: int, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESS_BYTES, _MOST_ADDRESS_BYTES))
    corpus, found = folder / "corpus", folder / "found"
    for each in (corpus, found):
        each.mkdir(exist_ok=True)
    for data in (*harness.seeds(), *(data for _, data in kept_inputs(harness.name))):
        (corpus / sha256(data).hexdigest()).write_bytes(data)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MOST_BYTES}",
        f"-timeout={_END_SECONDS}",
        f"-rss_limit_mb={_MOST_MIB}",
        f"-artifact_prefix={found}/",
        "-len_control=0",
        str(corpus),
    ]
    changed = _mutator(harness)
    atheris.Setup([sys.argv[0], *options], _trier(harness, found), custom_mutator=changed)
    atheris.Fuzz()


def _trier(harness: Harness, found: Path) -> Callable[[bytes], None]:
    seen: set[str] = set()

    def try_input(data: bytes) -> None:
        what = tried(harness, data, _MOST_SECONDS).failure
        if what and kind_of(what) not in seen:
            seen.add(kind_of(what))
            place = found / sha256(data).hexdigest()[:16]
            place.write_bytes(data)
            print(f"FOUND {place}: {what}", flush=True)

    return try_input


def _mutator(harness: Harness) -> Callable[[bytes, int, int], bytes]:
    def changed(data: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() > _OWN_SHARE:
            return bytes(atheris.Mutate(data, most))
        return harness.mutate(data, rng)[:most]

    return changed
