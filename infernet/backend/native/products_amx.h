/* Dots in tiles of AMX: 16 lines of i8 by 16 columns of u8, 64 bytes deep, in one instruction.
 *
 * Packed panels are what a tile of columns holds: 16 rows of four neighbours in depth of each
 * column. Few lines, and those that are left beside whole tiles, are VNNI's.
 */

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel of Linux gives the tiles' state to processes that ask for it. */
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
enum { TILE_LINES = 16, TILE_BYTES = 64 };

static int has_amx(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    int has_tiles = d >> 24 & 1, has_int8 = d >> 25 & 1;
    return has_tiles && has_int8 && !syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA);
}

/* Tiles 0 to 5 hold dots, 6 lines, 7 columns; all are whole. */
static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tiles = {.palette = 1,
           .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
           .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

#define PANEL_BYTES (16 * BLOCK)
#define DOTS_BYTES (WIDTH * sizeof(int32_t))

/* `blocks` times 16 lines by `panels` packed panels; added to `out`, or written where `fresh`. */
static TARGET inline __attribute__((always_inline)) void
tiles_amx(int blocks, int panels, int fresh, const int8_t *a, size_t stride, const uint8_t *packed,
          size_t depth, int32_t *out)
{
    int32_t *below = out + WIDTH * TILE_LINES;
#define EACH_DOTS(act)                                                                             \
    do {                                                                                           \
        act(0, out);                                                                               \
        if (panels > 1)                                                                            \
            act(1, out + 16);                                                                      \
        if (panels > 2)                                                                            \
            act(2, out + 32);                                                                      \
        if (blocks > 1) {                                                                          \
            act(3, below);                                                                         \
            if (panels > 1)                                                                        \
                act(4, below + 16);                                                                \
            if (panels > 2)                                                                        \
                act(5, below + 32);                                                                \
        }                                                                                          \
    } while (0)
#define BEGIN(tile, at)                                                                            \
    do {                                                                                           \
        if (fresh)                                                                                 \
            _tile_zero(tile);                                                                      \
        else                                                                                       \
            _tile_loadd(tile, at, DOTS_BYTES);                                                     \
    } while (0)
#define END(tile, at) _tile_stored(tile, at, DOTS_BYTES)
#define STEP(tile, panel)                                                                          \
    do {                                                                                           \
        _tile_loadd(7, packed + PANEL_BYTES * (panel) + 16 * k, TILE_BYTES);                       \
        _tile_dpbsud(tile, 6, 7);                                                                  \
    } while (0)
    EACH_DOTS(BEGIN);
    for (size_t k = 0; k < depth; k += TILE_BYTES) {
        _tile_loadd(6, a + k, stride);
        STEP(0, 0);
        if (panels > 1)
            STEP(1, 1);
        if (panels > 2)
            STEP(2, 2);
        if (blocks > 1) {
            _tile_loadd(6, a + stride * TILE_LINES + k, stride);
            STEP(3, 0);
            if (panels > 1)
                STEP(4, 1);
            if (panels > 2)
                STEP(5, 2);
        }
    }
    EACH_DOTS(END);
#undef EACH_DOTS
#undef BEGIN
#undef END
#undef STEP
}

/* All lines, `whole` bytes deep, by `panels` packed panels. */
static TARGET inline __attribute__((always_inline)) void
block_amx(int panels, const struct job *j, const int8_t *rows, size_t whole, int fresh,
          const uint8_t *packed, int32_t *dots)
{
    size_t line = 0;
    for (; line + 2 * TILE_LINES <= j->lines; line += 2 * TILE_LINES)
        tiles_amx(2, panels, fresh, rows + j->stride * line, j->stride, packed, whole,
                  dots + WIDTH * line);
    for (; line + TILE_LINES <= j->lines; line += TILE_LINES)
        tiles_amx(1, panels, fresh, rows + j->stride * line, j->stride, packed, whole,
                  dots + WIDTH * line);
    for (; line < j->lines; line += 8)
        tile_vnni(panels, fresh, rows + j->stride * line, j->stride, packed, PANEL_BYTES,
                  whole / 4, dots + WIDTH * line);
}

static TARGET void dots_amx(const struct job *j, const int8_t *a, const struct columns *w,
                            struct scratch *s)
{
    if (j->few) {
        dots_vnni(j, a, w, s);
        return;
    }
    int panels = (int)((w->count + 15) / 16);
    _tile_loadconfig(&tiles);
    memset(s->w_sums, 0, WIDTH * sizeof *s->w_sums);
    for (size_t from = 0; from < w->depth; from += BLOCK) {
        size_t depth = w->depth - from < BLOCK ? w->depth - from : BLOCK;
        size_t packed = (depth + 15) / 16 * 16;
        size_t whole = (depth + TILE_BYTES - 1) / TILE_BYTES * TILE_BYTES;
        for (int p = 0; p < panels; p++) {
            uint8_t *panel = s->panel + PANEL_BYTES * p;
            pack_vnni(w, 16 * (size_t)p, from, depth, panel, s->w_sums + 16 * p);
            memset(panel + 16 * packed, 0, 16 * (whole - packed));
        }
        if (panels == 3)
            block_amx(3, j, a + from, whole, from == 0, s->panel, s->dots);
        else if (panels == 2)
            block_amx(2, j, a + from, whole, from == 0, s->panel, s->dots);
        else
            block_amx(1, j, a + from, whole, from == 0, s->panel, s->dots);
    }
    _tile_release();
}

#undef PANEL_BYTES
#undef DOTS_BYTES
#undef TARGET
