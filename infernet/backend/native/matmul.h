/* Exact products of bytes for one instruction set; included once for each.
 *
 * The includer defines NAME(x), which gives every function its own name, TARGET, the instruction
 * set, and VNNI where the processor has it. `a` is read as i8, `w` as u8: what the bytes stand for
 * differs from that by constants, which `settle` puts right.
 */

#if defined(VNNI)
#define V __m512i
#define LANES 16
#define ROWS 8
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define SPREAD(x) _mm512_set1_epi32(x)
#define FLIP(v, x) _mm512_xor_si512(v, x)
#define STEP(acc, w, x) _mm512_dpbusd_epi32(acc, w, x)
#define TOTAL(v) _mm512_reduce_add_epi32(v)
#else
#define V __m256i
#define LANES 8
#define ROWS 4
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define SPREAD(x) _mm256_set1_epi32(x)
#define FLIP(v, x) _mm256_xor_si256(v, x)
#define STEP(acc, w, x) NAME(step)(acc, w, x)
#define TOTAL(v) NAME(total)(v)

/* Four products of each lane; unlike vpmaddubsw, nothing saturates on the way. */
static TARGET inline __m256i NAME(step)(__m256i acc, __m256i w, __m256i x)
{
    __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), odd = _mm256_srai_epi16(x, 8);
    __m256i low = _mm256_and_si256(w, _mm256_set1_epi16(0xff));
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(low, even));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_srli_epi16(w, 8), odd));
}

static TARGET inline int32_t NAME(total)(__m256i v)
{
    int32_t part[8], sum = 0;
    STORE(part, v);
    for (int i = 0; i < 8; i++)
        sum += part[i];
    return sum;
}
#endif

#define PANELS 3
#define WIDTH (LANES * PANELS)
#define BYTES (4 * LANES)

/* Dot products of up to four rows of `a` with one column of `w` where it lies: the memory that `w`
 * takes is the bound, so it is read once and its sum is taken on the way. */
static TARGET void NAME(column)(
    const struct job *j, const int8_t *a, size_t rows, const uint8_t *w, int32_t *out,
    size_t out_stride, const int32_t *a_sums)
{
    V flip = SPREAD((int32_t)(0x01010101u * j->w_flip)), ones = SPREAD(0x01010101);
    V acc[4] = {SPREAD(0), SPREAD(0), SPREAD(0), SPREAD(0)}, sums = SPREAD(0);
    size_t k = 0;
    for (; k + BYTES <= j->depth; k += BYTES) {
        V line = FLIP(LOAD(w + k), flip);
        sums = STEP(sums, line, ones);
        for (size_t r = 0; r < rows; r++)
            acc[r] = STEP(acc[r], line, LOAD(a + r * j->padded + k));
    }
    int32_t w_sum = TOTAL(sums), dots[4];
    for (size_t r = 0; r < rows; r++)
        dots[r] = TOTAL(acc[r]);
    for (; k < j->depth; k++) {
        int32_t value = w[k] ^ j->w_flip;
        w_sum += value;
        for (size_t r = 0; r < rows; r++)
            dots[r] += value * a[r * j->padded + k];
    }
    for (size_t r = 0; r < rows; r++)
        out[r * out_stride] = settle(j, dots[r], a_sums[r], w_sum);
}

/* Columns of `w` as `tile` reads them: four neighbours in depth side by side, WIDTH columns a line.
 * What lies past the last column or the depth is 0. */
static TARGET void NAME(pack)(
    const struct job *j, const uint8_t *w, size_t columns, size_t from, size_t quads, uint8_t *out,
    int32_t *sums)
{
    uint32_t flip = 0x01010101u * j->w_flip;
    for (size_t column = 0; column < columns; column++) {
        const uint8_t *at = w + j->w_stride * column + from;
        size_t whole = (j->depth - from) / 4 < quads ? (j->depth - from) / 4 : quads;
        uint8_t *to = out + 4 * column;
        V ones = SPREAD(0x01010101), sum = SPREAD(0);
        size_t q = 0;
        for (; q + LANES <= whole; q += LANES) {
            uint32_t line[LANES];
            V values = FLIP(LOAD(at + 4 * q), SPREAD((int32_t)flip));
            sum = STEP(sum, values, ones);
            STORE(line, values);
            for (int i = 0; i < LANES; i++)
                memcpy(to + (q + i) * WIDTH * 4, line + i, 4);
        }
        sums[column] += TOTAL(sum);
        for (; q < quads; q++) {
            uint8_t value[4] = {0};
            for (size_t i = 0; i < 4 && from + 4 * q + i < j->depth; i++) {
                value[i] = at[4 * q + i] ^ j->w_flip;
                sums[column] += value[i];
            }
            memcpy(to + q * WIDTH * 4, value, 4);
        }
    }
    for (size_t column = columns; column < WIDTH; column++)
        for (size_t q = 0; q < quads; q++)
            memset(out + (q * WIDTH + column) * 4, 0, 4);
}

/* ROWS rows of `a` by one packed panel; added to `out[ROWS][WIDTH]`. */
static TARGET void NAME(tile)(
    const int8_t *a, size_t stride, const uint8_t *panel, size_t quads, int32_t *out)
{
    V acc[ROWS][PANELS];
    for (int r = 0; r < ROWS; r++)
        for (int p = 0; p < PANELS; p++)
            acc[r][p] = LOAD(out + WIDTH * r + LANES * p);
    for (size_t q = 0; q < quads; q++) {
        V line[PANELS];
        for (int p = 0; p < PANELS; p++)
            line[p] = LOAD(panel + (q * WIDTH + LANES * p) * 4);
        for (int r = 0; r < ROWS; r++) {
            int32_t four;
            memcpy(&four, a + stride * r + 4 * q, 4);
            V x = SPREAD(four);
            for (int p = 0; p < PANELS; p++)
                acc[r][p] = STEP(acc[r][p], line[p], x);
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int p = 0; p < PANELS; p++)
            STORE(out + WIDTH * r + LANES * p, acc[r][p]);
}

/* All rows by up to WIDTH columns. `sums[rows rounded up][WIDTH]` and `panel` are scratch. */
static TARGET void NAME(panel)(
    const struct job *j, const int8_t *a, const int32_t *a_sums, const uint8_t *w, size_t columns,
    int32_t *out, struct scratch *s)
{
    size_t tiles = (j->rows + ROWS - 1) / ROWS;
    int32_t w_sums[WIDTH] = {0};
    memset(s->sums, 0, tiles * ROWS * WIDTH * sizeof(int32_t));
    for (size_t from = 0; from < j->depth; from += BLOCK) {
        size_t quads = (j->padded - from < BLOCK ? j->padded - from : BLOCK) / 4;
        NAME(pack)(j, w, columns, from, quads, s->panel, w_sums);
        for (size_t t = 0; t < tiles; t++)
            NAME(tile)(a + j->padded * ROWS * t + from, j->padded, s->panel, quads,
                       s->sums + ROWS * WIDTH * t);
    }
    for (size_t r = 0; r < j->rows; r++)
        for (size_t c = 0; c < columns; c++)
            out[j->out_stride * r + c] = settle(j, s->sums[WIDTH * r + c], a_sums[r], w_sums[c]);
}

static TARGET void NAME(multiply)(
    const struct job *j, const int8_t *a, const int32_t *a_sums, const uint8_t *w, int32_t *out,
    struct scratch *s)
{
    if (j->rows < FEW) {
        for (size_t r = 0; r < j->rows; r += 4)
            for (size_t c = 0; c < j->columns; c++)
                NAME(column)(j, a + j->padded * r, j->rows - r < 4 ? j->rows - r : 4,
                             w + j->w_stride * c, out + j->out_stride * r + c, j->out_stride,
                             a_sums + r);
        return;
    }
    for (size_t c = 0; c < j->columns; c += WIDTH)
        NAME(panel)(j, a, a_sums, w + j->w_stride * c,
                    j->columns - c < WIDTH ? j->columns - c : WIDTH, out + c, s);
}

#undef V
#undef LANES
#undef ROWS
#undef LOAD
#undef STORE
#undef SPREAD
#undef FLIP
#undef STEP
#undef TOTAL
#undef PANELS
#undef WIDTH
#undef BYTES
#undef NAME
#undef TARGET
#undef VNNI
