/* The kernels in plain C, for processors without others and to compare with. */

static void dots_portable(const struct job *j, const int8_t *a, const struct columns *w,
                          struct scratch *s)
{
    for (size_t c = 0; c < w->count; c++) {
        const uint8_t *column = w->at + w->stride * (ptrdiff_t)c;
        s->w_sums[c] = 0;
        for (size_t k = 0; k < w->depth; k++)
            s->w_sums[c] += column[k] ^ w->flip;
        for (size_t line = 0; line < j->lines; line++) {
            const int8_t *row = a + j->stride * line;
            int32_t dot = 0;
            for (size_t k = 0; k < w->depth; k++)
                dot += row[k] * (column[k] ^ w->flip);
            s->dots[WIDTH * line + c] = dot;
        }
    }
}

static int64_t copy_bytes_portable(const uint8_t *from, size_t count, uint8_t flip, int8_t *to)
{
    int32_t sum = 0;
    for (size_t k = 0; k < count; k++) {
        to[k] = (int8_t)(from[k] ^ flip);
        sum += to[k];
    }
    return sum;
}

static int64_t copy_words_portable(const int16_t *from, size_t count, int8_t *low, int8_t *high)
{
    int64_t sum = 0;
    for (size_t k = 0; k < count; k++) {
        low[k] = (int8_t)((uint8_t)from[k] ^ 0x80);
        high[k] = (int8_t)((uint16_t)from[k] >> 8);
        sum += low[k] + 256 * high[k];
    }
    return sum;
}
