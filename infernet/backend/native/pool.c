/* Threads that wait for work, and scratch memory that every thread keeps. */

#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Held by the call that has the threads. */
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;

/* Guards what follows. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t offered = PTHREAD_COND_INITIALIZER;
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;
static int started, places, working;
static void (*job)(void *, size_t);
static void *job_context;
static size_t job_parts;
static atomic_size_t next_part;

static void do_parts(void)
{
    for (size_t i; (i = atomic_fetch_add(&next_part, 1)) < job_parts;)
        job(job_context, i);
}

static void *worker(void *unused)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!places)
            pthread_cond_wait(&offered, &lock);
        places--;
        working++;
        pthread_mutex_unlock(&lock);
        do_parts();
        pthread_mutex_lock(&lock);
        if (!--working)
            pthread_cond_signal(&finished);
    }
    return unused;
}

static void forget_threads(void)
{
    pthread_mutex_init(&busy, NULL);
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&offered, NULL);
    pthread_cond_init(&finished, NULL);
    started = places = working = 0;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_threads);
}

/* Start what is missing of `count` workers; signals are left to the threads that were there. */
static void start_workers(int count)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (pthread_t thread; started < count; started++) {
        if (pthread_create(&thread, NULL, worker, NULL))
            break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void infernet_parallel(void (*part)(void *context, size_t i), void *context, size_t parts,
                       int threads)
{
    if (threads > POOL_MOST_THREADS)
        threads = POOL_MOST_THREADS;
    if (threads < 2 || parts < 2 || pthread_mutex_trylock(&busy)) {
        for (size_t i = 0; i < parts; i++)
            part(context, i);
        return;
    }
    start_workers(threads - 1);
    pthread_mutex_lock(&lock);
    job = part;
    job_context = context;
    job_parts = parts;
    atomic_store(&next_part, 0);
    places = threads - 1;
    pthread_cond_broadcast(&offered);
    pthread_mutex_unlock(&lock);
    do_parts();
    pthread_mutex_lock(&lock);
    places = 0;
    while (working)
        pthread_cond_wait(&finished, &lock);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&busy);
}

struct slot {
    void *memory;
    size_t bytes;
};

static pthread_key_t slots_key;
static int slots_ready;

static void free_slots(void *value)
{
    struct slot *slots = value;
    for (int i = 0; i < POOL_SLOTS; i++)
        free(slots[i].memory);
    free(slots);
}

static void make_key(void)
{
    slots_ready = !pthread_key_create(&slots_key, free_slots);
}

void *infernet_scratch(int slot, size_t bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    struct slot *slots = slots_ready ? pthread_getspecific(slots_key) : NULL;
    if (slots_ready && !slots) {
        slots = calloc(POOL_SLOTS, sizeof *slots);
        if (slots && pthread_setspecific(slots_key, slots)) {
            free(slots);
            slots = NULL;
        }
    }
    if (!slots)
        return NULL;
    if (slots[slot].bytes < bytes) {
        bytes = (bytes + 4095) / 4096 * 4096;
        free(slots[slot].memory);
        slots[slot].memory = aligned_alloc(64, bytes);
        slots[slot].bytes = slots[slot].memory ? bytes : 0;
    }
    return slots[slot].memory;
}
