/* The Merkle tree of a byte string, with many SHA-256 messages hashed side by side.
 *
 * `levels(data, padding)` equals `interpreter.merkle.tree_of_bytes(data).levels`. Leaves have 256
 * bytes, nodes 64, so all messages of one level are equally long and share their last block.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "sha256.h"

enum { HASH = 32, LEAF = 256, NODE = 64, MAX_DEPTH = 40 };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TO_BIG_ENDIAN(x)                                                                           \
    ((((x) << 8 | (x) >> 24) & 0x00ff00ff) | (((x) << 24 | (x) >> 8) & 0xff00ff00))
#else
#define TO_BIG_ENDIAN(x) (x)
#endif

#ifdef __clang__
/* Clang takes no index vector; lane by lane it finds the same shuffles. */
#define SHUFFLE(a, b, index)                                                                       \
    ({                                                                                             \
        __typeof__(a) result_ = {0};                                                               \
        for (int lane_ = 0; lane_ < LANES; lane_++)                                                \
            result_[lane_] = (index)[lane_] < LANES ? (a)[(index)[lane_]]                          \
                                                    : (b)[(index)[lane_] - LANES];                 \
        result_;                                                                                   \
    })
#else
#define SHUFFLE(a, b, index) __builtin_shuffle(a, b, index)
#endif

#define LANES 4
#define NAME(x) x##_4
#define TARGET
#include "lanes.h"

#if defined(__x86_64__)
#define LANES 8
#define NAME(x) x##_8
#define TARGET __attribute__((target("avx2")))
#include "lanes.h"

#define LANES 16
#define NAME(x) x##_16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#include "lanes.h"
#endif

typedef void (*hash_all_t)(const uint8_t *, size_t, size_t, const uint32_t[64], uint8_t *);

static hash_all_t hash_all = hash_all_4;
static const char *kernel = "4 lanes";
static uint32_t leaf_end[64], node_end[64];

static void choose_kernel(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl")) {
        hash_all = hash_all_16;
        kernel = "16 lanes, AVX-512";
    } else if (__builtin_cpu_supports("avx2")) {
        hash_all = hash_all_8;
        kernel = "8 lanes, AVX2";
    }
#endif
}

/* Fill in `K + W` of the block that pads a message of `size` bytes. */
static void schedule_end(uint32_t size, uint32_t out[64])
{
    uint32_t w[64] = {0x80000000};
    w[15] = 8 * size;
#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (ROTATE(a, 7) ^ ROTATE(a, 18) ^ a >> 3) +
               (ROTATE(b, 17) ^ ROTATE(b, 19) ^ b >> 10);
    }
#undef ROTATE
    for (int i = 0; i < 64; i++)
        out[i] = w[i] + K[i];
}

static void hash_leaves(const uint8_t *data, size_t size, uint8_t *out)
{
    size_t whole = size / LEAF, rest = size % LEAF;
    hash_all(data, whole, LEAF, leaf_end, out);
    if (rest) {
        uint8_t padded[LEAF] = {0};
        memcpy(padded, data + LEAF * whole, rest);
        hash_all(padded, 1, LEAF, leaf_end, out + HASH * whole);
    }
}

static void hash_nodes(const uint8_t *below, size_t count, const uint8_t *padding, uint8_t *out)
{
    hash_all(below, count / 2, NODE, node_end, out);
    if (count % 2) {
        uint8_t pair[NODE];
        memcpy(pair, below + HASH * (count - 1), HASH);
        memcpy(pair + HASH, padding, HASH);
        hash_all(pair, 1, NODE, node_end, out + HASH * (count / 2));
    }
}

/* Fill the bytes of all levels; `out[0]` takes the leaves, `out[depth]` the root. */
static void hash_levels(
    const uint8_t *data, size_t size, const uint8_t *padding, int depth, uint8_t **out)
{
    size_t count = (size + LEAF - 1) / LEAF;
    hash_leaves(data, size, out[0]);
    for (int height = 0; height < depth; height++) {
        hash_nodes(out[height], count, padding + HASH * height, out[height + 1]);
        count = (count + 1) / 2;
    }
}

static PyObject *levels_of(const Py_buffer *data, const Py_buffer *padding)
{
    size_t count = ((size_t)data->len + LEAF - 1) / LEAF;
    int depth = 0;
    while ((size_t)1 << depth < count)
        depth++;
    if (depth > MAX_DEPTH || padding->len < (Py_ssize_t)HASH * depth)
        return PyErr_Format(PyExc_ValueError, "padding has too few hashes for depth %d", depth);
    PyObject *found = PyTuple_New(depth + 1);
    if (!found)
        return NULL;
    uint8_t *out[MAX_DEPTH + 1];
    for (int height = 0; height <= depth; height++, count = (count + 1) / 2) {
        PyObject *level = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(HASH * count));
        if (!level || PyTuple_SetItem(found, height, level)) {
            Py_DECREF(found);
            return NULL;
        }
        out[height] = (uint8_t *)PyBytes_AsString(level);
    }
    Py_BEGIN_ALLOW_THREADS
    hash_levels(data->buf, (size_t)data->len, padding->buf, depth, out);
    Py_END_ALLOW_THREADS
    return found;
}

static PyObject *levels(PyObject *self, PyObject *args)
{
    Py_buffer data, padding;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*", &data, &padding))
        return NULL;
    PyObject *found = NULL;
    if (data.len == 0)
        PyErr_SetString(PyExc_ValueError, "a tensor has at least one byte");
    else
        found = levels_of(&data, &padding);
    PyBuffer_Release(&data);
    PyBuffer_Release(&padding);
    return found;
}

/* Select a narrower kernel, so that a test can compare them all on one machine. */
static PyObject *use_lanes(PyObject *self, PyObject *args)
{
    int lanes;
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &lanes))
        return NULL;
    choose_kernel();
    if (lanes == 4 && hash_all != hash_all_4) {
        hash_all = hash_all_4;
        kernel = "4 lanes";
    }
#if defined(__x86_64__)
    if (lanes == 8 && hash_all == hash_all_16) {
        hash_all = hash_all_8;
        kernel = "8 lanes, AVX2";
    }
#endif
    return PyUnicode_FromString(kernel);
}

static PyMethodDef methods[] = {
    {"levels", levels, METH_VARARGS,
     "levels(data, padding) -> tuple of the concatenated hashes at each height, leaves first.\n"
     "`padding`: the concatenated roots of zero subtrees of height 0, 1, and so on."},
    {"use_lanes", use_lanes, METH_VARARGS,
     "use_lanes(most) -> name of the kernel now in use: the widest that this processor has, or\n"
     "one of 8 or 4 lanes when asked for."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_sha256", "Merkle trees of byte strings.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__sha256(void)
{
    choose_kernel();
    schedule_end(LEAF, leaf_end);
    schedule_end(NODE, node_end);
    return PyModule_Create(&module);
}
