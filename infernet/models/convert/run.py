"""Walk the nodes of a source and hand each to the handler of its operator."""

from __future__ import annotations

from ..graph import FloatGraph
from ..source import Source
from .builder import Builder
from .convolution import CONVOLUTIONS
from .elementwise import ELEMENTWISE
from .layout import LAYOUTS
from .pooling import POOLS
from .quantised import QUANTISED

HANDLERS = {**CONVOLUTIONS, **POOLS, **ELEMENTWISE, **LAYOUTS, **QUANTISED}

_AFTER_END = {
    "QuantizeLinear",
    "DequantizeLinear",
    "Cast",
    "Identity",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
}
_ALIASES_AFTER_END = {"QuantizeLinear", "DequantizeLinear", "Cast", "Identity"}


def convert(source: Source) -> FloatGraph:
    """Return the float graph of a source, or raise UnsupportedNode."""
    builder = Builder(source)
    for node in source.nodes:
        if all(name in builder.constants for name in node.inputs if name):
            # Shapes of activations are constants by now, and so is what follows from them.
            source.evaluate(node)
            continue
        builder.begin(node)
        if not builder.after_end.isdisjoint(node.inputs):
            builder.after_end.update(node.outputs)
            if node.op not in _AFTER_END:
                builder.refuse("it follows a Softmax or ArgMax, which must end the graph")
            if node.op in _ALIASES_AFTER_END:
                builder.set_output(builder.value())
                continue
        handler = HANDLERS.get(node.op)
        if handler is None:
            builder.refuse("this operator has no exact integer counterpart; see docs/models.md")
        try:
            handler(builder)
        except (ValueError, IndexError, KeyError, TypeError) as error:
            builder.refuse(f"its inputs or attributes do not fit together ({error})")
    return builder.finish()
