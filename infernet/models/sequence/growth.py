"""Decoders to programs on disk, layer by layer: what is killed goes on where it was."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from interpreter.merkle import tree_of_bytes
from interpreter.program import HashConstants, Program

from ..errors import UnusableStore
from ..space import Constants
from .arithmetic import Reals
from .decode import Choices, Emitter
from .decoder import Calibration, Decoder
from .draft import Tensor
from .elements import I32

Progress = Callable[[int, int], None]

CONSTANTS = "constants.bin"
_STATE, _LOCK = "state.json", ".lock"


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder in which a program grows. `identity`: what it is made from, so that another
    import does not go on with it.

        constants.bin    the constants so far
        state.json       the layers that are done, and the draft then
        stream-<n>.npz   the calibration text after n layers
    """

    folder: Path
    identity: str

    def read(self) -> dict[str, Any] | None:
        """Return the last state of the same import, or None where there is none."""
        try:
            state = json.loads((self.folder / _STATE).read_text())
            held = (self.folder / CONSTANTS).stat().st_size
        except (FileNotFoundError, ValueError):
            return None
        is_same = isinstance(state, dict) and state.get("identity") == self.identity
        return state if is_same and held >= state["draft"]["constants_bytes"] else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other imports out, or raise UnusableStore if one is at work."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UnusableStore(
                    f"another import is at work in {self.folder}; wait for it, or choose --name"
                ) from None
            yield

    def streams(self, layers: int) -> list[Reals]:
        """Return the calibration's streams after so many layers."""
        with np.load(self._stream_path(layers)) as found:
            return [found[name] for name in found.files]

    def save(self, state: dict[str, Any], streams: Sequence[Reals]) -> None:
        """Write a state; a kill at any moment leaves this one or the one before."""
        layers = state["layers"]
        with self._stream_path(layers).open("wb") as file:
            np.savez(file, *streams)
            file.flush()
            os.fsync(file.fileno())
        fresh = self.folder / f".{_STATE}"
        with fresh.open("w") as text:
            json.dump({**state, "identity": self.identity}, text)
            text.flush()
            os.fsync(text.fileno())
        fresh.replace(self.folder / _STATE)
        self._stream_path(layers - 1).unlink(missing_ok=True)

    def _stream_path(self, layers: int) -> Path:
        return self.folder / f"stream-{layers}.npz"


def grow(
    decoder: Decoder,
    tokens: Sequence[int],
    choices: Choices,
    place: Workplace,
    *,
    hash_bytes: HashConstants = tree_of_bytes,
    progress: Progress = lambda done, total: None,
) -> tuple[Program, tuple[str, ...]]:
    """Return the program of a decoder, its constants in the workplace's file, and the layer
    behind each operator.

    One layer is in memory at a time; its ranges are measured on `tokens` and it is written. After
    a kill the same call goes on with the first layer that is not done. Raises as
    `decoder_program`, and InvalidCalibration.
    """
    with closing(Constants(place.folder / CONSTANTS)) as constants:
        emitter = Emitter(decoder, choices, constants)
        stream = _grow_layers(decoder, Calibration(decoder, tokens), emitter, place, progress)
        emitter.sample(stream)
        return emitter.finish(hash_bytes), tuple(emitter.draft.names)


def _grow_layers(
    decoder: Decoder,
    calibration: Calibration,
    emitter: Emitter,
    place: Workplace,
    progress: Progress,
) -> Tensor:
    """Write the layers that are not done yet and return the stream after the last."""
    total = decoder.shape.layers
    state = place.read()
    if state is None:
        progress(0, total)
        stream, done = emitter.embedding(), 0
        _save(place, emitter, calibration, stream, done)
    else:
        done = state["layers"]
        emitter.draft.resume(state["draft"])
        calibration.streams = place.streams(done)
        stream = Tensor(state["stream"], I32, 1, decoder.shape.width)
    for index in range(done, total):
        progress(index, total)
        layer = decoder.layer(index)
        stream = emitter.layer(stream, index, layer, calibration.through(layer))
        _save(place, emitter, calibration, stream, index + 1)
    progress(total, total)
    return stream


def _save(
    place: Workplace, emitter: Emitter, calibration: Calibration, stream: Tensor, layers: int
) -> None:
    emitter.draft.constants.sync()
    state = {"layers": layers, "stream": stream.slot, "draft": emitter.draft.state()}
    place.save(state, calibration.streams)


def forget(folder: Path) -> None:
    """Remove from a finished model's folder what only an unfinished one needs."""
    for path in (folder / _STATE, folder / _LOCK, *folder.glob("stream-*.npz")):
        path.unlink(missing_ok=True)
