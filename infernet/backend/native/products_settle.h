/* What surrounds the dot products, compiled for one instruction set; included once for each.
 *
 * The includer defines NAME(x), which gives every function its own name, and TARGET, the
 * instruction set, for which the compiler makes vectors of these loops.
 */

/* Write `count` neighbours of a row of `out`, which fit 32 bits. */
static TARGET inline __attribute__((always_inline)) void NAME(settle_run)(
    const struct products *p, ptrdiff_t at, int count, const int32_t *low, const int32_t *high,
    const uint32_t *add, uint32_t term)
{
    uint32_t value[RUN];
    if (p->a_kind == PRODUCTS_I16)
        for (int c = 0; c < count; c++)
            value[c] = (uint32_t)low[c] + 256 * (uint32_t)high[c] + add[c] + term;
    else
        for (int c = 0; c < count; c++)
            value[c] = (uint32_t)low[c] + add[c] + term;
    if (p->out_wide)
        for (int c = 0; c < count; c++)
            ((int64_t *)p->out)[at + c] = (int32_t)value[c];
    else
        for (int c = 0; c < count; c++)
            ((int32_t *)p->out)[at + c] = (int32_t)value[c];
}

/* Write to `out` what is known to fit 32 bits. */
static TARGET void NAME(settle)(const struct job *j, size_t column, size_t count,
                                const struct scratch *s)
{
    const struct products *p = j->p;
    uint32_t add[WIDTH];
    for (int c = 0; c < WIDTH; c++)
        add[c] = (uint32_t)j->a_add * (uint32_t)s->w_sums[c];
    for (size_t r = 0; r < j->rows; r++) {
        const int32_t *low = s->dots + WIDTH * r, *high = low + WIDTH * j->rows;
        uint32_t term = (uint32_t)j->row_terms[r];
        ptrdiff_t at = p->out_stride * (ptrdiff_t)(j->first + r) + (ptrdiff_t)column;
        size_t c = 0;
        for (; c + RUN <= count; c += RUN)
            NAME(settle_run)(p, at + (ptrdiff_t)c, RUN, low + c, high + c, add + c, term);
        NAME(settle_run)(p, at + (ptrdiff_t)c, (int)(count - c), low + c, high + c, add + c, term);
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
