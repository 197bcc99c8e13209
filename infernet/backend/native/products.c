/* Exact integer products of matrices: operands become bytes, sums become what was asked for.
 *
 * The kernels multiply lines of i8 by columns of u8. What a byte stands for differs from that
 * reading by a constant, and an i16 is two bytes, so with A, B constants
 *     sum (a' + A)(w' + B) = sum a'w' + B sum a' + A sum w' + depth A B.
 * Sums over up to SPAN of depth fit 32 bits, whatever the order; longer ones are added in 64.
 */

#include "products.h"
#include "pool.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* SPAN * 255 * 128 < 2^31. */
#define SPAN 65536
/* Of columns of i16, whose two bytes are taken apart first. */
#define SPAN_I16 4096
/* Bytes of depth that are packed at once: a panel then stays in the second-level cache. */
#define BLOCK 2048
/* For up to so many lines each column is read where it lies; for more it pays to pack it. */
#define FEW 8
/* Lines, and their bytes, that are multiplied at once. */
#define MOST_LINES 512
#define MOST_BYTES (8u << 20)
/* The columns of a panel, in every kernel's measure. */
#define WIDTH 48
/* Columns that are settled at once. */
#define RUN 16
/* Parts for each thread: one that is held up leaves more to the others. */
#define PARTS 8

/* Some rows of `a`, ready to be multiplied. Line r has the (low) bytes of row r; line rows + r,
 * where a is i16, the high ones; the last line, where `ones`, is all 1 for the sums of columns.
 * `few`: columns are read where they lie. */
struct job {
    const struct products *p;
    size_t first, rows, lines, stride;
    const int8_t *a;
    const int64_t *row_terms;
    int64_t a_add;
    int wide, few, ones;
    uint8_t w_flip;
};

/* What a thread keeps for one panel. `dots[lines rounded up][WIDTH]`. */
struct scratch {
    int32_t *dots, *w_sums;
    int64_t *totals, *column_terms;
    uint8_t *panel, *bytes;
};

/* Columns of bytes: `flip` makes them u8. */
struct columns {
    const uint8_t *at;
    ptrdiff_t stride;
    size_t count, depth;
    uint8_t flip;
};

/* Write dots of lines, whose depth begins at `a`, with columns, and sums of the columns, which
 * count only where `a_add` is not 0. */
#include "products_portable.h"

#define NAME(x) x##_portable
#define TARGET
#include "products_settle.h"

#if defined(__x86_64__)
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2")))
#include "products_dots.h"
#include "products_settle.h"

#define NAME(x) x##_vnni
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define VNNI
#include "products_dots.h"
#include "products_settle.h"

#if defined(__linux__)
#define AMX
#define TARGET                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8")))
#include "products_amx.h"
#endif
#endif

static const struct kernel {
    const char *name;
    void (*dots)(const struct job *, const int8_t *a, const struct columns *, struct scratch *);
    void (*settle)(const struct job *, size_t column, size_t count, const struct scratch *);
    void (*add)(const struct job *, int64_t scale, struct scratch *);
    void (*finish)(const struct job *, size_t column, size_t count, const struct scratch *);
    int64_t (*copy_bytes)(const uint8_t *, size_t count, uint8_t flip, int8_t *);
    int64_t (*copy_words)(const int16_t *, size_t count, int8_t *low, int8_t *high);
} kernels[] = {
#define KERNEL(name, dots, x) \
    {name, dots, settle_##x, add_##x, finish_##x, copy_bytes_##x, copy_words_##x}
    KERNEL("portable", dots_portable, portable),
#if defined(__x86_64__)
    KERNEL("AVX2", dots_avx2, avx2),
    KERNEL("AVX-512 VNNI", dots_vnni, vnni),
#endif
#if defined(AMX)
    KERNEL("AMX", dots_amx, vnni),
#endif
};

static const struct kernel *kernel = kernels;

const char *infernet_products_use(int widest)
{
    kernel = kernels;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (widest >= 1 && __builtin_cpu_supports("avx2"))
        kernel = kernels + 1;
    if (widest >= 2 && __builtin_cpu_supports("avx512vnni") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        kernel = kernels + 2;
#endif
#if defined(AMX)
    if (widest >= 3 && kernel == kernels + 2 && has_amx())
        kernel = kernels + 3;
#endif
    (void)widest;
    return kernel->name;
}

__attribute__((constructor)) static void use_widest(void)
{
    infernet_products_use(3);
}

/* The two bytes of columns of i16, as u8 whose values stand for 2^15 more. */
static void take_apart(const struct products *p, size_t column, size_t count, size_t from,
                       size_t depth, uint8_t *low, uint8_t *high)
{
    for (size_t c = 0; c < count; c++) {
        const int16_t *at = (const int16_t *)p->w + p->w_stride * (ptrdiff_t)(column + c) + from;
        for (size_t k = 0; k < depth; k++) {
            low[SPAN_I16 * c + k] = (uint8_t)at[k];
            high[SPAN_I16 * c + k] = (uint8_t)((uint16_t)at[k] >> 8 ^ 0x80);
        }
    }
}

/* The job's rows by up to WIDTH columns. */
static void multiply_panel(const struct job *j, size_t column, size_t count, struct scratch *s)
{
    const struct products *p = j->p;
    struct columns w = {(const uint8_t *)p->w + p->w_stride * (ptrdiff_t)column, p->w_stride,
                        count, p->depth, j->w_flip};
    if (!j->wide) {
        kernel->dots(j, j->a, &w, s);
        kernel->settle(j, column, count, s);
        return;
    }
    size_t span = p->w_kind == PRODUCTS_I16 ? SPAN_I16 : SPAN;
    uint8_t *low = s->bytes, *high = s->bytes + SPAN_I16 * WIDTH;
    memset(s->totals, 0, j->rows * WIDTH * sizeof *s->totals);
    memset(s->column_terms, 0, WIDTH * sizeof *s->column_terms);
    for (size_t from = 0; from < p->depth; from += span) {
        size_t depth = p->depth - from < span ? p->depth - from : span;
        if (p->w_kind == PRODUCTS_I16) {
            take_apart(p, column, count, from, depth, low, high);
            w = (struct columns){low, SPAN_I16, count, depth, 0};
            kernel->dots(j, j->a + from, &w, s);
            kernel->add(j, 1, s);
            w.at = high;
            kernel->dots(j, j->a + from, &w, s);
            kernel->add(j, 256, s);
        } else {
            struct columns part = w;
            part.at += from;
            part.depth = depth;
            kernel->dots(j, j->a + from, &part, s);
            kernel->add(j, 1, s);
        }
    }
    kernel->finish(j, column, count, s);
}

static size_t padded(size_t lines)
{
    return lines <= 2 ? lines : lines <= 4 ? 4 : (lines + 7) / 8 * 8;
}

/* Panels that one call of the pool multiplies, and whether memory ran out. */
struct share {
    const struct job *job;
    size_t panels, parts;
    int failed;
};

static void multiply_part(void *context, size_t i)
{
    struct share *share = context;
    const struct job *j = share->job;
    const struct products *p = j->p;
    size_t dots = padded(j->lines) * WIDTH * sizeof(int32_t);
    size_t totals = j->wide ? j->rows * WIDTH * sizeof(int64_t) : 0;
    size_t bytes = p->w_kind == PRODUCTS_I16 ? 2 * SPAN_I16 * WIDTH : 0;
    size_t fixed = WIDTH * (sizeof(int64_t) + sizeof(int32_t)) + BLOCK * WIDTH;
    uint8_t *at = infernet_scratch(1, fixed + dots + totals + bytes);
    if (!at) {
        __atomic_store_n(&share->failed, 1, __ATOMIC_RELAXED);
        return;
    }
    struct scratch s = {.panel = at};
    s.column_terms = (int64_t *)(at += BLOCK * WIDTH);
    s.w_sums = (int32_t *)(at += WIDTH * sizeof(int64_t));
    s.dots = (int32_t *)(at += WIDTH * sizeof(int32_t));
    s.totals = (int64_t *)(at += dots);
    s.bytes = at + totals;
    memset(s.w_sums, 0, WIDTH * sizeof *s.w_sums);
    size_t last = share->panels * (i + 1) / share->parts;
    for (size_t panel = share->panels * i / share->parts; panel < last; panel++) {
        size_t column = WIDTH * panel;
        multiply_panel(j, column, p->columns - column < WIDTH ? p->columns - column : WIDTH, &s);
    }
}

/* Copy the job's rows into their lines; write their sums and what a sum has in common. */
static void copy_rows(struct job *j, int8_t *lines, int64_t *row_terms, int64_t w_add)
{
    const struct products *p = j->p;
    size_t padding = j->stride - p->depth;
    for (size_t r = 0; r < j->rows; r++) {
        int8_t *low = lines + j->stride * r, *high = low + j->stride * j->rows;
        ptrdiff_t at = p->a_stride * (ptrdiff_t)(j->first + r);
        int64_t sum;
        memset(low + p->depth, 0, padding);
        if (p->a_kind == PRODUCTS_I16) {
            memset(high + p->depth, 0, padding);
            sum = kernel->copy_words((const int16_t *)p->a + at, p->depth, low, high);
        } else {
            uint8_t flip = p->a_kind == PRODUCTS_U8 ? 0x80 : 0;
            sum = kernel->copy_bytes((const uint8_t *)p->a + at, p->depth, flip, low);
        }
        row_terms[r] = w_add * (sum + (int64_t)p->depth * j->a_add);
    }
    int8_t *rest = lines + j->stride * (j->lines - (size_t)j->ones);
    memset(rest, 0, j->stride * (padded(j->lines) - j->lines + (size_t)j->ones));
    if (j->ones)
        memset(rest, 1, p->depth);
    j->a = lines;
    j->row_terms = row_terms;
}

/* Multiply the job's rows; threads pay where there are many weights or sums. */
static int multiply_rows(struct job *j, int8_t *lines, int64_t *row_terms, int64_t w_add)
{
    const struct products *p = j->p;
    copy_rows(j, lines, row_terms, w_add);
    struct share share = {.job = j, .panels = (p->columns + WIDTH - 1) / WIDTH};
    size_t work = p->columns * p->depth * (1 + j->lines / 16);
    int threads = work < 1 << 19 ? 1 : p->threads;
    size_t most = threads > 1 ? (size_t)threads * PARTS : 1;
    share.parts = share.panels < most ? share.panels : most;
    infernet_parallel(multiply_part, &share, share.parts, threads);
    return share.failed ? -1 : 0;
}

static uint64_t reach(int kind, int32_t zero)
{
    int64_t low = kind == PRODUCTS_U8 ? 0 : kind == PRODUCTS_I8 ? -128 : INT16_MIN;
    int64_t high = kind == PRODUCTS_U8 ? 255 : kind == PRODUCTS_I8 ? 127 : INT16_MAX;
    return (uint64_t)(high - zero > zero - low ? high - zero : zero - low);
}

int infernet_products(const struct products *p)
{
    /* What a byte of 0 stands for. */
    static const int32_t a_base[] = {128, 0, 128}, w_base[] = {0, -128, INT16_MIN};
    if (!p->rows || !p->columns)
        return 0;
    uint64_t largest = p->depth * reach(p->a_kind, p->a_zero) * reach(p->w_kind, p->w_zero);
    size_t planes = p->a_kind == PRODUCTS_I16 ? 2 : 1;
    struct job j = {.p = p, .a_add = a_base[p->a_kind] - p->a_zero,
                    .wide = p->w_kind == PRODUCTS_I16 || p->depth > SPAN || largest > INT32_MAX,
                    .w_flip = p->w_kind == PRODUCTS_I8 ? 0x80 : 0};
    int64_t w_add = w_base[p->w_kind] - p->w_zero;
    /* An odd number of cache lines, or many rows would fall into one set of the cache. */
    j.stride = ((p->depth + 63) / 64 | 1) * 64;
    size_t most = MOST_BYTES / j.stride < MOST_LINES ? MOST_BYTES / j.stride : MOST_LINES;
    most = most < 8 ? 4 : most / planes;
    if (most > p->rows)
        most = p->rows;
    size_t lines = padded(most * planes + 1);
    uint8_t *space = infernet_scratch(0, lines * j.stride + most * sizeof(int64_t));
    if (!space)
        return -1;
    for (; j.first < p->rows; j.first += j.rows) {
        j.rows = p->rows - j.first < most ? p->rows - j.first : most;
        j.lines = j.rows * planes;
        j.few = j.lines + (j.a_add != 0) <= FEW;
        j.ones = j.few && j.a_add;
        j.lines += (size_t)j.ones;
        if (multiply_rows(&j, (int8_t *)space, (int64_t *)(space + lines * j.stride), w_add))
            return -1;
    }
    return 0;
}
