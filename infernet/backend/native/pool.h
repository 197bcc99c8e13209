/* Threads that wait for work; they live as long as the process and start when first needed. */
#ifndef INFERNET_POOL_H
#define INFERNET_POOL_H

#include <stddef.h>

#define POOL_MOST_THREADS 64

/* Call `part(context, i)` for each i below `parts`, in any order, on up to `threads` threads, the
 * caller's among them; return when all are done. While another call has the threads, or where none
 * can be started, the caller does it all. Works in a fork's child, which starts its own threads. */
void infernet_parallel(void (*part)(void *context, size_t i), void *context, size_t parts,
                       int threads);

/* Return this thread's scratch `slot` of at least `bytes`, aligned to 64, or NULL when memory runs
 * out. What it held is lost when it grows; it is freed when the thread ends. Products take slots
 * from 0 to 2. */
void *infernet_scratch(int slot, size_t bytes);
#define POOL_SLOTS 8

#endif
