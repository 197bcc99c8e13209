"""Lies about stories260K: a story that ends, and one that is drawn and goes on."""

from __future__ import annotations

from .claims import Behind, Fewer, OtherFlag, OtherInput, OtherTask, Revision
from .false_steps import At, FirstStep, Kind, Padding, Place
from .lie import ACCUMULATOR, CHALLENGER, DIRT, STORED, told
from .networks import Constant, Number

FIRST, MIDDLE, REDUCE, FINISH = Place.FIRST, Place.MIDDLE, Place.REDUCE, Place.FINISH

DECODER = (
    told("decoder first token", "ends", "output", "first byte + 1", Behind("first byte")),
    told("decoder last byte", "ends", "output", "last byte − 1", Behind("last byte"), CHALLENGER),
    told("decoder cut flag", "ends", "halted flag", "denied; the run halts", OtherFlag()),
    told("decoder set flag", "goes on", "halted flag", "set; the run does not halt", OtherFlag()),
    told(
        "decoder denied flag",
        "ends",
        "halted flag",
        "a challenger denies it",
        OtherFlag(),
        CHALLENGER,
    ),
    told("decoder other prompt", "ends", "whole run", "of another prompt", OtherInput()),
    told(
        "decoder other task",
        "goes on",
        "final state",
        "of another task's run",
        OtherTask(),
        CHALLENGER,
    ),
    told("decoder one iteration less", "goes on", "whole run", "127 of 128 iterations", Fewer(127)),
    told(
        "decoder half the iterations",
        "goes on",
        "whole run",
        "64 of 128 iterations",
        Fewer(64),
        CHALLENGER,
    ),
    told(
        "decoder stops before its end",
        "ends",
        "whole run",
        "20 iterations; it halts in the 31st",
        Fewer(20),
    ),
    told("decoder first step", "ends", "step 0", DIRT, FirstStep()),
    told("decoder last step", "goes on", "last step", STORED, FirstStep(is_last=True)),
    told("decoder begin", "ends", "BEGIN", DIRT, At("BEGIN", FIRST, 7, 3)),
    told("decoder keep", "ends", "KEEP, first iteration", DIRT, At("KEEP", FIRST, 1)),
    told(
        "decoder keep later",
        "goes on",
        "KEEP, later iteration",
        DIRT,
        At("KEEP", FIRST, 1, 9),
        CHALLENGER,
    ),
    told("decoder free", "ends", "FREE", DIRT, At("FREE", FIRST, 4, -1)),
    told(
        "decoder end of an iteration", "goes on", "END, not the last", DIRT, At("END", FIRST, 0, 5)
    ),
    told("decoder embed", "ends", "EMBED, map", STORED, At("EMBED", FIRST, 0, 2)),
    told("decoder scale", "goes on", "SCALE, map", STORED, At("SCALE", MIDDLE, 8, 40)),
    told("decoder squares", "ends", "REDUCE, reduce", ACCUMULATOR, At("REDUCE", REDUCE)),
    told("decoder root", "ends", "ROOT, map", STORED, At("ROOT", FIRST, 2, 7)),
    told(
        "decoder matmul reduce", "ends", "MATMUL, reduce", ACCUMULATOR, At("MATMUL", REDUCE, 5, -1)
    ),
    told(
        "decoder matmul finish",
        "goes on",
        "MATMUL, finish",
        STORED,
        At("MATMUL", FINISH, 5, 99),
        CHALLENGER,
    ),
    told("decoder rotate", "ends", "ROTATE, map", STORED, At("ROTATE", FIRST, 1, 11)),
    told("decoder mask", "ends", "MASK, map", STORED, At("MASK", MIDDLE, 2, 5)),
    told("decoder lookup", "ends", "LOOKUP, map", STORED, At("LOOKUP", FIRST, 0, 12)),
    told("decoder combine", "goes on", "COMBINE, map", STORED, At("COMBINE", FIRST, 3, 64)),
    told("decoder append", "ends", "COPY into the cache", STORED, Kind("KV entry")),
    told(
        "decoder append challenge",
        "goes on",
        "COPY into the cache",
        STORED,
        Kind("KV entry"),
        CHALLENGER,
    ),
    told("decoder copy", "ends", "COPY, last of an iteration", STORED, At("COPY", FIRST, -1, 4)),
    told("decoder token", "ends", "TOKEN", STORED, Kind("token")),
    told("decoder token challenge", "goes on", "TOKEN", STORED, Kind("token"), CHALLENGER),
    told("decoder logit", "ends", "last MATMUL, finish", STORED, Kind("logit")),
    told("decoder draw", "goes on", "DRAW", STORED, At("DRAW", FIRST, 0, 50)),
    told(
        "decoder pick",
        "goes on",
        "REDUCE, pick of the draw",
        ACCUMULATOR,
        At("REDUCE", REDUCE, -1, 30),
    ),
    told("decoder sample", "goes on", "DRAW or pick, drawn", STORED, Kind("sample"), CHALLENGER),
    told(
        "decoder stop ignored", "ends", "HALT", "goes on where it must halt", Kind("stop ignored")
    ),
    told(
        "decoder stop too early",
        "goes on",
        "HALT",
        "halts where it must not",
        Kind("stop too early"),
    ),
    told(
        "decoder stop in the prompt",
        "ends",
        "HALT",
        "halts inside the prompt",
        Kind("stop inside the prompt"),
        CHALLENGER,
    ),
    told(
        "decoder halted tail",
        "ends",
        "a step after the end",
        "changes the output",
        Kind("halted tail"),
    ),
    told(
        "decoder tail challenge",
        "ends",
        "a step after the end",
        "changes the output",
        Kind("halted tail"),
        CHALLENGER,
    ),
    told(
        "decoder weight",
        "ends",
        "program",
        "first weight of each product",
        Revision(Constant("MATMUL", "b_walk.offset")),
    ),
    told(
        "decoder embedding",
        "goes on",
        "program",
        "an entry of a token of the prompt",
        Revision(Constant("EMBED", "table", 64, 128 * 274 + 1)),
    ),
    told(
        "decoder rotation",
        "ends",
        "program",
        "first entries of the rotation",
        Revision(Constant("ROTATE", "table", 64, 41)),
    ),
    told(
        "decoder rounding",
        "ends",
        "program",
        "each SCALE shifts by a bit more",
        Revision(Number("SCALE", "shift", 1)),
        CHALLENGER,
    ),
    told(
        "decoder padding",
        "ends",
        "input slot",
        "a byte behind the input's end",
        Padding(is_input=True),
    ),
)
