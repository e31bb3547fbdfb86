/*
 * The caller and its helpers: an entry called with many plans at once, on several threads.
 *
 * Addresses are integers, which cffi converts several times faster than pointers.
 */
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SPIN = 50000,                /* ns that a thread looks for work before it sleeps */
    THREADS = 256                /* of a call, at most */
};

static int32_t call(intptr_t entry, intptr_t plan, int64_t t)
{
    return ((numoptim_entry *)entry)((const numoptim_plan *)plan, t);
}

/* A call: `jobs` plans, `stride` bytes apart. Written before its tickets, and not again before its jobs are done. */
static struct {
    intptr_t entry, plans;
    int64_t stride, t, jobs, threads;
} work;

/* Every thread begins with its own share of the jobs, as it did in the call before: those buffers are in its cache. */
static struct {
    _Alignas(64) atomic_ullong ticket;      /* number of the call << 32 | jobs that nobody has begun */
} shares[THREADS];

static atomic_uint left;                    /* jobs that are not finished */
static atomic_int status, limit;            /* the least of theirs; how many threads may work */
static atomic_int processor;                /* that the caller is on */
static atomic_uint bell, asleep, waiting;   /* rings for every call; helpers and callers that only the system wakes */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static intptr_t helpers;                    /* how many there are. This and the next for who has set `busy` */
static int64_t latest;                      /* when the latest call ended */

static void sleep_while(void *word, unsigned value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL);
}

static void wake(void *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1000000000 * (int64_t)time.tv_sec + time.tv_nsec;
}

static void rest(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Whether a word stopped having this value before SPIN was over. */
static int changed(atomic_uint *word, unsigned value)
{
    const int64_t start = now();
    do {
        for (int k = 0; k < 32; k++) {
            if (atomic_load(word) != value)
                return 1;
            rest();
        }
    } while (now() - start < SPIN);
    return 0;
}

static int32_t serial(intptr_t entry, intptr_t plans, int64_t stride, int64_t jobs, int64_t t)
{
    int32_t least = 0;
    for (int64_t k = 0; k < jobs; k++) {
        const int32_t one = call(entry, plans + k * stride, t);
        least = one < least ? one : least;
    }
    return least;
}

/* Makes the calls of a share until all are begun. thread: who is at work; 0 is the caller. */
static void drain(intptr_t thread, int64_t share)
{
    unsigned long long seen = atomic_load(&shares[share].ticket);
    while ((uint32_t)seen > 0 && thread < atomic_load(&limit)) {
        if (!atomic_compare_exchange_weak(&shares[share].ticket, &seen, seen - 1))
            continue;
        const int64_t job = share * work.jobs / work.threads + (uint32_t)seen - 1;
        const int32_t one = call(work.entry, work.plans + job * work.stride, work.t);
        for (int least = atomic_load(&status); one < least && !atomic_compare_exchange_weak(&status, &least, one);) {
        }
        if (atomic_fetch_sub(&left, 1) == 1 && atomic_load(&waiting))
            wake(&left);
        seen = atomic_load(&shares[share].ticket);
    }
}

/* Its own share, then those of others. */
static void drain_all(intptr_t thread)
{
    const int64_t threads = atomic_load(&limit);
    for (int64_t k = 0; k < threads; k++)
        drain(thread, (thread + k) % threads);
}

/* Leaves the caller's processor, where both would take turns: the scheduler may not move a thread that sleeps there. */
static int apart(void)
{
    cpu_set_t all, others;
    const int caller = atomic_load(&processor);
    if (sched_getcpu() != caller)
        return 1;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return 0;
    others = all;
    CPU_CLR(caller, &others);
    return sched_setaffinity(0, sizeof others, &others) == 0 && sched_setaffinity(0, sizeof all, &all) == 0;
}

static void *help(void *index)
{
    for (;;) {
        const unsigned heard = atomic_load(&bell);
        const int useful = apart();
        if (useful)
            drain_all((intptr_t)index);
        if (!useful || !changed(&bell, heard)) {
            atomic_fetch_add(&asleep, 1);
            sleep_while(&bell, heard);
            atomic_fetch_sub(&asleep, 1);
        }
    }
    return NULL;
}

/* A forked child has its caller's thread alone. */
static void forget(void)
{
    helpers = 0;
    for (int k = 0; k < THREADS; k++)
        atomic_store(&shares[k].ticket, 0);
    atomic_store(&asleep, 0);
    atomic_store(&waiting, 0);
    atomic_flag_clear(&busy);
}

/* Starts another helper, which leaves signals to the threads there were. Returns whether the system let it. */
static int hire(void)
{
    static int prepared;
    sigset_t all, before;
    pthread_t thread;
    if (!prepared && pthread_atfork(NULL, NULL, forget) != 0)
        return 0;
    prepared = 1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&thread, NULL, help, (void *)(helpers + 1));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return 0;
    pthread_setname_np(thread, "numoptim");
    pthread_detach(thread);
    helpers++;
    return 1;
}

static int32_t shared(intptr_t entry, intptr_t plans, int64_t stride, int64_t jobs, int64_t t, int64_t threads)
{
    work.entry = entry, work.plans = plans, work.stride = stride, work.t = t, work.jobs = jobs, work.threads = threads;
    atomic_store(&status, 0);
    atomic_store(&left, (unsigned)jobs);
    atomic_store(&limit, (int)threads);
    atomic_store(&processor, sched_getcpu());
    for (int64_t k = 0; k < threads; k++) {
        const unsigned long long number = (atomic_load(&shares[k].ticket) >> 32) + 1;
        atomic_store(&shares[k].ticket, number << 32 | (unsigned)((k + 1) * jobs / threads - k * jobs / threads));
    }
    atomic_fetch_add(&bell, 1);
    if (atomic_load(&asleep))
        wake(&bell);
    drain_all(0);
    for (unsigned some; (some = atomic_load(&left)) > 0;) {
        if (!changed(&left, some)) {
            atomic_store(&waiting, 1);
            sleep_while(&left, some);
            atomic_store(&waiting, 0);
        }
    }
    return atomic_load(&status);
}

/*
 * Calls an entry with each of `jobs` plans, `stride` bytes apart, on up to so many threads; returns the least status.
 * The caller works alone while helpers work for another, and, where jobs are no more than threads, while they sleep
 * and calls come seldom: waking them would take longer.
 */
static int32_t run(intptr_t entry, intptr_t plans, int64_t stride, int64_t jobs, int64_t t, int64_t threads)
{
    threads = threads < jobs ? threads : jobs;
    threads = threads < THREADS ? threads : THREADS;
    if (threads < 2 || jobs > UINT32_MAX || atomic_flag_test_and_set(&busy))
        return serial(entry, plans, stride, jobs, t);
    while (helpers < threads - 1 && hire()) {
    }
    int32_t least;
    if (jobs == threads && atomic_load(&asleep) && now() - latest > SPIN)
        least = serial(entry, plans, stride, jobs, t);
    else
        least = shared(entry, plans, stride, jobs, t, threads);
    latest = now();
    atomic_flag_clear(&busy);
    return least;
}
