/* What every translated module includes: threads of a block, memory accesses and their checks, launching.

   Blocks run one after the other. Threads of a kernel with barriers are coroutines, switched by _setjmp and _longjmp;
   those of a kernel without are calls. Shared and local memory have addresses of their own, from 0, as on a GPU;
   generic addresses, global and constant ones are the host's. Compiled with CHECKED, accesses to global and shared
   memory are looked up in the job's ranges and recorded for races. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <pthread.h>
#include <ucontext.h>
#include "abi.h"
#include "arithmetic.h"

enum { WARP = 32, MAX_THREADS = 1024, STACK = 128 << 10, LOCAL = 16 << 10 };
enum { READ, WRITE, ATOMIC };                                   /* kinds of access */
enum { READY, AT_BARRIER, AT_WARP, RETURNED };                  /* states of a thread */
enum { SYNC, ALL, ANY, UNIFORM, BALLOT, UP, DOWN, BFLY, IDX, BAR, BAR_AND, BAR_OR, BAR_POPC };   /* waited for */

typedef struct {
    u32 id, state, line;
    u32 operation, name, mask, value, source, clamp;            /* of a barrier or an exchange; `source` is a lane */
    u32 result;
    u8 predicate;
    int started;
    u64 local_top;
    u8 *local;
    jmp_buf here;
} Thread;

static struct {
    const ptx_job *job;
    const ptx_kernel *kernel;
    void (*function)(Thread *);
    u32 block, interval, warp_interval[WARP], races;
    u64 shared_bytes, written;                                  /* written: length of the message */
    Thread *running;
    jmp_buf fault, scheduler;
} now;
static Thread threads[MAX_THREADS];
extern const ptx_kernel ptx_kernels[];                          /* generated, as is what runs each */
extern void (*const ptx_functions[])(Thread *) __attribute__((visibility("hidden")));
static u8 *stacks, *local_memory;
static u8 shared_memory[228 << 10] __attribute__((aligned(1024)));

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...) {
    va_list values;
    va_start(values, format);
    if (now.written + 1 < now.job->message_size) {
        int length = vsnprintf(now.job->message + now.written, now.job->message_size - now.written, format, values);
        now.written += (u64)length;
    }
    va_end(values);
}

/* End the launch: what was reported is its message. */
__attribute__((noreturn)) static void stop(void) { _longjmp(now.fault, 1); }

__attribute__((noreturn, noinline)) static void fault(const Thread *t, int line, const char *what) {
    now.written = 0;
    report("line %d: %s (thread %u of block %u)", line, what, t->id, now.block);
    stop();
}

__attribute__((noreturn, noinline))
static void bad_access(const Thread *t, const char *space, u64 address, u32 size, int line) {
    const char *how = address & (size - 1) ? "misaligned" : "out-of-bounds";
    now.written = 0;
    report("line %d: %s access of %u bytes at %s address 0x%llx (thread %u of block %u)", line, how, size, space,
           (unsigned long long)address, t->id, now.block);
    stop();
}

#include "checks.h"

/* Each returns where the host finds `size` bytes, a power of two of which the address must be a multiple. */
#define unlikely(x) __builtin_expect(!!(x), 0)

static inline u8 *at_global(Thread *t, u64 address, u32 size, int kind, int line) {
    if (unlikely(address & (size - 1) || address < 4096)) bad_access(t, "global", address, size, line);
    check_global(t, address, size, kind, line);
    return (u8 *)address;
}

static inline u8 *at_shared(Thread *t, u64 address, u32 size, int kind, int line) {
    if (unlikely(address & (size - 1) || address > now.shared_bytes || now.shared_bytes - address < size))
        bad_access(t, "shared", address, size, line);
    check_shared(t, (u64)shared_memory + address, size, kind, line);
    return shared_memory + address;
}

static inline u8 *at_local(Thread *t, u64 address, u32 size, int kind, int line) {
    (void)kind;
    if (unlikely(address & (size - 1) || address > t->local_top || t->local_top - address < size))
        bad_access(t, "local", address, size, line);
    return t->local + address;
}

static inline u8 *at_generic(Thread *t, u64 address, u32 size, int kind, int line) {
    u64 in_shared = address - (u64)shared_memory, in_local = address - (u64)t->local;
    if (in_shared < sizeof shared_memory) return at_shared(t, in_shared, size, kind, line);
    if (in_local < LOCAL) return at_local(t, in_local, size, kind, line);
    return at_global(t, address, size, kind, line);
}

/* A function's local arrays: taken on entry, filled with a pattern, given back on return. */
static inline u64 enter(Thread *t, u32 size, int line) {
    u64 frame = t->local_top;
    if (LOCAL - frame < size) fault(t, line, "out of local memory");
    memset(t->local + frame, 0xff, size);
    t->local_top += size;
    return frame;
}

#define DIVISION(t, least)                                                                          \
    static inline t div_##t(Thread *thread, t a, t b, int line) {                                   \
        if (unlikely(!b)) fault(thread, line, "integer division by zero");                          \
        return (least) && b == (t)-1 ? (t)(0 - (u64)a) : (t)(a / b);                                \
    }                                                                                               \
    static inline t rem_##t(Thread *thread, t a, t b, int line) {                                   \
        if (unlikely(!b)) fault(thread, line, "integer division by zero");                          \
        return (least) && b == (t)-1 ? 0 : (t)(a % b);                                              \
    }
DIVISION(u16, 0) DIVISION(s16, 1) DIVISION(u32, 0) DIVISION(s32, 1) DIVISION(u64, 0) DIVISION(s64, 1)

#include "threads.h"

/* Run one launch of the kernel with this number; PTX_OK, or another value with the job's message set. */
static int run(u32 number, const ptx_job *job) {
    const ptx_kernel *kernel = &ptx_kernels[number];
    now.job = job, now.kernel = kernel, now.function = ptx_functions[number];
    now.written = now.races = 0;
    now.shared_bytes = (u64)kernel->shared + job->shared;
    if (!job->grid || !job->block || job->block > kernel->threads || (kernel->exact && job->block != kernel->threads)) {
        report("%u blocks of %u threads for a kernel of at most %u", job->grid, job->block, kernel->threads);
        return PTX_REFUSED;
    }
    if (now.shared_bytes > sizeof shared_memory) {
        report("%llu bytes of shared memory", (unsigned long long)now.shared_bytes);
        return PTX_REFUSED;
    }
    prepare();
    int status = PTX_OK;
    if (_setjmp(now.fault)) {
        for (u32 i = 0; i < MAX_THREADS; i++) threads[i].started = 0;           /* left in the middle of the kernel */
        status = PTX_FAULT;
    } else {
        for (now.block = 0; now.block < job->grid; now.block++) run_block();
    }
    forget_accesses();
    return status == PTX_OK && now.races ? PTX_RACED : status;
}

int ptx_run(u32 number, const ptx_job *job) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    int status = run(number, job);
    pthread_mutex_unlock(&one);
    return status;
}
