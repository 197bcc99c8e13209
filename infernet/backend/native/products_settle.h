/* What surrounds the dot products, compiled for one instruction set; included once for each.
 *
 * The includer defines NAME(x), which gives every function its own name, and TARGET, the
 * instruction set, for which the compiler makes vectors of these loops.
 */

/* Take row `r` of `a` into its line, or into its two, and write its sum. */
static TARGET void NAME(copy_row)(const struct products *p, size_t r, int8_t *restrict low,
                                  int8_t *restrict high, int64_t *total)
{
    int32_t sum = 0, high_sum = 0;
    if (p->a_kind == PRODUCTS_I16) {
        const int16_t *row = (const int16_t *)p->a + p->a_stride * (ptrdiff_t)r;
        for (size_t k = 0; k < p->depth; k++) {
            low[k] = (int8_t)((uint8_t)row[k] ^ 0x80);
            high[k] = (int8_t)(row[k] >> 8);
            sum += low[k];
            high_sum += high[k];
        }
    } else {
        const uint8_t *row = (const uint8_t *)p->a + p->a_stride * (ptrdiff_t)r;
        uint8_t flip = p->a_kind == PRODUCTS_U8 ? 0x80 : 0;
        for (size_t k = 0; k < p->depth; k++) {
            low[k] = (int8_t)(row[k] ^ flip);
            sum += low[k];
        }
    }
    *total = sum + 256 * (int64_t)high_sum;
}

/* Write to `out` what is known to fit 32 bits. */
static TARGET void NAME(settle)(const struct job *j, size_t column, size_t count,
                                const struct scratch *s)
{
    const struct products *p = j->p;
    uint32_t add[WIDTH], value[WIDTH];
    for (int c = 0; c < WIDTH; c++)
        add[c] = (uint32_t)j->a_add * (uint32_t)s->w_sums[c];
    for (size_t r = 0; r < j->rows; r++) {
        const int32_t *low = s->dots + WIDTH * r, *high = low + WIDTH * j->rows;
        uint32_t term = (uint32_t)j->row_terms[r];
        if (p->a_kind == PRODUCTS_I16)
            for (int c = 0; c < WIDTH; c++)
                value[c] = (uint32_t)low[c] + 256 * (uint32_t)high[c] + add[c] + term;
        else
            for (int c = 0; c < WIDTH; c++)
                value[c] = (uint32_t)low[c] + add[c] + term;
        ptrdiff_t at = p->out_stride * (ptrdiff_t)(j->first + r) + (ptrdiff_t)column;
        if (p->out_wide)
            for (size_t c = 0; c < count; c++)
                ((int64_t *)p->out)[at + (ptrdiff_t)c] = (int32_t)value[c];
        else if (count == WIDTH)
            memcpy((int32_t *)p->out + at, value, sizeof value);
        else
            memcpy((int32_t *)p->out + at, value, count * sizeof *value);
    }
}

/* Add dots and sums, times `scale`, to the totals. */
static TARGET void NAME(add)(const struct job *j, int64_t scale, struct scratch *s)
{
    for (int c = 0; c < WIDTH; c++)
        s->column_terms[c] += j->a_add * scale * s->w_sums[c];
    for (size_t r = 0; r < j->rows; r++) {
        const int32_t *low = s->dots + WIDTH * r, *high = low + WIDTH * j->rows;
        int64_t *total = s->totals + WIDTH * r;
        if (j->p->a_kind == PRODUCTS_I16)
            for (int c = 0; c < WIDTH; c++)
                total[c] += scale * (low[c] + 256 * (int64_t)high[c]);
        else
            for (int c = 0; c < WIDTH; c++)
                total[c] += scale * low[c];
    }
}

/* Write the totals to `out`. */
static TARGET void NAME(finish)(const struct job *j, size_t column, size_t count,
                                const struct scratch *s)
{
    const struct products *p = j->p;
    for (size_t r = 0; r < j->rows; r++) {
        const int64_t *total = s->totals + WIDTH * r;
        int64_t term = j->row_terms[r];
        ptrdiff_t at = p->out_stride * (ptrdiff_t)(j->first + r) + (ptrdiff_t)column;
        if (p->out_wide) {
            int64_t *out = (int64_t *)p->out + at;
            for (size_t c = 0; c < count; c++)
                out[c] = total[c] + s->column_terms[c] + term;
        } else {
            int32_t *out = (int32_t *)p->out + at;
            for (size_t c = 0; c < count; c++) {
                int64_t value = total[c] + s->column_terms[c] + term;
                value = value < INT32_MIN ? INT32_MIN : value;
                out[c] = (int32_t)(value > INT32_MAX ? INT32_MAX : value);
            }
        }
    }
}

#undef NAME
#undef TARGET
