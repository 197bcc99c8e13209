/* Read memory as fast as it comes: what no product of weights can outrun. */

#include <stddef.h>
#include <stdint.h>

#define STREAMS 8

/* Return the exclusive or of `words` 64-bit words, read from 1 or 8 places at once. */
uint64_t read_words(const uint64_t *at, size_t words, int streams)
{
    uint64_t sums[STREAMS][8] = {{0}};
    size_t each = words / (size_t)streams / 8 * 8;
    if (streams == STREAMS) {
        for (size_t k = 0; k < each; k += 8)
            for (int s = 0; s < STREAMS; s++)
                for (int i = 0; i < 8; i++)
                    sums[s][i] ^= at[each * (size_t)s + k + (size_t)i];
    } else {
        for (size_t k = 0; k < each; k += 8)
            for (int i = 0; i < 8; i++)
                sums[0][i] ^= at[k + (size_t)i];
    }
    uint64_t all = 0;
    for (int s = 0; s < STREAMS; s++)
        for (int i = 0; i < 8; i++)
            all ^= sums[s][i];
    return all;
}
