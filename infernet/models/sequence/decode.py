"""The parts of a decoder's program: one iteration a position, from its token to the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interpreter.merkle import tree_of_bytes
from interpreter.operators import (
    CombineKind,
    Copy,
    Draw,
    Embed,
    Halt,
    Lookup,
    Reduce,
    ReduceKind,
    ScaleMode,
    Token,
)
from interpreter.operators.base import MAP_ELEMENTS
from interpreter.program import HashConstants, Program
from interpreter.tensors import DType

from ..errors import InvalidOption, InvalidSource
from ..space import Constants
from .arithmetic import Array, Dyadic, Reals, dyadic, in_steps, nearest, widest_step
from .attention import (
    TURN_BITS,
    Heads,
    Turns,
    append_key,
    append_value,
    attention,
    rotated,
)
from .decoder import Decoder, DecoderLayer, DecoderShape, LayerRanges, silu
from .draft import Draft, Tensor
from .elements import I8, I16, I32, I64, NONE, combined, reduced, scaled
from .matrices import Matrix, largest_magnitude, over_blocks
from .request import COLDNESS, COLDNESS_BITS, GREEDY, LENGTH, PROMPT, SEED, input_elements
from .rows import (
    STREAM_LIMIT,
    STREAM_STEP,
    WIDE_TOP,
    Dynamic,
    Real,
    exponents,
    linear,
    on_own_scale,
    rms_norm,
)

# Keys of i8 are rotated from inputs that are 2**7 times finer.
_FINER_BITS = 7
# A channel's step is at least this part of the largest, so that multipliers keep their bits.
_LEAST_SHARE = 1 / 64
# The gate's table: so many entries, each for 2**_GATE_SHIFT units of the gate.
_GATE_ENTRIES, _GATE_SHIFT = 1 << 14, 2
# What a text may exceed the calibration's magnitudes by: where bits are few, where not, and of
# gates, which vary most.
_BYTE_MARGIN, _MARGIN, _GATE_MARGIN = 1.2, 2.0, 3.0
_LOGIT_STEP, _LOGIT_LIMIT = STREAM_STEP, (1 << 30) - 1
_ODDS_TOP = 1 << 24


@dataclass(frozen=True, slots=True)
class Choices:
    """How a decoder becomes integers.

    `context`: positions, a multiple of 32. `activation`: i8 or i16, what meets the weights.
    `cache`: i8 or i16, of kept keys and values. `weight_bytes`: 1, or 2 for what small models lose
    to eight bits. `end_tokens`: end the run when one is made.
    """

    context: int
    end_tokens: tuple[int, ...]
    activation: DType = I8
    cache: DType = I8
    weight_bytes: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Steps of each channel: keys', which the queries make up for, and values'.

    `query [width]`, `key, value [kv_width]`; `score`: of an integer query times an integer key.
    """

    query: Reals
    key: Reals
    value: Reals
    score: float

    def shares(self, heads: Heads) -> Reals:
        """Return each context channel's step as a part of the largest, `f64[width]`."""
        by_head = (self.value / self.value.max()).reshape(heads.kv_heads, heads.head)
        shares: Reals = by_head.repeat(heads.group, axis=0).ravel()
        return shares


def _steps(shape: DecoderShape, ranges: LayerRanges, cache: DType) -> _Steps:
    margin = _BYTE_MARGIN if cache == I8 else _MARGIN
    key, value = (
        np.maximum(found, found.max() * _LEAST_SHARE) * margin / cache.maximum
        for found in (ranges.key, ranges.value)
    )
    shared = key.repeat(shape.heads // shape.kv_heads, axis=0)
    unit = float((ranges.query * shared).max()) * _MARGIN / WIDE_TOP
    # Both of a pair have one step, so that turning them keeps it.
    query, key = ((found.repeat(2, axis=1)).ravel() for found in (unit / shared, key))
    return _Steps(query, key, value, unit / float(np.sqrt(shape.head)))


class Emitter:
    """Emits a decoder part by part: `embedding`, each `layer`, `sample`, then the draft's end.

    Raises InvalidOption for a context that the decoder does not have. `constants`: where they grow.
    """

    def __init__(
        self, decoder: Decoder, choices: Choices, constants: Constants | None = None
    ) -> None:
        shape = decoder.shape
        if shape.context < MAP_ELEMENTS:
            raise InvalidSource(
                f"the model knows {shape.context} positions; a program has at least {MAP_ELEMENTS}"
            )
        if choices.context % MAP_ELEMENTS or not 0 < choices.context <= shape.context:
            raise InvalidOption(
                f"context {choices.context} is not a multiple of {MAP_ELEMENTS} up to "
                f"{shape.context}"
            )
        self.decoder, self.choices = decoder, choices
        self.heads = Heads(shape.heads, shape.kv_heads, shape.head, choices.context)
        self.inputs = input_elements(choices.context)
        self.draft = Draft(I32, (1, 1, 1, self.inputs), constants)
        self.draft.layer = "embedding"
        self.output = self.draft.keep(I32, 1, choices.context)
        # Registers of kept tensors must never serve another, so they are taken first.
        self.caches = [self._cache() for _ in range(shape.layers)]
        self.turns = self._turns()

    def _cache(self) -> tuple[Tensor, Tensor]:
        """Keep a layer's keys `[kv_heads, context, head]` and values, transposed."""
        shape, context, dtype = self.decoder.shape, self.choices.context, self.choices.cache
        keys = self.draft.keep(dtype, shape.kv_heads * context, shape.head)
        return keys, self.draft.keep(dtype, shape.kv_width, context)

    def _turns(self) -> Turns:
        angles = self.decoder.shape.turns(self.choices.context)
        pairs = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        table = self.draft.table_of(nearest(pairs * 2.0**TURN_BITS).astype("<i2"))
        return Turns(table, self.choices.context)

    def _silu(self, gate_step: float) -> tuple[int, float]:
        units = (np.arange(_GATE_ENTRIES) - _GATE_ENTRIES // 2 + 0.5) * 2**_GATE_SHIFT
        values = silu(units * gate_step)
        step = widest_step(values, WIDE_TOP)
        return self.draft.table_of(nearest(values / step).astype("<i2")), step

    def embedding(self) -> Tensor:
        """Return the stream of the position's token."""
        draft, shape = self.draft, self.decoder.shape
        token = draft.begin(I32, 1, 1)
        made = self.output
        draft.put(Token(token.slot, 0, made.slot, self.inputs, LENGTH, PROMPT, made.count))
        words = self.decoder.embedding
        step = largest_magnitude(words) / WIDE_TOP or 1.0
        blocks = over_blocks(words, lambda _, block: in_steps(block, step, np.int16))
        table = draft.rows_of(blocks)
        row = draft.begin(I16, 1, shape.width)
        sizes = (1, shape.width, token.slot, I32, 1, 0, shape.vocabulary, table, 0)
        draft.put(Embed(row.slot, I16, *sizes))
        stream = scaled(draft, row, I32, dyadic(step / STREAM_STEP), limit=STREAM_LIMIT)
        draft.free(token, row)
        return stream

    def layer(self, stream: Tensor, index: int, layer: DecoderLayer, ranges: LayerRanges) -> Tensor:
        """Return the stream after attention and the gated layer; the one before is freed."""
        self.draft.layer = f"layer {index}"
        context = self._attention(stream, layer, ranges, *self.caches[index])
        steps = _steps(self.decoder.shape, ranges, self.choices.cache)
        out = np.asarray(layer.out)
        stream = self._added(stream, context, out * steps.shares(self.heads).astype(out.dtype))
        product = self._gated(stream, layer, ranges)
        return self._added(stream, product, layer.down)

    def _added(self, stream: Tensor, x: Real, weights: Matrix) -> Tensor:
        draft = self.draft
        dynamic = on_own_scale(draft, x, self.choices.activation)
        change = self._linear(dynamic, weights, STREAM_STEP, I32, STREAM_LIMIT)
        after = combined(draft, stream, change, CombineKind.ADD, I32, 0, STREAM_LIMIT)
        dynamic.free(draft)
        draft.free(x.tensor, change, stream)
        return after

    def _linear(
        self, x: Dynamic, weights: Matrix, steps: Reals | float, dtype: DType, limit: int
    ) -> Tensor:
        return linear(self.draft, x, weights, steps, dtype, limit, self.choices.weight_bytes)

    def _normalised(self, stream: Tensor, weights: Array) -> Real:
        return rms_norm(self.draft, stream, weights, self.decoder.shape.epsilon)

    def _attention(
        self, stream: Tensor, layer: DecoderLayer, ranges: LayerRanges, keys: Tensor, values: Tensor
    ) -> Real:
        """Return the context in units of the largest value's step; `layer.out` has the others."""
        draft, shape, cache = self.draft, self.decoder.shape, self.choices.cache
        steps = _steps(shape, ranges, cache)
        entry = self._normalised(stream, layer.attention_norm)
        dynamic = on_own_scale(draft, entry, self.choices.activation)
        finer = _FINER_BITS if cache == I8 else 0
        key = self._linear(dynamic, layer.key, steps.key / 2**finer, I16, WIDE_TOP)
        key = rotated(draft, key, cache, shape.head, self.turns, finer)
        append_key(draft, keys, key, self.heads)
        value = self._linear(dynamic, layer.value, steps.value, cache, cache.maximum)
        append_value(draft, values, value, self.heads)
        query = self._linear(dynamic, layer.query, steps.query, I16, WIDE_TOP)
        query = rotated(draft, query, I16, shape.head, self.turns, 0)
        dynamic.free(draft)
        draft.free(entry.tensor, key, value)
        kept = Real(values, float(steps.value.max()))
        context = attention(draft, query, keys, kept, self.heads, steps.score)
        draft.free(query)
        return context

    def _gated(self, stream: Tensor, layer: DecoderLayer, ranges: LayerRanges) -> Real:
        draft, hidden = self.draft, self.decoder.shape.hidden
        entry = self._normalised(stream, layer.hidden_norm)
        dynamic = on_own_scale(draft, entry, self.choices.activation)
        gate_step = ranges.gate * _GATE_MARGIN / WIDE_TOP
        table, silu_step = self._silu(gate_step)
        gate = self._linear(dynamic, layer.gate, gate_step, I16, WIDE_TOP)
        up_step = ranges.up * _MARGIN / WIDE_TOP
        up = self._linear(dynamic, layer.up, up_step, I16, WIDE_TOP)
        dynamic.free(draft)
        draft.free(entry.tensor)
        opened = draft.begin(I16, 1, hidden)
        offset = _GATE_ENTRIES << _GATE_SHIFT - 1
        numbers = (1, hidden, 0, offset, _GATE_SHIFT, _GATE_ENTRIES, table)
        draft.put(Lookup(opened.slot, gate.slot, 0, I16, I16, NONE, *numbers))
        # The product gets the finest step that is a power of two away and holds what was seen.
        finest = silu_step * up_step
        needed = ranges.product * _MARGIN / (finest * WIDE_TOP)
        shift = max(0, int(np.ceil(np.log2(max(needed, 1)))))
        product = combined(draft, opened, up, CombineKind.MUL, I16, shift, WIDE_TOP)
        draft.free(gate, up, opened)
        return Real(product, finest * 2.0**shift)

    def sample(self, stream: Tensor) -> None:
        """Choose the next token, store it, and end the run if it is an end token."""
        draft, made = self.draft, self.output
        draft.layer = "head"
        entry = self._normalised(stream, self.decoder.final_norm)
        dynamic = on_own_scale(draft, entry, self.choices.activation)
        logits = self._linear(dynamic, self.decoder.head, _LOGIT_STEP, I32, _LOGIT_LIMIT)
        dynamic.free(draft)
        draft.free(stream, entry.tensor)
        draft.layer = "sample"
        cold = scaled(
            draft,
            logits,
            I64,
            Dyadic(1, COLDNESS_BITS),
            mode=ScaleMode.MULTIPLY,
            by=draft.input,
            by_offset=COLDNESS,
        )
        odds = exponents(draft, cold, I32, _ODDS_TOP)
        total = reduced(draft, odds, ReduceKind.SUM)
        drawn = draft.begin(I64, 1, 1)
        draft.put(Draw(drawn.slot, 0, total.slot, self.inputs, SEED, GREEDY))
        token = draft.begin(I32, 1, 1)
        dtypes = (I32, I32, I64)
        draft.put(Reduce(token.slot, odds.slot, drawn.slot, *dtypes, 1, odds.cols, ReduceKind.PICK))
        one = (1, 1, 1, 1)
        copied = (made.slot, token.slot, I32, 1, made.count, one, 0, (0, 0, 0, 1), 0, (0, 0, 0, 1))
        draft.put(Copy(*copied, 0, 1))
        if self.choices.end_tokens:
            draft.put(Halt(token.slot, 0, self.inputs, LENGTH, self.choices.end_tokens))
        draft.free(logits, cold, odds, total, drawn, token)

    def finish(self, hash_bytes: HashConstants) -> Program:
        """Return the program, or raise InvalidSource."""
        context = self.choices.context
        shape = (1, 1, 1, context)
        return self.draft.finish(self.output, shape, max_iterations=context, hash_bytes=hash_bytes)


def decoder_program(
    decoder: Decoder,
    ranges: Sequence[LayerRanges],
    choices: Choices,
    *,
    hash_bytes: HashConstants = tree_of_bytes,
) -> Program:
    """Return the program of a decoder, or raise InvalidOption or InvalidSource.

    `ranges`: of each layer, measured on a text (see `ranges_of`).
    """
    emitter = Emitter(decoder, choices)
    stream = emitter.embedding()
    for index, found in enumerate(ranges):
        stream = emitter.layer(stream, index, decoder.layer(index), found)
    emitter.sample(stream)
    return emitter.finish(hash_bytes)
