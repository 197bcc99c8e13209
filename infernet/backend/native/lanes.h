/* SHA-256 of LANES messages side by side; included once for each vector width.
 *
 * The includer defines LANES (4, 8 or 16), NAME(x), which gives every function its own name, and
 * TARGET, the instruction set. One vector holds the same word of all messages.
 */

typedef uint32_t NAME(words) __attribute__((vector_size(4 * LANES)));
typedef int32_t NAME(index) __attribute__((vector_size(4 * LANES)));
#define V NAME(words)

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define SUM_A(x) (ROTATE(x, 2) ^ ROTATE(x, 13) ^ ROTATE(x, 22))
#define SUM_E(x) (ROTATE(x, 6) ^ ROTATE(x, 11) ^ ROTATE(x, 25))
#define MIX_0(x) (ROTATE(x, 7) ^ ROTATE(x, 18) ^ (x) >> 3)
#define MIX_1(x) (ROTATE(x, 17) ^ ROTATE(x, 19) ^ (x) >> 10)

#define ROUND(a, b, c, d, e, f, g, h, kw)                                      \
    do {                                                                       \
        V t = (h) + SUM_E(e) + (((e) & (f)) | (~(e) & (g))) + (kw);            \
        (d) += t;                                                              \
        (h) = t + SUM_A(a) + (((a) & (b)) | ((c) & ((a) | (b))));              \
    } while (0)

/* Turn LANES rows of LANES words into columns: at distance `d` the off-diagonal squares swap. */
static TARGET inline void NAME(transpose)(V r[LANES])
{
    for (int d = 1; d < LANES; d *= 2) {
        NAME(index) low, high;
        for (int i = 0; i < LANES; i++) {
            low[i] = i & d ? LANES + i - d : i;
            high[i] = i & d ? LANES + i : i + d;
        }
        for (int i = 0; i < LANES; i++) {
            if (i & d)
                continue;
            V a = r[i], b = r[i + d];
            r[i] = SHUFFLE(a, b, low);
            r[i + d] = SHUFFLE(a, b, high);
        }
    }
}

/* Absorb one 64-byte block of each message; `at[i]` points at lane i's. */
static TARGET void NAME(absorb)(V state[8], const uint8_t *const at[LANES], size_t offset)
{
    V w[16];
    for (int part = 0; part < 16; part += LANES) {
        for (int i = 0; i < LANES; i++)
            memcpy(&w[part + i], at[i] + offset + 4 * part, sizeof(V));
        NAME(transpose)(w + part);
    }
    for (int i = 0; i < 16; i++)
        w[i] = TO_BIG_ENDIAN(w[i]);
    V a = state[0], b = state[1], c = state[2], d = state[3];
    V e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i += 16) {
#define NEXT(j)                                                                \
    (i ? (w[j] += MIX_0(w[(j + 1) & 15]) + w[(j + 9) & 15] + MIX_1(w[(j + 14) & 15])) : w[j])
#define EIGHT(j)                                                               \
    ROUND(a, b, c, d, e, f, g, h, NEXT(j) + K[i + j]);                         \
    ROUND(h, a, b, c, d, e, f, g, NEXT(j + 1) + K[i + j + 1]);                 \
    ROUND(g, h, a, b, c, d, e, f, NEXT(j + 2) + K[i + j + 2]);                 \
    ROUND(f, g, h, a, b, c, d, e, NEXT(j + 3) + K[i + j + 3]);                 \
    ROUND(e, f, g, h, a, b, c, d, NEXT(j + 4) + K[i + j + 4]);                 \
    ROUND(d, e, f, g, h, a, b, c, NEXT(j + 5) + K[i + j + 5]);                 \
    ROUND(c, d, e, f, g, h, a, b, NEXT(j + 6) + K[i + j + 6]);                 \
    ROUND(b, c, d, e, f, g, h, a, NEXT(j + 7) + K[i + j + 7])
        EIGHT(0);
        EIGHT(8);
#undef EIGHT
#undef NEXT
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

/* Absorb the block that ends a message; all lanes have the same, so its schedule is known. */
static TARGET void NAME(absorb_end)(V state[8], const uint32_t schedule[64])
{
    V a = state[0], b = state[1], c = state[2], d = state[3];
    V e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, schedule[i]);
        ROUND(h, a, b, c, d, e, f, g, schedule[i + 1]);
        ROUND(g, h, a, b, c, d, e, f, schedule[i + 2]);
        ROUND(f, g, h, a, b, c, d, e, schedule[i + 3]);
        ROUND(e, f, g, h, a, b, c, d, schedule[i + 4]);
        ROUND(d, e, f, g, h, a, b, c, schedule[i + 5]);
        ROUND(c, d, e, f, g, h, a, b, schedule[i + 6]);
        ROUND(b, c, d, e, f, g, h, a, schedule[i + 7]);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

/* Hash `count` messages of `size` bytes (a multiple of 64) that lie one after the other. */
static TARGET void NAME(hash_all)(
    const uint8_t *data, size_t count, size_t size, const uint32_t end[64], uint8_t *out)
{
    for (size_t first = 0; first < count; first += LANES) {
        size_t lanes = count - first < LANES ? count - first : LANES;
        const uint8_t *at[LANES];
        /* Lanes without a message repeat the first; their result is dropped. */
        for (size_t i = 0; i < LANES; i++)
            at[i] = data + size * (first + (i < lanes ? i : 0));
        V state[8];
        for (int i = 0; i < 8; i++)
            state[i] = INITIAL[i] + (V){0};
        for (size_t offset = 0; offset < size; offset += 64)
            NAME(absorb)(state, at, offset);
        NAME(absorb_end)(state, end);
        for (int word = 0; word < 8; word++) {
            V swapped = TO_BIG_ENDIAN(state[word]);
            for (size_t i = 0; i < lanes; i++) {
                uint32_t value = swapped[i];
                memcpy(out + HASH * (first + i) + 4 * word, &value, 4);
            }
        }
    }
}

#undef V
#undef ROTATE
#undef SUM_A
#undef SUM_E
#undef MIX_0
#undef MIX_1
#undef ROUND
#undef LANES
#undef NAME
#undef TARGET
