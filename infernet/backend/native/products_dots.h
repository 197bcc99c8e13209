/* Dot products of lines of i8 with columns of u8 for one instruction set; included once for each.
 *
 * The includer defines NAME(x), which gives every function its own name, TARGET, the instruction
 * set, and VNNI where the processor has it.
 */

#include "products_vectors.h"

#define PANELS 3
#define BYTES (4 * LANES)
#define INLINE inline __attribute__((always_inline))

static TARGET INLINE int32_t NAME(total)(V sum)
{
    int32_t parts[LANES], total = 0;
    STORE(parts, sum);
    for (int i = 0; i < LANES; i++)
        total += parts[i];
    return total;
}

/* Copy bytes, flipped, with zeros up to whole vectors; return their sum as i8. */
static TARGET int64_t NAME(copy_bytes)(const uint8_t *from, size_t count, uint8_t flip, int8_t *to)
{
    uint8_t last[BYTES];
    V flips = SPREAD((int32_t)(0x01010101u * flip)), ones = SPREAD(0x01010101), sum = SPREAD(0);
    for (size_t k = 0; k < count; k += BYTES) {
        const uint8_t *at = from + k;
        if (count - k < BYTES) {
            memset(last, flip, sizeof last);
            at = memcpy(last, at, count - k);
        }
        V line = FLIP(LOAD(at), flips);
        STORE(to + k, line);
        sum = STEP(sum, ones, line);
    }
    return NAME(total)(sum);
}

/* Copy i16 as low bytes, less 128, and high bytes, with zeros up to whole vectors; return the sum
 * of what they stand for. */
static TARGET int64_t NAME(copy_words)(const int16_t *from, size_t count, int8_t *low, int8_t *high)
{
    int16_t last[BYTES];
    V flips = SPREAD((int32_t)0x80808080u), ones = SPREAD(0x01010101);
    V low_sum = SPREAD(0), high_sum = SPREAD(0);
    for (size_t k = 0; k < count; k += BYTES) {
        const int16_t *at = from + k;
        if (count - k < BYTES) {
            for (int i = 0; i < BYTES; i++)
                last[i] = 0x80;
            at = memcpy(last, at, (count - k) * sizeof *at);
        }
        V x = LOAD(at), y = LOAD(at + BYTES / 2);
        V lows = FLIP(NAME(low_bytes)(x, y), flips);
        V highs = NAME(low_bytes)(HIGH_BYTES(x), HIGH_BYTES(y));
        STORE(low + k, lows);
        STORE(high + k, highs);
        low_sum = STEP(low_sum, ones, lows);
        high_sum = STEP(high_sum, ones, highs);
    }
    return NAME(total)(low_sum) + 256 * (int64_t)NAME(total)(high_sum);
}

/* Lane i of the result: the sum over all lanes of v[i]. */
static TARGET INLINE V NAME(totals)(const V *v)
{
    V u[LANES / 4];
#pragma GCC unroll 4
    for (int g = 0; g < LANES / 4; g++) {
        const V *at = v + 4 * g;
        V a = ADD(LOW32(at[0], at[1]), HIGH32(at[0], at[1]));
        V b = ADD(LOW32(at[2], at[3]), HIGH32(at[2], at[3]));
        u[g] = ADD(LOW64(a, b), HIGH64(a, b));
    }
    return NAME(across)(u);
}

/* Where columns from `first` on begin, the last again where there are no more. */
static TARGET INLINE void NAME(locate)(const struct columns *w, size_t first, int count,
                                       const uint8_t **at)
{
    for (int c = 0; c < count; c++) {
        size_t column = first + (size_t)c < w->count ? first + (size_t)c : w->count - 1;
        at[c] = w->at + w->stride * (ptrdiff_t)column;
    }
}

/* Dots of `lines` lines with LANES / lines columns where those lie: the memory that they take is
 * the bound, so every byte is read once, while the next columns are fetched. */
static TARGET INLINE void NAME(strip)(int lines, const int8_t *a, size_t stride,
                                      const struct columns *w, size_t first, int32_t *out)
{
    const int columns = LANES / lines;
    const uint8_t *at[LANES];
    uint8_t last[LANES][BYTES];
    V acc[LANES], flip = SPREAD((int32_t)(0x01010101u * w->flip));
    uintptr_t ahead = (uintptr_t)(w->stride * columns);
    NAME(locate)(w, first, columns, at);
    for (int i = 0; i < LANES; i++)
        acc[i] = SPREAD(0);
    size_t k = 0;
    for (; k + BYTES <= w->depth; k += BYTES) {
#pragma GCC unroll 16
        for (int c = 0; c < columns; c++) {
            V line = FLIP(LOAD(at[c] + k), flip);
            _mm_prefetch((const char *)((uintptr_t)(at[c] + k) + ahead), _MM_HINT_T1);
#pragma GCC unroll 8
            for (int r = 0; r < lines; r++)
                acc[r * columns + c] =
                    STEP(acc[r * columns + c], line, LOAD(a + stride * (size_t)r + k));
        }
    }
    if (k < w->depth) {
        memset(last, 0, sizeof last);
        for (int c = 0; c < columns; c++) {
            memcpy(last[c], at[c] + k, w->depth - k);
            V line = FLIP(LOAD(last[c]), flip);
            for (int r = 0; r < lines; r++)
                acc[r * columns + c] =
                    STEP(acc[r * columns + c], line, LOAD(a + stride * (size_t)r + k));
        }
    }
    int32_t dots[LANES];
    STORE(dots, NAME(totals)(acc));
    for (int r = 0; r < lines; r++)
        memcpy(out + WIDTH * r + first, dots + r * columns, (size_t)columns * sizeof *dots);
}

static TARGET void NAME(strips)(const struct job *j, const int8_t *a, const struct columns *w,
                                struct scratch *s)
{
    size_t stride = j->stride;
    if (j->lines == 1)
        for (size_t c = 0; c < w->count; c += LANES)
            NAME(strip)(1, a, stride, w, c, s->dots);
    else if (j->lines == 2)
        for (size_t c = 0; c < w->count; c += LANES / 2)
            NAME(strip)(2, a, stride, w, c, s->dots);
    else if (j->lines <= 4)
        for (size_t c = 0; c < w->count; c += LANES / 4)
            NAME(strip)(4, a, stride, w, c, s->dots);
    else
        for (size_t c = 0; c < w->count; c += LANES / 8)
            NAME(strip)(8, a, stride, w, c, s->dots);
    if (j->ones)
        memcpy(s->w_sums, s->dots + WIDTH * (j->lines - 1), WIDTH * sizeof *s->w_sums);
}

/* Turn 16 bytes of LANES columns into four lines: four neighbours in depth of each column. */
static TARGET INLINE V NAME(turn)(const uint8_t *const *at, size_t k, V flip, uint8_t *out, V sums)
{
    V v[4], ones = SPREAD(0x01010101);
    for (int i = 0; i < 4; i++)
        v[i] = FLIP(NAME(quarters)(at + i, k), flip);
    V a = LOW32(v[0], v[1]), b = HIGH32(v[0], v[1]), c = LOW32(v[2], v[3]), d = HIGH32(v[2], v[3]);
    v[0] = LOW64(a, c);
    v[1] = HIGH64(a, c);
    v[2] = LOW64(b, d);
    v[3] = HIGH64(b, d);
    for (int i = 0; i < 4; i++) {
        STORE(out + BYTES * i, v[i]);
        sums = STEP(sums, v[i], ones);
    }
    return sums;
}

/* LANES columns, from `from` on, as `tile` reads them, padded with zeros to whole 16 bytes; their
 * sums are added to `sums`. */
static TARGET void NAME(pack)(const struct columns *w, size_t first, size_t from, size_t depth,
                              uint8_t *out, int32_t *sums)
{
    const uint8_t *at[LANES];
    uint8_t last[LANES][16];
    V flip = SPREAD((int32_t)(0x01010101u * w->flip)), sum = LOAD(sums);
    NAME(locate)(w, first, LANES, at);
    size_t k = 0;
    for (; k + 16 <= depth; k += 16)
        sum = NAME(turn)(at, from + k, flip, out + LANES * k, sum);
    if (k < depth) {
        memset(last, w->flip, sizeof last);
        for (int c = 0; c < LANES; c++) {
            memcpy(last[c], at[c] + from + k, depth - k);
            at[c] = last[c];
        }
        sum = NAME(turn)(at, 0, flip, out + LANES * k, sum);
    }
    STORE(sums, sum);
}

/* ROWS lines by `panels` packed panels, `panel_bytes` apart; added to `out[ROWS][WIDTH]`, or
 * written to it when `fresh`. */
static TARGET INLINE void NAME(tile)(int panels, int fresh, const int8_t *a, size_t stride,
                                     const uint8_t *packed, size_t panel_bytes, size_t quads,
                                     int32_t *out)
{
    V acc[ROWS][PANELS];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int p = 0; p < panels; p++)
            acc[r][p] = fresh ? SPREAD(0) : LOAD(out + WIDTH * r + LANES * p);
    for (size_t q = 0; q < quads; q++) {
        V line[PANELS];
#pragma GCC unroll 3
        for (int p = 0; p < panels; p++)
            line[p] = LOAD(packed + panel_bytes * (size_t)p + q * BYTES);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            int32_t four;
            memcpy(&four, a + stride * (size_t)r + 4 * q, 4);
            V x = SPREAD(four);
#pragma GCC unroll 3
            for (int p = 0; p < panels; p++)
                acc[r][p] = STEP(acc[r][p], line[p], x);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 3
        for (int p = 0; p < panels; p++)
            STORE(out + WIDTH * r + LANES * p, acc[r][p]);
}

/* All lines by `panels` panels of columns from `first` on. */
static TARGET INLINE void NAME(panels)(int panels, const struct job *j, const int8_t *a,
                                       const struct columns *w, size_t first, struct scratch *s)
{
    for (int p = 0; p < panels; p++)
        memset(s->w_sums + first + LANES * p, 0, BYTES);
    for (size_t from = 0; from < w->depth; from += BLOCK) {
        size_t depth = w->depth - from < BLOCK ? w->depth - from : BLOCK;
        for (int p = 0; p < panels; p++)
            NAME(pack)(w, first + (size_t)(LANES * p), from, depth, s->panel + LANES * BLOCK * p,
                       s->w_sums + first + LANES * p);
        size_t quads = (depth + 15) / 16 * 4;
        for (size_t line = 0; line < j->lines; line += ROWS) {
            const int8_t *rows = a + j->stride * line + from;
            int32_t *out = s->dots + WIDTH * line + first;
            if (from == 0)
                NAME(tile)(panels, 1, rows, j->stride, s->panel, LANES * BLOCK, quads, out);
            else
                NAME(tile)(panels, 0, rows, j->stride, s->panel, LANES * BLOCK, quads, out);
        }
    }
}

static TARGET void NAME(dots)(const struct job *j, const int8_t *a, const struct columns *w,
                              struct scratch *s)
{
    if (j->few) {
        NAME(strips)(j, a, w, s);
        return;
    }
    for (size_t c = 0; c < w->count; c += LANES * PANELS) {
        if (w->count - c > 2 * LANES)
            NAME(panels)(3, j, a, w, c, s);
        else if (w->count - c > LANES)
            NAME(panels)(2, j, a, w, c, s);
        else
            NAME(panels)(1, j, a, w, c, s);
    }
}

#undef V
#undef LANES
#undef ROWS
#undef LOAD
#undef STORE
#undef SPREAD
#undef FLIP
#undef ADD
#undef LOW32
#undef HIGH32
#undef LOW64
#undef HIGH64
#undef STEP
#undef HIGH_BYTES
#undef PANELS
#undef BYTES
#undef INLINE
#undef VNNI
