/* The Python module of exact integer products. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "products.h"

struct operand {
    Py_buffer buffer;
    Py_ssize_t offset, stride;
};

/* Say whether `rows` runs of `length` elements of `size` bytes lie in the buffer. */
static int inside(const struct operand *o, Py_ssize_t rows, Py_ssize_t length, Py_ssize_t size)
{
    Py_ssize_t count = o->buffer.len / size;
    if (o->offset < 0 || o->stride < 0 || o->offset > count || length > count - o->offset)
        return 0;
    return rows == 1 || o->stride <= (count - o->offset - length) / (rows - 1);
}

static int is_kind(int kind)
{
    return kind >= PRODUCTS_U8 && kind <= PRODUCTS_I16;
}

/* product(a, w, out, rows, columns, depth, a_offset, a_stride, w_offset, w_stride, out_offset,
 *         out_stride, a_kind, w_kind, out_wide, a_zero, w_zero, threads) */
static PyObject *product(PyObject *self, PyObject *args)
{
    struct operand a, w, out;
    Py_ssize_t rows, columns, depth;
    struct products p;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*w*nnnnnnnnniiiiii", &a.buffer, &w.buffer, &out.buffer, &rows,
                          &columns, &depth, &a.offset, &a.stride, &w.offset, &w.stride, &out.offset,
                          &out.stride, &p.a_kind, &p.w_kind, &p.out_wide, &p.a_zero, &p.w_zero,
                          &p.threads))
        return NULL;
    PyObject *result = NULL;
    Py_ssize_t a_size = p.a_kind == PRODUCTS_I16 ? 2 : 1, w_size = p.w_kind == PRODUCTS_I16 ? 2 : 1;
    Py_ssize_t out_size = p.out_wide ? 8 : 4;
    if (!is_kind(p.a_kind) || !is_kind(p.w_kind)) {
        PyErr_SetString(PyExc_ValueError, "a kind is 0 (u8), 1 (i8) or 2 (i16)");
    } else if (rows <= 0 || columns <= 0 || depth <= 0 || depth >= 1 << 24 ||
               !inside(&a, rows, depth, a_size) || !inside(&w, columns, depth, w_size) ||
               !inside(&out, rows, columns, out_size)) {
        PyErr_SetString(PyExc_ValueError, "an operand does not lie in its buffer");
    } else if (rows > 1 && out.stride < columns) {
        PyErr_SetString(PyExc_ValueError, "the rows of the result overlap");
    } else {
        p.a = (const char *)a.buffer.buf + a.offset * a_size;
        p.w = (const char *)w.buffer.buf + w.offset * w_size;
        p.out = (char *)out.buffer.buf + out.offset * out_size;
        p.rows = (size_t)rows;
        p.columns = (size_t)columns;
        p.depth = (size_t)depth;
        p.a_stride = a.stride;
        p.w_stride = w.stride;
        p.out_stride = out.stride;
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = infernet_products(&p);
        Py_END_ALLOW_THREADS
        result = failed ? PyErr_NoMemory() : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&a.buffer);
    PyBuffer_Release(&w.buffer);
    PyBuffer_Release(&out.buffer);
    return result;
}

/* Select a narrower kernel, so that a test can compare them all on one machine. */
static PyObject *use(PyObject *self, PyObject *args)
{
    int widest;
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &widest))
        return NULL;
    return PyUnicode_FromString(infernet_products_use(widest));
}

static PyMethodDef methods[] = {
    {"product", product, METH_VARARGS,
     "product(a, w, out, rows, columns, depth, a_offset, a_stride, w_offset, w_stride,\n"
     "        out_offset, out_stride, a_kind, w_kind, out_wide, a_zero, w_zero, threads)\n"
     "out[r, c] = sum over k of (a[r, k] - a_zero) * (w[c, k] - w_zero), clamped to i32 unless\n"
     "out_wide. Offsets and strides in elements of each operand; kinds 0 u8, 1 i8, 2 i16."},
    {"use", use, METH_VARARGS,
     "use(widest) -> name of the kernel now in use: 0 portable, 1 AVX2, 2 AVX-512 VNNI, 3 AMX, or\n"
     "the widest below that this processor has."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_matmul", "Exact integer products.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__matmul(void)
{
    return PyModule_Create(&module);
}
