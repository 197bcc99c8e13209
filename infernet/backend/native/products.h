/* Exact products of integer matrices, as the machine's MATMUL defines them. */

#ifndef INFERNET_PRODUCTS_H
#define INFERNET_PRODUCTS_H

#include <stddef.h>
#include <stdint.h>

enum { PRODUCTS_U8, PRODUCTS_I8, PRODUCTS_I16 };

/* out[r, c] = sum over k of (a[r, k] - a_zero) * (w[c, k] - w_zero).
 *
 * Strides are in elements, of rows of `a`, rows of `w` (columns of the product) and rows of `out`.
 * `out_wide`: 0 for i32, to which sums are clamped, 1 for i64. */
struct products {
    const void *a, *w;
    int a_kind, w_kind;
    size_t rows, columns, depth;
    ptrdiff_t a_stride, w_stride;
    int32_t a_zero, w_zero;
    void *out;
    int out_wide;
    ptrdiff_t out_stride;
    int threads;
};

/* Returns 0, or -1 where memory ran out. */
int infernet_products(const struct products *p);

/* Selects kernels no wider than a level: 0 portable, 1 AVX2, 2 AVX-512. Returns their name. */
const char *infernet_products_use(int widest);

#endif
