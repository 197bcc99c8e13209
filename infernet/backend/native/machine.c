/* Programs of sequence models on whole tensors: every operator of a wave of positions in one call.
 *
 * `infernet.backend.sequence.plan` decodes a valid program into the table that `wave` runs. All
 * arithmetic is that of docs/spec/operators.md, total and exact for whatever the tensors hold.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdlib.h>
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
enum { INPUT, KEPT, ARENA, NONE, REGIONS };
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

#include "machine_wave.h"

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

/* Run with lanes as Python gave them; return the row that halts each, or NULL with an error. */
static PyObject *run_lanes(const Py_buffer *table, char *arena, struct step *s,
                           struct place *places)
{
    int failed = 0;
    for (const struct lane *lane = s->lanes; lane < s->lanes + s->lane_count; lane++)
        for (size_t i = lane->first; i < lane->first + lane->count; i++)
            places[i] = (struct place){{lane->input, lane->kept, arena, NULL}, lane};
    s->places = places;
    if (s->wave->count) {
        Py_BEGIN_ALLOW_THREADS
        failed = run(table->buf, (size_t)table->len / (8 * WIDTH), s);
        Py_END_ALLOW_THREADS
    }
    if (failed)
        return PyErr_NoMemory();
    PyObject *found = PyList_New((Py_ssize_t)s->lane_count);
    for (size_t i = 0; found && i < s->lane_count; i++) {
        PyObject *row = PyLong_FromLongLong(s->lanes[i].halt);
        if (!row || PyList_SetItem(found, (Py_ssize_t)i, row)) {
            Py_DECREF(found);
            return NULL;
        }
    }
    return found;
}

/* Read a lane from its tuple; its buffers are the caller's to release. */
static int read_lane(PyObject *given, struct lane *lane, size_t first, Py_buffer *held)
{
    Py_ssize_t count;
    if (!PyArg_ParseTuple(given, "y*w*n", held, held + 1, &count))
        return -1;
    count = count < 0 ? 0 : count;
    *lane = (struct lane){held[0].buf, held[1].buf, first, (size_t)count, GOES_ON};
    return 0;
}

/* wave(table, constants, arena, positions, lanes, threads) */
static PyObject *wave(PyObject *self, PyObject *args)
{
    Py_buffer table, constants, arena, positions;
    PyObject *given, *found = NULL;
    int threads;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*w*y*O!i", &table, &constants, &arena, &positions,
                          &PyList_Type, &given, &threads))
        return NULL;
    struct wave all = {positions.buf, (size_t)positions.len / 8, threads};
    size_t lane_count = (size_t)PyList_Size(given), read = 0, first = 0;
    struct lane *lanes = calloc(lane_count + 1, sizeof *lanes);
    Py_buffer *held = calloc(2 * lane_count + 1, sizeof *held);
    struct place *places = calloc(all.count + 1, sizeof *places);
    struct step s = {NULL, constants.buf, &all, NULL, lanes, lane_count};
    if (!lanes || !held || !places) {
        PyErr_NoMemory();
        goto done;
    }
    for (; read < lane_count; first += lanes[read++].count)
        if (read_lane(PyList_GetItem(given, (Py_ssize_t)read), lanes + read, first,
                      held + 2 * read))
            goto done;
    if (first == all.count)
        found = run_lanes(&table, arena.buf, &s, places);
    else
        PyErr_SetString(PyExc_ValueError, "lanes have other positions than the wave");
done:
    for (size_t i = 0; i < 2 * read; i++)
        PyBuffer_Release(held + i);
    free(lanes);
    free(held);
    free(places);
    Py_buffer *own[] = {&table, &constants, &arena, &positions};
    for (int i = 0; i < 4; i++)
        PyBuffer_Release(own[i]);
    return found;
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
     "wave(table, constants, arena, positions, lanes, threads) -> rows\n"
     "Run a plan's table at all positions (i64), each in its own copies in the arena. A lane is a\n"
     "run's (input, kept, count): the next positions are its own. Each goes on up to the row that\n"
     "halts one of them, which is returned, or -1."},
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
