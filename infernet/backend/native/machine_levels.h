/* All operators that loop over elements, for one instruction set. */

#include "machine_map.h"
#include "machine_reduce.h"
#include "machine_scale.h"
#include "machine_tables.h"

static const operator_t NAME(level)[OPCODES] = {
    [OP_REDUCE] = NAME(reduce), [OP_SCALE] = NAME(scale),     [OP_COMBINE] = NAME(combine),
    [OP_ROOT] = NAME(root),     [OP_MASK] = NAME(mask),       [OP_ROTATE] = NAME(rotate),
    [OP_COPY] = NAME(copy),     [OP_LOOKUP] = NAME(look_up),  [OP_EMBED] = NAME(embed),
};
