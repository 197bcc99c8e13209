/* LOOKUP, EMBED and COPY for one instruction set; included once for each, after machine_map.h. */

/* Entries of a table; those of bytes are gathered into words, for every store costs as much. */
static TARGET void NAME(entries)(
    int type, const void *table, const int32_t *at, size_t n, void *to, size_t first)
{
    size_t i = 0;
#define TAKE(T, PER_WORD)                                                                          \
    for (; i + PER_WORD <= n; i += PER_WORD) {                                                     \
        uint64_t word = 0;                                                                         \
        for (int j = 0; j < PER_WORD; j++)                                                         \
            word |= (uint64_t)((const T *)table)[at[i + j]] << (64 / PER_WORD * j);                \
        memcpy((T *)to + first + i, &word, sizeof word);                                           \
    }                                                                                              \
    for (; i < n; i++)                                                                             \
        ((T *)to)[first + i] = ((const T *)table)[at[i]];                                          \
    break
    switch (type) {
    case U8:
    case I8:
        TAKE(u8, 8);
    case I16:
        TAKE(u16, 4);
    case I32:
        TAKE(u32, 2);
    default:
        TAKE(u64, 1);
    }
#undef TAKE
}

/* Places in the table: those of `base + a`, or of `base - a`; WIDE holds both without overflow. */
#define PLACES_OF(T, WIDE)                                                                         \
    static TARGET void NAME(places_##T##_##WIDE)(                                                  \
        const struct call *c, const T *a, int64_t given, size_t n, int32_t *restrict at)           \
    {                                                                                              \
        WIDE base = (WIDE)given, last = (WIDE)(c->f[5] - 1);                                       \
        int most = 8 * (int)sizeof(WIDE) - 1, shift = c->f[4] < most ? (int)c->f[4] : most;        \
        if (c->f[2])                                                                               \
            for (size_t i = 0; i < n; i++) {                                                       \
                WIDE v = (WIDE)difference(base, a[i]) >> shift;                                    \
                at[i] = (int32_t)(v < 0 ? 0 : v > last ? last : v);                                \
            }                                                                                      \
        else                                                                                       \
            for (size_t i = 0; i < n; i++) {                                                       \
                WIDE v = (WIDE)sum(base, a[i]) >> shift;                                           \
                at[i] = (int32_t)(v < 0 ? 0 : v > last ? last : v);                                \
            }                                                                                      \
    }
PLACES_OF(u8, int64_t)
PLACES_OF(i8, int64_t)
PLACES_OF(i16, int32_t)
PLACES_OF(i16, int64_t)
PLACES_OF(i32, int64_t)
PLACES_OF(i64, int64_t)
#undef PLACES_OF

static TARGET void NAME(places)(
    const struct call *c, size_t first, int64_t base, size_t n, int32_t *at)
{
#define PLACES(T, WIDE)                                                                            \
    NAME(places_##T##_##WIDE)(c, (const T *)c->a + first, base, n, at);                            \
    break
    switch (c->a_type) {
    case U8:
        PLACES(u8, int64_t);
    case I8:
        PLACES(i8, int64_t);
    case I16:
        if (base == clamped(base, -(1 << 30), 1 << 30)) {
            PLACES(i16, int32_t);
        }
        PLACES(i16, int64_t);
    case I32:
        PLACES(i32, int64_t);
    default:
        PLACES(i64, int64_t);
    }
#undef PLACES
}

static TARGET void NAME(look_up)(const struct call *c)
{
    const int64_t *f = c->f;
    size_t rows = (size_t)f[0], cols = (size_t)f[1];
    LINED int32_t at[CHUNK];
    for (size_t row = 0; row < rows; row++) {
        int64_t base = f[2] ? ((const i64 *)c->b)[row] : f[3];
        for (size_t from = 0; from < cols; from += CHUNK) {
            size_t n = cols - from < CHUNK ? cols - from : CHUNK, first = row * cols + from;
            NAME(places)(c, first, base, n, at);
            NAME(entries)(c->dst_type, c->constants + f[6], at, n, c->dst, first);
        }
    }
}

static TARGET void NAME(embed)(const struct call *c)
{
    const int64_t *f = c->f;
    size_t bytes = (size_t)f[1] * size_of(c->dst_type);
    for (size_t row = 0; row < (size_t)f[0]; row++) {
        int64_t id = f[6] ? (int64_t)row : ((const i32 *)c->a)[(size_t)f[3] + row];
        id = clamped(id, 0, f[4] - 1);
        memcpy((char *)c->dst + row * bytes, c->constants + f[5] + (size_t)id * bytes, bytes);
    }
}

/* One innermost row of a COPY whose source is not contiguous. */
static TARGET void NAME(copy_strided)(int type, char *to, const char *from, size_t n, size_t stride)
{
#define MOVE(T)                                                                                    \
    for (size_t i = 0; i < n; i++)                                                                 \
        ((T *)to)[i] = ((const T *)from)[i * stride];                                              \
    break
    switch (type) {
    case U8:
    case I8:
        MOVE(u8);
    case I16:
        MOVE(i16);
    case I32:
        MOVE(i32);
    default:
        MOVE(i64);
    }
#undef MOVE
}

static TARGET void NAME(copy)(const struct call *c)
{
    const int64_t *f = c->f, *n = f + 2, *s = f + 7, *t = f + 12;
    size_t size = size_of(c->dst_type);
    const char *a = (const char *)c->a + (size_t)(f[6] + c->position * f[15]) * size;
    char *dst = (char *)c->dst + (size_t)(f[11] + c->position * f[16]) * size;
    for (int64_t i = 0; i < n[0]; i++)
        for (int64_t j = 0; j < n[1]; j++)
            for (int64_t k = 0; k < n[2]; k++) {
                const char *from = a + (size_t)(i * s[0] + j * s[1] + k * s[2]) * size;
                char *to = dst + (size_t)(i * t[0] + j * t[1] + k * t[2]) * size;
                if (s[3] == 1)
                    memcpy(to, from, (size_t)n[3] * size);
                else
                    NAME(copy_strided)(c->dst_type, to, from, (size_t)n[3], (size_t)s[3]);
            }
}
