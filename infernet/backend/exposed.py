"""What an engine shows of one iteration of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Exposed:
    """One iteration from the inside.

    `tensors`: by operator index, the bytes of the destination after each operator that stores, up
    to the HALT that ends the run, if one does. `kept`: by slot, the kept tensors before the
    iteration; there are none before the first.
    """

    tensors: dict[int, Bytes]
    kept: dict[int, Bytes]
