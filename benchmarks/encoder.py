"""BERT-Tiny, 128 tokens, one thread: ids to (logits, state hash), against ONNX Runtime's floats.

The rivals are ONNX Runtime on the same weights in float32, and after its own dynamic INT8
quantisation; both with its default optimisations.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import QuantType, quantize_dynamic

from infernet.backend.engine import open_engine
from infernet.backend.trace import Trace
from infernet.models.sequence.encoder import encoder_program
from infernet.models.sequence.quantise import quantise
from infernet.models.sequence.seeded import BERT_TINY, seeded_encoder, seeded_sequences
from interpreter.program import Program

from .encoder_graph import graph_of
from .nets import interleaved

TOKENS = 128
ROUNDS = 300
# Of our time to theirs.
FLOAT_LIMIT, DYNAMIC_LIMIT = 1.0, 1.6


def main() -> int:
    """Print the times side by side; return the number of limits that were missed."""
    real = seeded_encoder(BERT_TINY, 1)
    words = seeded_sequences(BERT_TINY, 2, (TOKENS, 64, 10))
    program, _ = encoder_program(quantise(real, words), TOKENS)
    engine = open_engine(program, threads=1)
    ids = words[0]
    data = np.append(ids, TOKENS).astype("<i4").view(np.uint8)

    def ours() -> tuple[bytes, bytes]:
        trace = Trace(program, data, engine)
        return trace.output, trace.final.hash

    with tempfile.TemporaryDirectory() as folder:
        plain, dynamic = Path(folder) / "plain.onnx", Path(folder) / "dynamic.onnx"
        onnx.save(graph_of(real, TOKENS), plain)
        quantize_dynamic(plain, dynamic, weight_type=QuantType.QInt8)
        rivals = {"float": _session(plain), "dynamic": _session(dynamic)}
    feed = {"ids": ids.astype(np.int64)}
    _require_same(program, ours()[0], rivals["float"].run(None, feed)[0])
    took = interleaved(
        ROUNDS,
        ours=ours,
        float=lambda: rivals["float"].run(None, feed),
        dynamic=lambda: rivals["dynamic"].run(None, feed),
    )
    print(f"BERT-Tiny, {TOKENS} tokens, one thread, {engine.name}: {took['ours']:.3f} ms")
    missed = 0
    for name, title, limit in (
        ("float", "ONNX Runtime float32", FLOAT_LIMIT),
        ("dynamic", "ONNX Runtime dynamic INT8", DYNAMIC_LIMIT),
    ):
        ratio = took["ours"] / took[name]
        missed += ratio > limit
        print(f"  {title:<26} {took[name]:.3f} ms: ours takes {ratio:.2f} of it (limit {limit})")
    return missed


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _require_same(program: Program, output: bytes, logits: np.ndarray) -> None:
    """Raise unless both sides mean the same network."""
    found = np.frombuffer(output, program.header.output_dtype.numpy).astype(np.float64)
    real = logits.ravel().astype(np.float64)
    likeness = found @ real / (np.linalg.norm(found) * np.linalg.norm(real))
    if likeness < 0.99:
        raise RuntimeError(f"the rival computes another network: cosine {likeness:.4f}")
