/* SCALE, COMBINE, ROOT, MASK and ROTATE for one instruction set; included once for each.
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

/* Divide as `divided`. A quotient below 2^50 is guessed in doubles, less than 1/2 beside the true
 * one; to the nearest integer and with the exact rest, one step at most is left to take. */
static TARGET void NAME(divide)(int64_t *restrict v, size_t n, int64_t d)
{
    const double round = 6755399441055744.0; /* 1.5 * 2^52: what is added to it loses its fraction */
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++)
        bits |= (uint64_t)(v[i] ^ v[i] >> 63);
    if (d > (int64_t)1 << 60 || (d < 1 << 14 && bits >> 50)) {
        for (size_t i = 0; i < n; i++)
            v[i] = divided(v[i], d);
        return;
    }
    double inverse = 1.0 / (double)d;
    int64_t half = d / 2, zero;
    memcpy(&zero, &round, 8);
    for (size_t i = 0; i < n; i++) {
        double guess = (double)v[i] * inverse + round;
        int64_t quotient;
        memcpy(&quotient, &guess, 8);
        quotient -= zero;
        int64_t rest = sum(difference(v[i], multiple(quotient, d)), half);
        v[i] = quotient + (rest >= d) - (rest < 0);
    }
}

static TARGET void NAME(scale)(const struct call *c)
{
    const int64_t *f = c->f, mode = f[2], shift = f[3], low = f[9], high = f[10];
    size_t rows = (size_t)f[0], cols = (size_t)f[1];
    int is_after = (int)f[4];
    const i64 *pairs = f[5] < 0 ? NULL : (const i64 *)(c->constants + f[5]);
    struct rounding by = rounding_of(mode == DIVIDE ? 0 : shift);
    int64_t v[CHUNK], after[CHUNK];
    for (size_t row = 0; row < rows; row++) {
        int64_t given = mode == PLAIN ? 1 : element(c->b_type, c->b, (size_t)f[12] + row);
        int64_t factor = mode == MULTIPLY ? given : 1;
        int64_t most = ((int64_t)1 << 62) >> shift;
        int64_t divisor = mode == DIVIDE ? clamped(given, 1, most) << shift : 1;
        for (size_t from = 0; from < cols; from += CHUNK) {
            size_t n = cols - from < CHUNK ? cols - from : CHUNK;
            NAME(load)(c->a_type, c->a, row * cols + from, n, v);
            if (pairs) {
                for (size_t i = 0; i < n; i++) {
                    int64_t pair = pairs[from + i];
                    int64_t bias = (int64_t)((uint64_t)pair << 32) >> 32;
                    int64_t before = is_after ? 0 : bias;
                    after[i] = sum(is_after ? bias : 0, f[8]);
                    v[i] = multiple(multiple(sum(v[i], before), pair >> 32), factor);
                }
            } else {
                int64_t before = is_after ? 0 : f[6], last = sum(is_after ? f[6] : 0, f[8]);
                for (size_t i = 0; i < n; i++) {
                    after[i] = last;
                    v[i] = multiple(multiple(sum(v[i], before), f[7]), factor);
                }
            }
            if (mode == DIVIDE)
                NAME(divide)(v, n, divisor);
            for (size_t i = 0; i < n; i++)
                v[i] = clamped(sum(rounded(v[i], by), after[i]), low, high);
            NAME(store)(c->dst_type, c->dst, row * cols + from, n, v);
        }
    }
}

static TARGET void NAME(combine)(const struct call *c)
{
    const int64_t *f = c->f, kind = f[2], each = f[3], low = f[5], high = f[6];
    size_t rows = (size_t)f[0], cols = (size_t)f[1];
    struct rounding by = rounding_of(f[4]);
    int64_t x[CHUNK], y[CHUNK];
    for (size_t row = 0; row < rows; row++)
        for (size_t from = 0; from < cols; from += CHUNK) {
            size_t n = cols - from < CHUNK ? cols - from : CHUNK, at = row * cols + from;
            NAME(load)(c->a_type, c->a, at, n, x);
            if (each) {
                int64_t value = element(c->b_type, c->b, row);
                for (size_t i = 0; i < n; i++)
                    y[i] = value;
            } else {
                NAME(load)(c->b_type, c->b, at, n, y);
            }
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
    int64_t v[CHUNK];
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
