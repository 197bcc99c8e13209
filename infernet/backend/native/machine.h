/* What the operators of sequence programs share: one call of one operator at one position.
 *
 * Operators have the meaning that docs/spec/operators.md gives them. i64 arithmetic wraps, so it is
 * done unsigned; right shifts of negative numbers are arithmetic, as every supported compiler's are.
 */
#ifndef INFERNET_MACHINE_H
#define INFERNET_MACHINE_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

/* Tensors are read where they lie, and a guessed quotient needs plain doubles. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || FLT_EVAL_METHOD
#error "no compiled engine for this processor: the reference runs"
#endif

enum { U8, I8, I16, I32, I64 };
/* SCALE's modes, COMBINE's and REDUCE's kinds. */
enum { PLAIN, MULTIPLY, DIVIDE };
enum { ADD, SUB, MUL };
enum { SUM, SQUARES, MAX, MAXABS, PICK };

/* Elements that an operator takes at a time, and where they lie: on lines of the cache. */
enum { CHUNK = 512 };
#define LINED __attribute__((aligned(64)))

/* Elements lie anywhere in bytes that other code owns. */
#define LOOSE __attribute__((may_alias, aligned(1)))
typedef uint8_t u8 LOOSE;
typedef uint16_t u16 LOOSE;
typedef uint32_t u32 LOOSE;
typedef uint64_t u64 LOOSE;
typedef int8_t i8 LOOSE;
typedef int16_t i16 LOOSE;
typedef int32_t i32 LOOSE;
typedef int64_t i64 LOOSE;

/* `f`: the descriptor's fields. `b` is NULL where the operator takes no second source. */
struct call {
    const int64_t *f;
    int dst_type, a_type, b_type;
    void *dst;
    const void *a, *b;
    const uint8_t *constants;
    int64_t position;
};

typedef void (*operator_t)(const struct call *);

static inline size_t size_of(int type)
{
    return type <= I8 ? 1 : (size_t)1 << (type - 1);
}

static inline int64_t lowest(int type)
{
    return type == U8 ? 0 : (int64_t)((uint64_t)-1 << (8 * size_of(type) - 1));
}

static inline int64_t highest(int type)
{
    return type == U8 ? 255 : (int64_t)~((uint64_t)-1 << (8 * size_of(type) - 1));
}

static inline int64_t element(int type, const void *from, size_t at)
{
    switch (type) {
    case U8:
        return ((const u8 *)from)[at];
    case I8:
        return ((const i8 *)from)[at];
    case I16:
        return ((const i16 *)from)[at];
    case I32:
        return ((const i32 *)from)[at];
    default:
        return ((const i64 *)from)[at];
    }
}

static inline void put(int type, void *to, size_t at, int64_t value)
{
    switch (type) {
    case U8:
    case I8:
        ((u8 *)to)[at] = (uint8_t)value;
        break;
    case I16:
        ((i16 *)to)[at] = (int16_t)value;
        break;
    case I32:
        ((i32 *)to)[at] = (int32_t)value;
        break;
    default:
        ((i64 *)to)[at] = value;
    }
}

static inline int64_t clamped(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static inline int64_t sum(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline int64_t difference(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
static inline int64_t multiple(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

/* floor((n + floor(d / 2)) / d) without overflow; d in [1, 2^62]. */
static inline int64_t divided(int64_t n, int64_t d)
{
    int64_t quotient = n / d, rest = n % d;
    if (rest < 0) {
        rest += d;
        quotient--;
    }
    return quotient + (rest + d / 2 >= d);
}

/* SCALE's divisor: `max(1, given) * 2^shift`, at most 2^62. */
static inline int64_t divisor_of(int64_t given, int64_t shift)
{
    return clamped(given, 1, ((int64_t)1 << 62) >> shift) << shift;
}

/* 1.5 * 2^52: a double below 2^51 that is added to it, and taken away again, is the nearest integer. */
#define NEAREST 6755399441055744.0

/* A division by 2^shift that rounds to the nearest, halves up: no sum that could overflow. */
struct rounding {
    int shift, half;
    int64_t bit;
};

static inline struct rounding rounding_of(int64_t shift)
{
    return (struct rounding){(int)shift, shift ? (int)shift - 1 : 0, shift ? 1 : 0};
}

static inline int64_t rounded(int64_t v, struct rounding by)
{
    return (v >> by.shift) + ((v >> by.half) & by.bit);
}

#endif
