/* REDUCE for one instruction set; included once for each, after machine_map.h. */

/* One row of one type, but for PICK. */
#define ROW_OF(T, WIDE)                                                                            \
    static TARGET int64_t NAME(row_##T)(const T *x, size_t n, int64_t kind)                        \
    {                                                                                              \
        uint64_t total = 0;                                                                        \
        WIDE top = kind == MAX ? x[0] : 0;                                                         \
        if (kind == SUM)                                                                           \
            for (size_t i = 0; i < n; i++)                                                         \
                total += (uint64_t)(int64_t)x[i];                                                  \
        else if (kind == SQUARES)                                                                  \
            for (size_t i = 0; i < n; i++)                                                         \
                total += (uint64_t)(int64_t)x[i] * (uint64_t)(int64_t)x[i];                        \
        else if (kind == MAX)                                                                      \
            for (size_t i = 0; i < n; i++)                                                         \
                top = x[i] > top ? x[i] : top;                                                     \
        else                                                                                       \
            for (size_t i = 0; i < n; i++) {                                                       \
                WIDE size = x[i] < 0 ? (WIDE)(-(WIDE)(x[i] + 1)) : (WIDE)x[i];                     \
                size += x[i] < 0 && size < highest(I64);                                           \
                top = size > top ? size : top;                                                     \
            }                                                                                      \
        return kind <= SQUARES ? (int64_t)total : (int64_t)top;                                    \
    }

ROW_OF(u8, int32_t)
ROW_OF(i8, int32_t)
ROW_OF(i16, int32_t)
ROW_OF(i32, int64_t)
ROW_OF(i64, int64_t)
#undef ROW_OF

static TARGET int64_t NAME(row)(int type, const void *a, size_t at, size_t n, int64_t kind)
{
    switch (type) {
    case U8:
        return NAME(row_u8)((const u8 *)a + at, n, kind);
    case I8:
        return NAME(row_i8)((const i8 *)a + at, n, kind);
    case I16:
        return NAME(row_i16)((const i16 *)a + at, n, kind);
    case I32:
        return NAME(row_i32)((const i32 *)a + at, n, kind);
    default:
        return NAME(row_i64)((const i64 *)a + at, n, kind);
    }
}

/* The first column whose weight is more than what is left of the draw. */
static TARGET int64_t NAME(picked)(const struct call *c, size_t cols)
{
    int64_t left = clamped(((const i64 *)c->b)[0], 0, highest(I64)), v[CHUNK];
    for (size_t from = 0; from < cols; from += CHUNK) {
        size_t n = cols - from < CHUNK ? cols - from : CHUNK;
        NAME(load)(c->a_type, c->a, from, n, v);
        uint64_t total = 0;
        for (size_t i = 0; i < n; i++)
            total += (uint64_t)(v[i] > 0 ? v[i] : 0);
        /* Sums of i64 may wrap; those of CHUNK narrower ones cannot. */
        if (c->a_type != I64 && total <= (uint64_t)left) {
            left -= (int64_t)total;
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (left < v[i])
                return (int64_t)(from + i);
            left -= v[i] > 0 ? v[i] : 0;
        }
    }
    return (int64_t)cols - 1;
}

static TARGET void NAME(reduce)(const struct call *c)
{
    size_t rows = (size_t)c->f[0], cols = (size_t)c->f[1];
    int64_t kind = c->f[2], low = lowest(c->dst_type), high = highest(c->dst_type);
    for (size_t row = 0; row < rows; row++) {
        int64_t value = kind == PICK ? NAME(picked)(c, cols)
                                     : NAME(row)(c->a_type, c->a, row * cols, cols, kind);
        put(c->dst_type, c->dst, row, clamped(value, low, high));
    }
}
