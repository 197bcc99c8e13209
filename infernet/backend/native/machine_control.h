/* Operators of a single element, and those that only fill: BEGIN, CLONE, TOKEN, DRAW and HALT. */

/* `f0` elements become 0. */
static void begin(const struct call *c)
{
    memset(c->dst, 0, (size_t)c->f[0] * size_of(c->dst_type));
}

/* Not the machine's: `f0` elements of `a`, where a COPY is to leave what it writes into as it is. */
static void clone(const struct call *c)
{
    memcpy(c->dst, c->a, (size_t)c->f[0] * size_of(c->dst_type));
}

static void token(const struct call *c)
{
    const int64_t *f = c->f;
    const i32 *a = c->a, *b = c->b;
    int64_t p = c->position;
    ((i32 *)c->dst)[0] = p < a[f[1]] ? a[clamped(f[2] + p, 0, f[0] - 1)]
                                     : b[clamped(p - 1, 0, f[3] - 1)];
}

/* The first eight bytes of SHA-256 of a message of 40, which is one block. */
static uint64_t digest_of(const uint8_t message[40])
{
    uint8_t block[64] = {0};
    uint32_t w[64], s[8];
    memcpy(block, message, 40);
    block[40] = 0x80;
    block[62] = 40 * 8 >> 8;
    block[63] = (40 * 8) & 0xff;
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
#define TURN(x, n) ((x) >> (n) | (x) << (32 - (n)))
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (TURN(a, 7) ^ TURN(a, 18) ^ a >> 3) +
               (TURN(b, 17) ^ TURN(b, 19) ^ b >> 10);
    }
    memcpy(s, INITIAL, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t one = s[7] + (TURN(s[4], 6) ^ TURN(s[4], 11) ^ TURN(s[4], 25)) + choice + K[i] + w[i];
        uint32_t two = (TURN(s[0], 2) ^ TURN(s[0], 13) ^ TURN(s[0], 22)) + majority;
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
#undef TURN
    return (uint64_t)(s[0] + INITIAL[0]) << 32 | (s[1] + INITIAL[1]);
}

static void draw(const struct call *c)
{
    const int64_t *f = c->f;
    const i32 *a = c->a;
    uint8_t message[40];
    uint64_t position = (uint64_t)c->position, total;
    ((i64 *)c->dst)[0] = 0;
    if (a[f[2]])
        return;
    for (int i = 0; i < 8; i++) {
        uint32_t word = (uint32_t)a[f[1] + i];
        for (int j = 0; j < 4; j++)
            message[4 * i + j] = (uint8_t)(word >> 8 * j);
        message[32 + i] = (uint8_t)(position >> (56 - 8 * i));
    }
    total = (uint64_t)clamped(((const i64 *)c->b)[0], 1, highest(I64));
    ((i64 *)c->dst)[0] = (int64_t)(digest_of(message) % total);
}

static int halts(const struct call *c)
{
    int32_t token = ((const i32 *)c->a)[0], length = ((const i32 *)c->b)[c->f[1]];
    int found = 0;
    for (int64_t i = 0; i < c->f[2]; i++)
        found |= c->f[3 + i] == token;
    return found && c->position >= (int64_t)length - 1;
}
