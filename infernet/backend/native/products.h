/* Exact integer products of matrices, as the machine's MATMUL defines them.
 *
 * out[r, c] = sum over k of (a[r, k] - a_zero) * (w[c, k] - w_zero), neighbours in depth side by
 * side in memory. Every processor, kernel and number of threads gives the same bits.
 */
#ifndef INFERNET_PRODUCTS_H
#define INFERNET_PRODUCTS_H

#include <stddef.h>
#include <stdint.h>

enum { PRODUCTS_U8, PRODUCTS_I8, PRODUCTS_I16 };

/* `a`: [rows, depth], `w`: [columns, depth] of their kind; zero points in the kind's range.
 * `out`: [rows, columns], i32 into which sums are clamped, or i64 with out_wide. It overlaps
 * neither operand. Strides, from row to row, are in elements. depth is below 2^24. */
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

/* Return 0, or -1 when memory for scratch runs out. Any thread may call it at any time. */
int infernet_products(const struct products *p);

/* Choose the kernels by the widest instructions allowed: 0 portable, 1 AVX2, 2 AVX-512 VNNI, 3 AMX;
 * return the name of those now in use, the widest below that this processor has. Not while any
 * run. */
const char *infernet_products_use(int widest);

#endif
