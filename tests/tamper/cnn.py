"""Lies about the shipped network of digits."""

from __future__ import annotations

from .claims import Behind, OtherFlag, OtherInput, OtherTask, Revision
from .false_steps import At, FirstStep, Padding, Place
from .lie import ACCUMULATOR, CHALLENGER, DIRT, STORED, told
from .networks import Constant, Number

FIRST, LAST, MIDDLE = Place.FIRST, Place.LAST, Place.MIDDLE
REDUCE, FINISH = Place.REDUCE, Place.FINISH

CNN = (
    told("cnn first byte", "digits", "output", "first byte + 1", Behind("first byte")),
    told("cnn last byte", "digits", "output", "last byte − 1", Behind("last byte")),
    told("cnn one bit", "digits", "output", "one bit of the middle", Behind("one bit")),
    told("cnn swapped", "digits", "output", "two bytes change places", Behind("two bytes swapped")),
    told("cnn zeros", "digits", "output", "all zeros", Behind("all zeros"), CHALLENGER),
    told("cnn halted", "digits", "halted flag", "set; nothing here halts", OtherFlag()),
    told(
        "cnn halted challenge",
        "digits",
        "halted flag",
        "a challenger says it is set",
        OtherFlag(),
        CHALLENGER,
    ),
    told("cnn other input", "digits", "whole run", "of another picture", OtherInput()),
    told(
        "cnn other task", "digits", "final state", "of another task's run", OtherTask(), CHALLENGER
    ),
    told("cnn first step", "digits", "step 0", DIRT, FirstStep()),
    told("cnn last step", "digits", "last step", STORED, FirstStep(is_last=True)),
    told("cnn begin", "digits", "BEGIN", DIRT, At("BEGIN", FIRST, 3)),
    told("cnn free", "digits", "FREE", DIRT, At("FREE", FIRST, 2), CHALLENGER),
    told("cnn end", "digits", "END", STORED, At("END", FIRST), CHALLENGER),
    told("cnn conv first", "digits", "CONV, first step", ACCUMULATOR, At("CONV", FIRST)),
    told("cnn conv reduce", "digits", "CONV, reduce", ACCUMULATOR, At("CONV", REDUCE, 2)),
    told("cnn conv finish", "digits", "CONV, finish", STORED, At("CONV", FINISH, 3)),
    told("cnn conv last", "digits", "CONV, last step", STORED, At("CONV", LAST, -1), CHALLENGER),
    told("cnn pool reduce", "digits", "MAXPOOL, reduce", ACCUMULATOR, At("MAXPOOL", REDUCE)),
    told("cnn pool finish", "digits", "MAXPOOL, finish", STORED, At("MAXPOOL", FINISH), CHALLENGER),
    told("cnn add", "digits", "ADD, map", STORED, At("ADD", MIDDLE)),
    told(
        "cnn weight",
        "digits",
        "program",
        "first weight of each CONV",
        Revision(Constant("CONV", "weights")),
    ),
    told(
        "cnn bias",
        "digits",
        "program",
        "first bias of each CONV",
        Revision(Constant("CONV", "params", 64, 2)),
    ),
    told(
        "cnn scale",
        "digits",
        "program",
        "first scale of each CONV",
        Revision(Constant("CONV", "params", 1, 6)),
        CHALLENGER,
    ),
    told(
        "cnn zero point",
        "digits",
        "program",
        "input zero points",
        Revision(Number("CONV", "a_zero", 1)),
    ),
    told(
        "cnn padding",
        "digits",
        "output slot",
        "a byte behind the output's end",
        Padding(is_input=False),
    ),
)
