/* A table at all positions of a wave, which may be those of several runs. */

/* A run that takes part in a wave: its own input and kept tensors, and the copies in the arena that
 * its positions have. `halt`: the row that halts one of them, or GOES_ON. */
struct lane {
    char *input, *kept;
    size_t first, count;
    int64_t halt;
};
enum { GOES_ON = -1 };

/* A position's regions, and whose it is. */
struct place {
    char *regions[REGIONS];
    const struct lane *lane;
};

/* A row at all positions of a wave. */
struct step {
    const int64_t *row;
    const uint8_t *constants;
    const struct wave *wave;
    const struct place *places;
    struct lane *lanes;
    size_t lane_count;
};

static struct call call_at(const struct step *s, size_t i)
{
    const int64_t *t = s->row;
    char *of[3];
    for (int k = 0; k < 3; k++) {
        char *region = s->places[i].regions[t[DST_REGION + k]];
        of[k] = region ? region + t[DST + k] + t[DST_STEP + k] * (int64_t)i : NULL;
    }
    return (struct call){t + FIELDS, (int)t[DST_TYPE], (int)t[A_TYPE], (int)t[B_TYPE], of[0], of[1],
                         of[2], s->constants, s->wave->positions[i]};
}

/* A run that has halted keeps what it kept then; what it leaves in the arena nobody reads. */
static int is_spared(const struct step *s, const struct lane *lane)
{
    return lane->halt != GOES_ON && s->row[DST_REGION] == KEPT;
}

static void apply(void *context, size_t i)
{
    const struct step *s = context;
    if (is_spared(s, s->places[i].lane))
        return;
    struct call c = call_at(s, i);
    operators[s->row[OPCODE]](&c);
}

static int multiply_lane(const struct step *s, const struct lane *lane)
{
    const int64_t *t = s->row;
    const struct wave *w = s->wave;
    struct wave all = {w->positions + lane->first, lane->count, w->threads};
    struct call c = call_at(s, lane->first);
    if (is_spared(s, lane))
        return 0;
    /* Positions that share their second operand make one product. */
    if (t[B_STEP] == 0)
        return matmul(&c, &all, (size_t)t[A_STEP], (size_t)t[DST_STEP]);
    int failed = 0;
    for (size_t i = 0; i < lane->count && !failed; i++) {
        struct wave one = {all.positions + i, 1, w->threads};
        c = call_at(s, lane->first + i);
        failed = matmul(&c, &one, 0, 0);
    }
    return failed;
}

static int multiply(const struct step *s)
{
    const int64_t *t = s->row;
    /* Weights are the same for all runs, which then make one product. */
    if (t[B_REGION] == NONE && t[A_REGION] == ARENA && t[DST_REGION] == ARENA) {
        struct call c = call_at(s, 0);
        return matmul(&c, s->wave, (size_t)t[A_STEP], (size_t)t[DST_STEP]);
    }
    int failed = 0;
    for (size_t i = 0; i < s->lane_count && !failed; i++)
        failed = multiply_lane(s, s->lanes + i);
    return failed;
}

/* Note which runs the row halts; return how many go on. */
static size_t halt(const struct step *s, int64_t row)
{
    size_t left = 0;
    for (struct lane *lane = s->lanes; lane < s->lanes + s->lane_count; lane++) {
        int found = 0;
        for (size_t i = lane->first; i < lane->first + lane->count; i++) {
            struct call c = call_at(s, i);
            found |= halts(&c);
        }
        if (found && lane->halt == GOES_ON)
            lane->halt = row;
        left += lane->halt == GOES_ON;
    }
    return left;
}

/* Run a table at all positions of a wave, up to where no run goes on; return 0, or -1 where memory
 * ran out. */
static int run(const int64_t *table, size_t rows, struct step *s)
{
    for (size_t row = 0; row < rows; row++) {
        const int64_t *t = s->row = table + row * WIDTH;
        if (t[OPCODE] == OP_HALT) {
            if (!halt(s, (int64_t)row))
                return 0;
        } else if (t[OPCODE] == OP_MATMUL) {
            if (multiply(s))
                return -1;
        } else {
            int threads = t[DST_STEP] + t[A_STEP] >= WORTH_A_THREAD ? s->wave->threads : 1;
            infernet_parallel(apply, s, s->wave->count, threads);
        }
    }
    return 0;
}
