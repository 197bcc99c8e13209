"""Lies about BERT-Tiny."""

from __future__ import annotations

from .claims import Behind, OtherFlag, OtherInput, OtherTask, Revision
from .false_steps import At, Padding, Place
from .lie import ACCUMULATOR, CHALLENGER, DIRT, STORED, told
from .networks import Constant, Number

FIRST, LAST, MIDDLE = Place.FIRST, Place.LAST, Place.MIDDLE
REDUCE, FINISH = Place.REDUCE, Place.FINISH

ENCODER = (
    told("encoder first byte", "bert", "output", "first byte + 1", Behind("first byte")),
    told(
        "encoder swapped",
        "bert",
        "output",
        "two bytes change places",
        Behind("two bytes swapped"),
        CHALLENGER,
    ),
    told("encoder halted", "bert", "halted flag", "set; nothing here halts", OtherFlag()),
    told("encoder other input", "bert", "whole run", "of another sentence", OtherInput()),
    told(
        "encoder other task",
        "bert",
        "final state",
        "of another task's run",
        OtherTask(),
        CHALLENGER,
    ),
    told("encoder begin", "bert", "BEGIN", DIRT, At("BEGIN", FIRST, 5)),
    told("encoder free", "bert", "FREE", DIRT, At("FREE", FIRST, -1)),
    told("encoder end", "bert", "END", STORED, At("END", FIRST)),
    told("encoder copy", "bert", "COPY", STORED, At("COPY", MIDDLE)),
    told("encoder scale", "bert", "SCALE, map", STORED, At("SCALE", MIDDLE, 2)),
    told("encoder matmul reduce", "bert", "MATMUL, reduce", ACCUMULATOR, At("MATMUL", REDUCE, 3)),
    told(
        "encoder matmul finish", "bert", "MATMUL, finish", STORED, At("MATMUL", FINISH), CHALLENGER
    ),
    told("encoder logit", "bert", "last MATMUL, last step", STORED, At("MATMUL", LAST, -1)),
    told("encoder sum", "bert", "REDUCE, reduce", ACCUMULATOR, At("REDUCE", REDUCE, 1)),
    told("encoder maximum", "bert", "REDUCE, finish", STORED, At("REDUCE", FINISH), CHALLENGER),
    told("encoder lookup", "bert", "LOOKUP, map", STORED, At("LOOKUP", FIRST)),
    told("encoder root", "bert", "ROOT, map", STORED, At("ROOT", FIRST)),
    told("encoder mask", "bert", "MASK, map", STORED, At("MASK", FIRST)),
    told("encoder combine", "bert", "COMBINE, map", STORED, At("COMBINE", FIRST), CHALLENGER),
    told(
        "encoder weight",
        "bert",
        "program",
        "first weight of each product",
        Revision(Constant("MATMUL", "b_walk.offset")),
    ),
    told(
        "encoder rounding",
        "bert",
        "program",
        "each SCALE shifts by a bit more",
        Revision(Number("SCALE", "shift", 1)),
    ),
    told(
        "encoder table",
        "bert",
        "program",
        "first entry of each table",
        Revision(Constant("LOOKUP", "table", 1)),
    ),
    told(
        "encoder padding",
        "bert",
        "input slot",
        "a byte behind the input's end",
        Padding(is_input=True),
    ),
)
