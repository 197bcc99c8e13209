/* SCALE for one instruction set; included once for each, after machine_map.h.
 *
 * LINES says that the set is AVX-512. */

/* Divide as `divided`. A quotient below 2^50 is guessed in doubles, less than 1/2 beside the true
 * one; to the nearest integer and with the exact rest, one step at most is left to take. */
static TARGET void NAME(divide)(int64_t *restrict v, size_t n, int64_t d)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (uint64_t)(v[i] ^ v[i] >> 63);
    if (d > (int64_t)1 << 60 || (d < 1 << 14 && bits >> 50)) {
        for (size_t i = 0; i < n; i++)
            v[i] = divided(v[i], d);
        return;
    }
    double inverse = 1.0 / (double)d;
    const double nearest = NEAREST;
    int64_t half = d / 2, zero;
    memcpy(&zero, &nearest, 8);
    for (size_t i = 0; i < n; i++) {
        double guess = (double)v[i] * inverse + NEAREST;
        int64_t quotient;
        memcpy(&quotient, &guess, 8);
        quotient -= zero;
        int64_t rest = sum(difference(v[i], multiple(quotient, d)), half);
        v[i] = quotient + (rest >= d) - (rest < 0);
    }
}

/* The bits of the largest magnitude (or one less) in a part of a row. */
static TARGET uint64_t NAME(bits)(const i32 *a, size_t n)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (uint32_t)(a[i] ^ a[i] >> 31);
    return bits;
}

/* The same, with a copy that is right where 31 bits suffice. */
static TARGET uint64_t NAME(shorten)(const i64 *a, size_t n, i32 *restrict copy)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        bits |= (uint64_t)(a[i] ^ a[i] >> 63);
        copy[i] = (int32_t)a[i];
    }
    return bits;
}

/* What a chunk of columns does to its elements, where 32 bits hold all but the products:
 * `last + round((a + before) * m * factor / 2^shift)` or `last + round((a + before) * m / d)`, with a
 * factor or divisor of the row. `most_before`, `most_m`: the largest magnitudes; `reach`: what they
 * leave of 2^31 to quotients. */
struct NAME(columns) {
    LINED int32_t before[CHUNK], m[CHUNK], last[CHUNK], low, high;
    int shift;
    int64_t factor;
    double most_before, most_m, reach;
};

#if defined(LINES)
/* Sixteen at a time, the products of even and odd ones apart: compilers spend twice the time. */
#define READ_i16(p) _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(p)))
#define READ_i32(p) _mm512_loadu_si512(p)
#define WRITE_u8(p, v) _mm_storeu_si128((__m128i *)(p), _mm512_cvtepi32_epi8(v))
#define WRITE_i16(p, v) _mm256_storeu_si256((__m256i *)(p), _mm512_cvtepi32_epi16(v))
#define WRITE_i32(p, v) _mm512_storeu_si512(p, v)

static TARGET inline __attribute__((always_inline)) __m512i NAME(line)(
    const struct NAME(columns) *k, __m512i a, size_t i, int has_factor)
{
    __m128i shift = _mm_cvtsi32_si128(k->shift);
    __m512i half = _mm512_set1_epi64(k->shift ? (int64_t)1 << (k->shift - 1) : 0);
    __m512i m = READ_i32(k->m + i), x = _mm512_add_epi32(a, READ_i32(k->before + i));
    __m512i even = _mm512_mul_epi32(x, m);
    __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(m, 32));
    if (has_factor) {
        even = _mm512_mullo_epi64(even, _mm512_set1_epi64(k->factor));
        odd = _mm512_mullo_epi64(odd, _mm512_set1_epi64(k->factor));
    }
    even = _mm512_sra_epi64(_mm512_add_epi64(even, half), shift);
    odd = _mm512_sra_epi64(_mm512_add_epi64(odd, half), shift);
    __m512i v = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    v = _mm512_max_epi32(_mm512_add_epi32(v, READ_i32(k->last + i)), _mm512_set1_epi32(k->low));
    return _mm512_min_epi32(v, _mm512_set1_epi32(k->high));
}
#define TAKE_LINES(T, D)                                                                           \
    for (; k->factor == 1 && i + 16 <= n; i += 16)                                                 \
        WRITE_##D(dst + i, NAME(line)(k, READ_##T(a + i), i, 0));                                  \
    for (; i + 16 <= n; i += 16)                                                                   \
        WRITE_##D(dst + i, NAME(line)(k, READ_##T(a + i), i, 1));
#else
#define TAKE_LINES(T, D)
#endif

#define PLAIN_OF(T, D)                                                                             \
    static TARGET void NAME(plain_##T##_##D)(                                                      \
        const struct NAME(columns) *k, const T *a, D *restrict dst, size_t n)                      \
    {                                                                                              \
        int64_t half = k->shift ? (int64_t)1 << (k->shift - 1) : 0;                                \
        size_t i = 0;                                                                              \
        TAKE_LINES(T, D)                                                                           \
        for (; i < n; i++) {                                                                       \
            int64_t product = (int64_t)((int32_t)a[i] + k->before[i]) * k->m[i];                   \
            int32_t v = (int32_t)((product * k->factor + half) >> k->shift) + k->last[i];                      \
            dst[i] = (D)(v < k->low ? k->low : v > k->high ? k->high : v);                         \
        }                                                                                          \
    }                                                                                              \
    static TARGET void NAME(divide_##T##_##D)(                                                     \
        const struct NAME(columns) *k, const T *a, D *restrict dst, size_t n, double d)            \
    {                                                                                              \
        double inverse = 1 / d, half = (double)((int64_t)d / 2);                                   \
        for (size_t i = 0; i < n; i++) {                                                           \
            double v = (double)((int32_t)a[i] + k->before[i]) * (double)k->m[i];                   \
            double quotient = v * inverse + NEAREST - NEAREST;                                     \
            double rest = v - quotient * d + half;                                                 \
            quotient += (rest >= d ? 1.0 : 0.0) - (rest < 0 ? 1.0 : 0.0);                          \
            int32_t w = (int32_t)quotient + k->last[i];                                            \
            dst[i] = (D)(w < k->low ? k->low : w > k->high ? k->high : w);                         \
        }                                                                                          \
    }
PLAIN_OF(i16, u8)
PLAIN_OF(i16, i16)
PLAIN_OF(i16, i32)
PLAIN_OF(i32, u8)
PLAIN_OF(i32, i16)
PLAIN_OF(i32, i32)
#undef PLAIN_OF
#undef TAKE_LINES

/* A part of a row by its types; `d` is 0 where it is not divided. */
static TARGET void NAME(scale_part)(const struct call *c, const struct NAME(columns) *k,
                                    const void *a, size_t at, size_t n, double d)
{
#define PART(T, D)                                                                                 \
    d ? NAME(divide_##T##_##D)(k, a, (D *)c->dst + at, n, d)                                       \
      : NAME(plain_##T##_##D)(k, a, (D *)c->dst + at, n)
#define PARTS(T)                                                                                   \
    if (c->dst_type <= I8)                                                                         \
        PART(T, u8);                                                                               \
    else if (c->dst_type == I16)                                                                   \
        PART(T, i16);                                                                              \
    else                                                                                           \
        PART(T, i32)
    if (c->a_type == I16) {
        PARTS(i16);
    } else {
        PARTS(i32);
    }
#undef PARTS
#undef PART
}

static TARGET void NAME(prepare)(const struct call *c, struct NAME(columns) *k, size_t from, size_t n)
{
    const int64_t *f = c->f;
    const i32 *pairs = f[5] < 0 ? NULL : (const i32 *)(c->constants + f[5]) + 2 * from;
    int32_t bias = (int32_t)f[6], m = (int32_t)f[7], zero = (int32_t)f[8];
    uint32_t bias_bits = (uint32_t)(bias ^ bias >> 31), m_bits = (uint32_t)(m ^ m >> 31);
    if (pairs)
        for (size_t i = 0; i < n; i++) {
            k->before[i] = pairs[2 * i];
            k->m[i] = pairs[2 * i + 1];
            bias_bits |= (uint32_t)(k->before[i] ^ k->before[i] >> 31);
            m_bits |= (uint32_t)(k->m[i] ^ k->m[i] >> 31);
        }
    else
        for (size_t i = 0; i < n; i++) {
            k->before[i] = bias;
            k->m[i] = m;
        }
    for (size_t i = 0; i < n; i++) {
        k->last[i] = (int32_t)((f[4] ? (uint32_t)k->before[i] : 0) + (uint32_t)zero);
        k->before[i] = f[4] ? 0 : k->before[i];
    }
    double most_bias = (double)bias_bits + 1, most_zero = fabs((double)zero);
    k->most_before = f[4] ? 0 : most_bias;
    k->most_m = (double)m_bits + 1;
    k->reach = 0x1p31 - 3 - most_zero - (f[4] ? most_bias : 0);
}

/* Say whether 32 bits suffice for elements below `a`, a little on the safe side. A product may have
 * 62 bits, or 52 where it is divided as a double. */
static inline int NAME(is_narrow)(
    const struct call *c, const struct NAME(columns) *k, double a, double divisor)
{
    double most = c->f[2] == DIVIDE ? 0x1p52 : 0x1p62;
    double product = (a + k->most_before) * k->most_m * fabs((double)k->factor);
    return a + k->most_before < 0x1p31 && product < 0.999 * most && divisor < most &&
           product < 0.999 * k->reach * divisor;
}

static TARGET void NAME(scale_wide)(const struct call *c, size_t row, size_t from, size_t n)
{
    const int64_t *f = c->f, mode = f[2], shift = f[3], low = f[9], high = f[10];
    const i64 *pairs = f[5] < 0 ? NULL : (const i64 *)(c->constants + f[5]) + from;
    struct rounding by = rounding_of(mode == DIVIDE ? 0 : shift);
    size_t at = row * (size_t)f[1] + from;
    LINED int64_t v[CHUNK], after[CHUNK];
    int64_t given = mode == PLAIN ? 1 : element(c->b_type, c->b, (size_t)f[12] + row);
    int64_t factor = mode == MULTIPLY ? given : 1;
    NAME(load)(c->a_type, c->a, at, n, v);
    for (size_t i = 0; i < n; i++) {
        int64_t pair = pairs ? pairs[i] : 0;
        int64_t bias = pairs ? (int32_t)pair : f[6], m = pairs ? pair >> 32 : f[7];
        after[i] = sum(f[4] ? bias : 0, f[8]);
        v[i] = multiple(multiple(sum(v[i], f[4] ? 0 : bias), m), factor);
    }
    if (mode == DIVIDE)
        NAME(divide)(v, n, divisor_of(given, shift));
    for (size_t i = 0; i < n; i++)
        v[i] = clamped(sum(rounded(v[i], by), after[i]), low, high);
    NAME(store)(c->dst_type, c->dst, at, n, v);
}

static TARGET void NAME(scale)(const struct call *c)
{
    const int64_t *f = c->f;
    size_t rows = (size_t)f[0], cols = (size_t)f[1];
    int can_be_narrow = c->a_type >= I16 && c->dst_type != I64;
    struct NAME(columns) k;
    LINED int32_t copy[CHUNK];
    k.low = (int32_t)f[9];
    k.high = (int32_t)f[10];
    k.shift = (int)f[3];
    for (size_t from = 0; from < cols; from += CHUNK) {
        size_t n = cols - from < CHUNK ? cols - from : CHUNK;
        double d = (double)((int64_t)1 << f[3]), top = 32768.0;
        /* Columns without parameters of their own are all alike. */
        if (from == 0 || f[5] >= 0)
            NAME(prepare)(c, &k, from, n);
        for (size_t row = 0; row < rows; row++) {
            size_t at = row * cols + from;
            const void *a = (const char *)c->a + at * size_of(c->a_type);
            int64_t given = f[2] == PLAIN ? 1 : element(c->b_type, c->b, (size_t)f[12] + row);
            k.factor = f[2] == MULTIPLY ? given : 1;
            if (f[2] == DIVIDE)
                d = (double)divisor_of(given, f[3]);
            if (c->a_type == I32)
                top = (double)NAME(bits)(a, n) + 1;
            if (c->a_type == I64 && can_be_narrow) {
                top = (double)NAME(shorten)(a, n, copy) + 1;
                a = copy;
            }
            if (can_be_narrow && NAME(is_narrow)(c, &k, top, d))
                NAME(scale_part)(c, &k, a, at, n, f[2] == DIVIDE ? d : 0);
            else
                NAME(scale_wide)(c, row, from, n);
        }
    }
}
