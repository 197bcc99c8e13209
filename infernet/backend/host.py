"""What computes on this machine: processor, libraries, and the kernels that they chose."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from .hashing import hashing_status
from .products import products_status
from .sequence.engine import sequences_status

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Host:
    """A machine as its digests are told apart.

    `numpy_features`: the instruction sets beyond its baseline that NumPy found; it asks the
    processor itself. `products`, `sequences`, `hashing`: the compiled kernels in use.
    """

    processor: str
    architecture: str
    system: str
    python: str
    numpy: str
    numpy_features: tuple[str, ...]
    onnxruntime: str
    products: str
    sequences: str
    hashing: str


def describe_host() -> Host:
    """Return what computes here."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return Host(
        processor_name(),
        platform.machine(),
        platform.system(),
        platform.python_version(),
        np.__version__,
        tuple(found),
        ort.__version__,
        products_status(),
        sequences_status(),
        hashing_status(),
    )


def processor_name() -> str:
    """Return what the processor is called, as far as the system tells."""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"
    facts = cpu_facts()
    if platform.machine() == "aarch64":
        parts = [facts[key] for key in ("CPU implementer", "CPU part") if key in facts]
        return f"Arm {' '.join(parts)}" if parts else "unknown"
    return facts.get("model name") or platform.processor() or "unknown"


def cpu_facts() -> dict[str, str]:
    """Return what Linux says of the first processor; nothing on other systems."""
    try:
        first = _CPUINFO.read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
