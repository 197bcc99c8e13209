/* COMBINE, ROOT, MASK and ROTATE for one instruction set; included once for each.
 *
 * The includer defines NAME(x) and TARGET. Rows are taken in chunks that stay in the first-level
 * cache: read as i64, computed, clamped, written. The loops are plain, so that compilers vectorise.
 */

static TARGET void NAME(load)(int type, const void *from, size_t at, size_t n, int64_t *restrict to)
{
#define READ(T)                                                                                    \
    for (size_t i = 0; i < n; i++)                                                                 \
        to[i] = ((const T *)from)[at + i];                                                         \
    break
    switch (type) {
    case U8:
        READ(u8);
    case I8:
        READ(i8);
    case I16:
        READ(i16);
    case I32:
        READ(i32);
    default:
        READ(i64);
    }
#undef READ
}

static TARGET void NAME(store)(int type, void *restrict to, size_t at, size_t n, const int64_t *v)
{
#define WRITE(T)                                                                                   \
    for (size_t i = 0; i < n; i++)                                                                 \
        ((T *)to)[at + i] = (T)v[i];                                                               \
    break
    switch (type) {
    case U8:
        WRITE(u8);
    case I8:
        WRITE(i8);
    case I16:
        WRITE(i16);
    case I32:
        WRITE(i32);
    default:
        WRITE(i64);
    }
#undef WRITE
}

#define COMBINE_OF(T, U, D)                                                                        \
    static TARGET void NAME(combine_##T##_##U##_##D)(                                              \
        const int64_t *f, const T *a, const U *b, D *restrict dst, size_t n)                       \
    {                                                                                              \
        int64_t half = f[4] ? (int64_t)1 << (f[4] - 1) : 0, shift = f[4], low = f[5], high = f[6]; \
        if (f[2] == ADD)                                                                           \
            for (size_t i = 0; i < n; i++)                                                         \
                dst[i] = (D)clamped(((int64_t)a[i] + b[i] + half) >> shift, low, high);            \
        else if (f[2] == SUB)                                                                      \
            for (size_t i = 0; i < n; i++)                                                         \
                dst[i] = (D)clamped(((int64_t)a[i] - b[i] + half) >> shift, low, high);            \
        else                                                                                       \
            for (size_t i = 0; i < n; i++)                                                         \
                dst[i] = (D)clamped(((int64_t)a[i] * b[i] + half) >> shift, low, high);            \
    }
COMBINE_OF(i16, i16, i16)
COMBINE_OF(i16, i16, i32)
COMBINE_OF(i16, i32, i16)
COMBINE_OF(i16, i32, i32)
COMBINE_OF(i32, i32, i16)
COMBINE_OF(i32, i32, i32)
#undef COMBINE_OF

/* A part of a row of types that cannot overflow; 0 where there is no loop for them. */
static TARGET int NAME(combine_part)(const struct call *c, const void *b, size_t at, size_t n)
{
#define PART(T, U, D)                                                                              \
    NAME(combine_##T##_##U##_##D)(c->f, (const T *)c->a + at, b, (D *)c->dst + at, n)
    switch (c->a_type << 8 | c->b_type << 4 | c->dst_type) {
    case I16 << 8 | I16 << 4 | I16:
        PART(i16, i16, i16);
        return 1;
    case I16 << 8 | I16 << 4 | I32:
        PART(i16, i16, i32);
        return 1;
    case I16 << 8 | I32 << 4 | I16:
        PART(i16, i32, i16);
        return 1;
    case I16 << 8 | I32 << 4 | I32:
        PART(i16, i32, i32);
        return 1;
    case I32 << 8 | I32 << 4 | I16:
        PART(i32, i32, i16);
        return 1;
    case I32 << 8 | I32 << 4 | I32:
        PART(i32, i32, i32);
        return 1;
    default:
        return 0;
    }
#undef PART
}

static TARGET void NAME(combine_wide)(const struct call *c, const void *b, size_t at, size_t n)
{
    const int64_t *f = c->f, kind = f[2], low = f[5], high = f[6];
    struct rounding by = rounding_of(f[4]);
    LINED int64_t x[CHUNK], y[CHUNK];
    NAME(load)(c->a_type, c->a, at, n, x);
    NAME(load)(c->b_type, b, 0, n, y);
    if (kind == ADD)
        for (size_t i = 0; i < n; i++)
            x[i] = sum(x[i], y[i]);
    else if (kind == SUB)
        for (size_t i = 0; i < n; i++)
            x[i] = difference(x[i], y[i]);
    else
        for (size_t i = 0; i < n; i++)
            x[i] = multiple(x[i], y[i]);
    for (size_t i = 0; i < n; i++)
        x[i] = clamped(rounded(x[i], by), low, high);
    NAME(store)(c->dst_type, c->dst, at, n, x);
}

static TARGET void NAME(combine)(const struct call *c)
{
    size_t rows = (size_t)c->f[0], cols = (size_t)c->f[1];
    LINED int64_t same[CHUNK], each[CHUNK];
    for (size_t row = 0; row < rows; row++) {
        if (c->f[3]) {
            int64_t value = element(c->b_type, c->b, row);
            size_t n = cols < CHUNK ? cols : CHUNK;
            for (size_t i = 0; i < n; i++)
                same[i] = value;
            NAME(store)(c->b_type, each, 0, n, same);
        }
        for (size_t from = 0; from < cols; from += CHUNK) {
            size_t n = cols - from < CHUNK ? cols - from : CHUNK, at = row * cols + from;
            const void *b = c->f[3] ? (const char *)each
                                    : (const char *)c->b + at * size_of(c->b_type);
            if (!NAME(combine_part)(c, b, at, n))
                NAME(combine_wide)(c, b, at, n);
        }
    }
}

static TARGET void NAME(root)(const struct call *c)
{
    for (size_t i = 0; i < (size_t)c->f[0]; i++) {
        int64_t value = (int64_t)((uint64_t)((const i64 *)c->a)[i] << c->f[1]);
        uint64_t square = value < 0 ? 0 : (uint64_t)value, found = (uint64_t)sqrt((double)square);
        while (found * found > square)
            found--;
        while ((found + 1) * (found + 1) <= square)
            found++;
        put(c->dst_type, c->dst, i, clamped((int64_t)found, 1, highest(c->dst_type)));
    }
}

static TARGET void NAME(mask)(const struct call *c)
{
    const int64_t *f = c->f;
    size_t rows = (size_t)f[0], cols = (size_t)f[1], size = size_of(c->dst_type);
    int64_t given = f[2] ? element(c->b_type, c->b, (size_t)f[4]) : c->position + 1;
    size_t valid = (size_t)clamped(given, 1, f[1]);
    for (size_t row = 0; row < rows; row++) {
        size_t at = row * cols;
        memcpy((char *)c->dst + at * size, (const char *)c->a + at * size, valid * size);
#define FILL(T)                                                                                    \
    for (size_t i = valid; i < cols; i++)                                                          \
    ((T *)c->dst)[at + i] = (T)f[5]
        if (c->dst_type == I16)
            FILL(i16);
        else if (c->dst_type == I32)
            FILL(i32);
        else
            FILL(i64);
#undef FILL
    }
}

static TARGET void NAME(rotate)(const struct call *c)
{
    const int64_t *f = c->f, low = f[5], high = f[6];
    size_t count = (size_t)f[0], head = (size_t)f[1];
    int64_t row = clamped(c->position, 0, f[4] - 1);
    const i16 *pairs = (const i16 *)(c->constants + f[3]) + (size_t)row * head;
    struct rounding by = rounding_of(f[2]);
    LINED int64_t v[CHUNK];
    for (size_t first = 0; first < count; first += head)
        for (size_t from = 0; from < head; from += CHUNK) {
            size_t n = head - from < CHUNK ? head - from : CHUNK;
            NAME(load)(c->a_type, c->a, first + from, n, v);
            for (size_t i = 0; i < n; i += 2) {
                int64_t x = v[i], y = v[i + 1], cosine = pairs[from + i], sine = pairs[from + i + 1];
                v[i] = clamped(rounded(x * cosine - y * sine, by), low, high);
                v[i + 1] = clamped(rounded(x * sine + y * cosine, by), low, high);
            }
            NAME(store)(c->dst_type, c->dst, first + from, n, v);
        }
}
