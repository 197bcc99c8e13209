/* Programs of sequence models on whole tensors: every operator of a wave of positions in one call.
 *
 * `infernet.backend.sequence.plan` decodes a valid program into the table that `wave` runs. All
 * arithmetic is that of docs/spec/operators.md, total and exact for whatever the tensors hold.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "machine.h"
#include "pool.h"
#include "products.h"
#include "sha256.h"

/* Columns of the table; plan.py has the same names. A place is bytes into its region, a step the
 * bytes from one position's copy to the next one's: 0 where all share one. */
enum {
    OPCODE, DST_TYPE, A_TYPE, B_TYPE, FIELDS, DST = 32, A, B, DST_REGION, A_REGION, B_REGION,
    DST_STEP, A_STEP, B_STEP, LIMIT, WIDTH = 48,
};
enum { INPUT, KEPT, ARENA, NONE, REGIONS = NONE };
enum { SCRATCH = 3 };
/* Bytes read and written from which on threads share the positions of a wave. */
enum { WORTH_A_THREAD = 4096 };

enum {
    OP_BEGIN = 0x01, OP_HALT = 0x05, OP_MATMUL = 0x12, OP_REDUCE = 0x13, OP_SCALE = 0x23,
    OP_COMBINE = 0x24, OP_ROOT = 0x25, OP_MASK = 0x26, OP_ROTATE = 0x27, OP_COPY = 0x30,
    OP_LOOKUP = 0x31, OP_EMBED = 0x32, OP_TOKEN = 0x33, OP_DRAW = 0x34, OP_CLONE = 0x7f,
    OPCODES = 0x80,
};

#define NAME(x) x##_portable
#define TARGET
#include "machine_levels.h"
#undef NAME
#undef TARGET

#if defined(__x86_64__)
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "machine_levels.h"
#undef NAME
#undef TARGET

/* Clang knows no width in this place, and then ignores the whole attribute. */
#ifdef __clang__
#define WHOLE_VECTORS
#else
#define WHOLE_VECTORS ",prefer-vector-width=512"
#endif
#define NAME(x) x##_avx512
#define LINES
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl" WHOLE_VECTORS)))
#include "machine_levels.h"
#undef NAME
#undef TARGET
#endif

#include "machine_control.h"
#include "machine_matmul.h"

static operator_t operators[OPCODES];

static const char *choose(int widest)
{
    const operator_t *level = level_portable;
    const char *name = "portable";
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (widest >= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        level = level_avx2;
        name = "AVX2";
    }
    if (widest >= 2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        level = level_avx512;
        name = "AVX-512";
    }
#endif
    (void)widest;
    memcpy(operators, level, sizeof operators);
    operators[OP_BEGIN] = begin;
    operators[OP_CLONE] = clone;
    operators[OP_TOKEN] = token;
    operators[OP_DRAW] = draw;
    return name;
}

/* A row at some positions: `at`, the operands of the first. */
struct step {
    const int64_t *row;
    char *at[3];
    const uint8_t *constants;
    const struct wave *wave;
};

static struct call call_at(const struct step *s, size_t i)
{
    const int64_t *t = s->row;
    char *of[3];
    for (int k = 0; k < 3; k++)
        of[k] = s->at[k] ? s->at[k] + t[DST_STEP + k] * (int64_t)i : NULL;
    return (struct call){t + FIELDS, (int)t[DST_TYPE], (int)t[A_TYPE], (int)t[B_TYPE], of[0], of[1],
                         of[2], s->constants, s->wave->positions[i]};
}

static void apply(void *context, size_t i)
{
    struct call c = call_at(context, i);
    operators[((struct step *)context)->row[OPCODE]](&c);
}

static int multiply(const struct step *s)
{
    const int64_t *t = s->row;
    struct call c = call_at(s, 0);
    /* Positions that share their second operand make one product. */
    if (t[B_STEP] == 0)
        return matmul(&c, s->wave, (size_t)t[A_STEP], (size_t)t[DST_STEP]);
    int failed = 0;
    for (size_t i = 0; i < s->wave->count && !failed; i++) {
        struct wave one = {s->wave->positions + i, 1, s->wave->threads};
        c = call_at(s, i);
        failed = matmul(&c, &one, 0, 0);
    }
    return failed;
}

static int any_halts(const struct step *s)
{
    int found = 0;
    for (size_t i = 0; i < s->wave->count; i++) {
        struct call c = call_at(s, i);
        found |= halts(&c);
    }
    return found;
}

/* Run a table at all positions of a wave; return the row that halts one of them, -1 if none does,
 * -2 where memory ran out. */
static Py_ssize_t run(const int64_t *table, size_t rows, char *const regions[REGIONS],
                      const uint8_t *constants, const struct wave *wave)
{
    for (size_t row = 0; row < rows; row++) {
        const int64_t *t = table + row * WIDTH;
        struct step s = {t, {NULL, NULL, NULL}, constants, wave};
        for (int i = 0; i < 3; i++)
            if (t[DST_REGION + i] != NONE)
                s.at[i] = regions[t[DST_REGION + i]] + t[DST + i];
        if (t[OPCODE] == OP_HALT) {
            if (any_halts(&s))
                return (Py_ssize_t)row;
        } else if (t[OPCODE] == OP_MATMUL) {
            if (multiply(&s))
                return -2;
        } else {
            int threads = t[DST_STEP] + t[A_STEP] >= WORTH_A_THREAD ? wave->threads : 1;
            infernet_parallel(apply, &s, wave->count, threads);
        }
    }
    return -1;
}

/* wave(table, constants, input, kept, arena, positions, threads) */
static PyObject *wave(PyObject *self, PyObject *args)
{
    Py_buffer table, constants, input, kept, arena, positions;
    int threads;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*w*w*y*i", &table, &constants, &input, &kept, &arena,
                          &positions, &threads))
        return NULL;
    Py_ssize_t result;
    char *regions[REGIONS] = {input.buf, kept.buf, arena.buf};
    struct wave all = {positions.buf, (size_t)positions.len / 8, threads};
    Py_BEGIN_ALLOW_THREADS
    result = all.count ? run(table.buf, (size_t)table.len / (8 * WIDTH), regions, constants.buf,
                             &all)
                       : -1;
    Py_END_ALLOW_THREADS
    Py_buffer *held[] = {&table, &constants, &input, &kept, &arena, &positions};
    for (int i = 0; i < 6; i++)
        PyBuffer_Release(held[i]);
    return result == -2 ? PyErr_NoMemory() : PyLong_FromSsize_t(result);
}

/* Select narrower loops and products, so that a test can compare them all on one machine. */
static PyObject *use(PyObject *self, PyObject *args)
{
    int widest;
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &widest))
        return NULL;
    int has_tiles = !strcmp(infernet_products_use(widest), "AMX");
    return PyUnicode_FromFormat("%s%s", choose(widest), has_tiles ? " and AMX" : "");
}

static PyMethodDef methods[] = {
    {"wave", wave, METH_VARARGS,
     "wave(table, constants, input, kept, arena, positions, threads) -> row or -1\n"
     "Run a plan's table at all positions (i64), each in its own copies in the arena, up to the row\n"
     "that halts one of them."},
    {"use", use, METH_VARARGS,
     "use(widest) -> name of the loops now in use: 0 portable, 1 AVX2, 2 AVX-512, 3 with AMX, or\n"
     "the widest below that this processor has."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_machine", "Sequence programs on whole tensors.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__machine(void)
{
    infernet_products_use(3);
    choose(3);
    return PyModule_Create(&module);
}
