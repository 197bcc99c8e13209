/* Exact integer products of byte matrices, as the machine's MATMUL defines them.
 *
 * Every processor gives the same bits: sums are exact in 32 bits, whatever the order, since callers
 * keep depth * 255 * 255 below 2^31.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Bytes of depth that are packed at once: a panel then stays in the second-level cache. */
#define BLOCK 2048
/* Below this many rows packing costs more than it saves. */
#define FEW 8
#define MOST_ROWS 16
#define MOST_WIDTH 48

/* `a` stands for its i8 reading + `a_add`, `w` for its u8 reading, `w_flip` applied, + `w_add`. */
struct job {
    size_t rows, columns, depth, padded, w_stride, out_stride;
    int32_t a_add, w_add;
    uint8_t w_flip;
};

struct scratch {
    int32_t *sums;
    uint8_t *panel;
};

/* sum (a' + A)(w' + B) = sum a'w' + B sum a' + A sum w' + depth A B */
static inline int32_t settle(const struct job *j, int32_t dot, int32_t a_sum, int32_t w_sum)
{
    uint32_t a = (uint32_t)j->a_add, b = (uint32_t)j->w_add;
    return (int32_t)((uint32_t)dot + b * (uint32_t)a_sum + a * (uint32_t)w_sum +
                     (uint32_t)j->depth * a * b);
}

typedef void (*multiplier)(const struct job *, const int8_t *, const int32_t *, const uint8_t *,
                           int32_t *, struct scratch *);

static void multiply_portable(const struct job *j, const int8_t *a, const int32_t *a_sums,
                              const uint8_t *w, int32_t *out, struct scratch *s)
{
    (void)s;
    for (size_t c = 0; c < j->columns; c++) {
        const uint8_t *column = w + j->w_stride * c;
        int32_t w_sum = 0;
        for (size_t k = 0; k < j->depth; k++)
            w_sum += column[k] ^ j->w_flip;
        for (size_t r = 0; r < j->rows; r++) {
            const int8_t *row = a + j->padded * r;
            int32_t dot = 0;
            for (size_t k = 0; k < j->depth; k++)
                dot += row[k] * (column[k] ^ j->w_flip);
            out[j->out_stride * r + c] = settle(j, dot, a_sums[r], w_sum);
        }
    }
}

#if defined(__x86_64__)
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2")))
#include "matmul.h"

#define NAME(x) x##_vnni
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define VNNI
#include "matmul.h"
#endif

static multiplier multiply = multiply_portable;
static const char *kernel = "portable";

static void choose_kernel(int widest)
{
    multiply = multiply_portable;
    kernel = "portable";
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (widest >= 1 && __builtin_cpu_supports("avx2")) {
        multiply = multiply_avx2;
        kernel = "AVX2";
    }
    if (widest >= 2 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw")) {
        multiply = multiply_vnni;
        kernel = "AVX-512 VNNI";
    }
#endif
    (void)widest;
}

/* Rows of `a` as i8, padded with zeros to whole quads and to whole tiles of rows; their sums. */
static void copy_rows(const struct job *j, const uint8_t *a, size_t stride, uint8_t flip,
                      int8_t *to, int32_t *sums)
{
    for (size_t r = 0; r < j->rows; r++) {
        int8_t *row = to + j->padded * r;
        int32_t sum = 0;
        for (size_t k = 0; k < j->depth; k++) {
            row[k] = (int8_t)(a[stride * r + k] ^ flip);
            sum += row[k];
        }
        memset(row + j->depth, 0, j->padded - j->depth);
        sums[r] = sum;
    }
}

static int run(struct job *j, const uint8_t *a, size_t a_stride, uint8_t a_flip, const uint8_t *w,
               int32_t *out)
{
    size_t rows = (j->rows + MOST_ROWS - 1) / MOST_ROWS * MOST_ROWS;
    size_t bytes = rows * j->padded + rows * sizeof(int32_t) * (1 + MOST_WIDTH) + BLOCK * MOST_WIDTH;
    uint8_t *space = malloc(bytes + 64);
    if (!space)
        return -1;
    uint8_t *at = space + (64 - (uintptr_t)space % 64);
    struct scratch s = {.panel = at, .sums = (int32_t *)(at + BLOCK * MOST_WIDTH)};
    int32_t *a_sums = s.sums + rows * MOST_WIDTH;
    int8_t *copied = (int8_t *)(a_sums + rows);
    copy_rows(j, a, a_stride, a_flip, copied, a_sums);
    memset(copied + j->rows * j->padded, 0, (rows - j->rows) * j->padded);
    multiply(j, copied, a_sums, w, out, &s);
    free(space);
    return 0;
}

/* product(a, w, out, rows, columns, depth, a_offset, a_stride, w_offset, w_stride, out_offset,
 *         out_stride, a_signed, w_signed, a_zero, w_zero) */
static PyObject *product(PyObject *self, PyObject *args)
{
    Py_buffer a, w, out;
    Py_ssize_t n[9];
    int a_signed, w_signed, a_zero, w_zero;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*w*nnnnnnnnnppii", &a, &w, &out, n, n + 1, n + 2, n + 3, n + 4,
                          n + 5, n + 6, n + 7, n + 8, &a_signed, &w_signed, &a_zero, &w_zero))
        return NULL;
    PyObject *result = NULL;
    int inside = n[0] > 0 && n[1] > 0 && n[2] > 0;
    for (int i = 3; i < 9; i++)
        inside = inside && n[i] >= 0;
    inside = inside && n[3] + (n[0] - 1) * n[4] + n[2] <= a.len &&
             n[5] + (n[1] - 1) * n[6] + n[2] <= w.len &&
             4 * (n[7] + (n[0] - 1) * n[8] + n[1]) <= out.len;
    if (!inside) {
        PyErr_SetString(PyExc_ValueError, "an operand does not lie in its buffer");
    } else {
        struct job j = {.rows = (size_t)n[0], .columns = (size_t)n[1], .depth = (size_t)n[2],
                        .padded = ((size_t)n[2] + 3) / 4 * 4, .w_stride = (size_t)n[6],
                        .out_stride = (size_t)n[8], .a_add = (a_signed ? 0 : 128) - a_zero,
                        .w_add = (w_signed ? -128 : 0) - w_zero, .w_flip = w_signed ? 0x80 : 0};
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = run(&j, (const uint8_t *)a.buf + n[3], (size_t)n[4], a_signed ? 0 : 0x80,
                     (const uint8_t *)w.buf + n[5], (int32_t *)out.buf + n[7]);
        Py_END_ALLOW_THREADS
        result = failed ? PyErr_NoMemory() : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&a);
    PyBuffer_Release(&w);
    PyBuffer_Release(&out);
    return result;
}

/* Select a narrower kernel, so that a test can compare them all on one machine. */
static PyObject *use(PyObject *self, PyObject *args)
{
    int widest;
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &widest))
        return NULL;
    choose_kernel(widest);
    return PyUnicode_FromString(kernel);
}

static PyMethodDef methods[] = {
    {"product", product, METH_VARARGS,
     "product(a, w, out, rows, columns, depth, a_offset, a_stride, w_offset, w_stride,\n"
     "        out_offset, out_stride, a_signed, w_signed, a_zero, w_zero)\n"
     "out[r, c] = sum over k of (a[r, k] - a_zero) * (w[c, k] - w_zero), i32 modulo 2^32.\n"
     "Offsets and strides in elements of each operand."},
    {"use", use, METH_VARARGS,
     "use(widest) -> name of the kernel now in use: 0 portable, 1 AVX2, 2 AVX-512 VNNI, or the\n"
     "widest below that this processor has."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_matmul", "Exact products of byte matrices.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__matmul(void)
{
    choose_kernel(2);
    return PyModule_Create(&module);
}
