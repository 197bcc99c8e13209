/* MATMUL at several positions at once, as few products of many rows. */

/* The plan says of a kept tensor that position q appends to it, and is alone in reading:
 * COLUMNS: it is column q of each batch. At position p later columns are zeros: their sums are 0.
 * DEPTH: it is element q of each column. At position p later elements are zeros and add nothing. */
enum { WHOLE, COLUMNS, DEPTH };

struct wave {
    const int64_t *positions;
    size_t count;
    int threads;
};

struct product_of {
    const struct call *c;
    const struct wave *wave;
    size_t a_step, dst_step;
};

static void clear_columns(const struct call *c, char *dst, size_t rows, int64_t from)
{
    size_t columns = (size_t)c->f[2], size = size_of(c->dst_type);
    for (size_t row = 0; from < c->f[2] && row < rows; row++)
        memset(dst + (row * columns + (size_t)from) * size, 0, (columns - (size_t)from) * size);
}

/* Rows of `a` at each position, those elements that meet later ones replaced by the zero point. */
static void *cut_rows(const struct product_of *m, const char *a, size_t rows, size_t stride,
                      size_t depth)
{
    const struct call *c = m->c;
    size_t size = size_of(c->a_type);
    char *all = infernet_scratch(SCRATCH, m->wave->count * rows * depth * size), *to = all;
    if (!all)
        return NULL;
    for (size_t i = 0; i < m->wave->count; i++) {
        int64_t valid = clamped(m->wave->positions[i] + 1, 0, (int64_t)depth);
        for (size_t row = 0; row < rows; row++, to += depth * size) {
            memcpy(to, a + i * m->a_step + row * stride * size, (size_t)valid * size);
            for (size_t k = (size_t)valid; k < depth; k++)
                put(c->a_type, to, k, c->f[13]);
        }
    }
    return all;
}

/* One batch at every position. Rows of all positions become one product where a stride reaches
 * them: a row for each position, or a copy of all rows. */
static int multiply_batch(const struct product_of *m, size_t batch, size_t rows, size_t a_stride)
{
    const struct call *c = m->c;
    const struct wave *w = m->wave;
    const int64_t *f = c->f;
    int limit = (int)f[LIMIT - FIELDS];
    int64_t last = 0;
    for (size_t i = 0; i < w->count; i++)
        last = w->positions[i] > last ? w->positions[i] : last;
    size_t columns = (size_t)(limit == COLUMNS ? clamped(last + 1, 0, f[2]) : f[2]);
    size_t depth = (size_t)(limit == DEPTH ? clamped(last + 1, 0, f[3]) : f[3]);
    size_t a_size = size_of(c->a_type), b_size = size_of(c->b_type), out = size_of(c->dst_type);
    const char *a = (const char *)c->a + (size_t)(f[5] + (int64_t)batch * f[6]) * a_size;
    const char *b = c->b ? c->b : (const char *)c->constants;
    char *dst = (char *)c->dst + batch * (size_t)(f[1] * f[2]) * out;
    struct products p = {
        .a = a, .w = b + (size_t)(f[9] + (int64_t)batch / f[10] * f[11]) * b_size,
        .a_kind = c->a_type, .w_kind = c->b_type, .rows = rows, .columns = columns,
        .depth = depth, .a_stride = (ptrdiff_t)a_stride, .w_stride = f[12],
        .a_zero = (int32_t)f[13], .w_zero = (int32_t)f[14], .out = dst, .out_wide = out == 8,
        .out_stride = f[2], .threads = w->threads,
    };
    int failed = 0;
    if (w->count > 1 && rows == 1) {
        p.rows = w->count;
        p.a_stride = (ptrdiff_t)(m->a_step / a_size);
        p.out_stride = (ptrdiff_t)(m->dst_step / out);
        if (limit == DEPTH) {
            p.a = cut_rows(m, a, 1, 0, depth);
            p.a_stride = (ptrdiff_t)depth;
            failed = !p.a;
        }
        failed = failed || infernet_products(&p);
        for (size_t i = 0; limit == COLUMNS && i < w->count; i++)
            clear_columns(c, dst + i * m->dst_step, 1, w->positions[i] + 1);
        return failed;
    }
    for (size_t i = 0; i < w->count && !failed; i++) {
        p.a = a + i * m->a_step;
        p.out = dst + i * m->dst_step;
        if (limit == COLUMNS) {
            p.columns = (size_t)clamped(w->positions[i] + 1, 0, f[2]);
            clear_columns(c, p.out, rows, w->positions[i] + 1);
        } else if (limit == DEPTH) {
            p.depth = (size_t)clamped(w->positions[i] + 1, 0, f[3]);
        }
        failed = infernet_products(&p);
    }
    return failed;
}

/* `c` is the call at the first position; the operands of the next are `a_step` and `dst_step` bytes
 * further on. `b` is the same at all positions, or there is one. */
static int matmul(const struct call *c, const struct wave *wave, size_t a_step, size_t dst_step)
{
    const int64_t *f = c->f;
    struct product_of m = {c, wave, a_step, dst_step};
    size_t batches = (size_t)f[0], group = (size_t)f[10];
    int failed = 0;
    /* A row of each batch of a group reads the same columns. */
    if (f[1] == 1 && group > 1 && wave->count == 1) {
        for (size_t i = 0; i < batches && !failed; i += group) {
            size_t rows = batches - i < group ? batches - i : group;
            failed = multiply_batch(&m, i, rows, (size_t)f[6]);
        }
        return failed;
    }
    for (size_t i = 0; i < batches && !failed; i++)
        failed = multiply_batch(&m, i, (size_t)f[1], (size_t)f[7]);
    return failed;
}
