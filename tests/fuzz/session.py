"""One harness under the engine, in a process of its own: python -m tests.fuzz.session NAME SECONDS.

The engine (atheris, which is libFuzzer) keeps inputs that reach new branches of our own code. What
fails is written down and the search goes on; only an input that ends the process ends it.
"""

from __future__ import annotations

import resource
import sys
from hashlib import sha256
from pathlib import Path
from random import Random

import atheris

from .mutations import MOST_BYTES

# Compiled, or of no interest, is all else.
INSTRUMENTED = ["interpreter", "bisection", "infernet", "executor", "api", "eth_abi", "tomllib"]
_MOST_SECONDS, _END_SECONDS = 10.0, 40
_MOST_MIB, _MOST_ADDRESS_BYTES = 3_072, 16 << 30
_OWN_SHARE = 0.4


def main(name: str, seconds: int, folder: Path) -> None:
    """Fuzz for so long; `folder`: where the corpus and what was found are kept."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESS_BYTES, _MOST_ADDRESS_BYTES))
    with atheris.instrument_imports(include=INSTRUMENTED):
        from .harness import kind_of, tried
        from .kept import kept_inputs
        from .table import HARNESSES
    harness = HARNESSES[name]
    corpus, found = folder / "corpus", folder / "found"
    for each in (corpus, found):
        each.mkdir(parents=True, exist_ok=True)
    for data in (*harness.seeds(), *(data for _, data in kept_inputs(name))):
        (corpus / sha256(data).hexdigest()).write_bytes(data)
    seen: set[str] = set()

    def try_input(data: bytes) -> None:
        what = tried(harness, data, _MOST_SECONDS).failure
        if what and kind_of(what) not in seen:
            seen.add(kind_of(what))
            place = found / sha256(data).hexdigest()[:16]
            place.write_bytes(data)
            place.with_suffix(".txt").write_text(what)
            print(f"FOUND {place}: {what}", flush=True)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() > _OWN_SHARE:
            return bytes(atheris.Mutate(data, most))
        return harness.mutate(data, rng)[:most]

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MOST_BYTES}",
        f"-timeout={_END_SECONDS}",
        f"-rss_limit_mb={_MOST_MIB}",
        f"-artifact_prefix={found}/",
        "-len_control=0",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], try_input, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
