/*
 * Steps, made whole: all kernels of a step, of one optimizer or of a list of them, and the counts of steps, in one call.
 *
 * Python may be interrupted (Ctrl-C, any signal's handler) between two calls, but never inside of one.
 */
#include <string.h>

/* One of the things that a step does. The words are those of native/plan.py and cuda/plan.py. */
typedef struct pass {
    int64_t kind, every, since;              /* done in steps t where t - since is a multiple of every */
    int64_t lag;                             /* how many steps what it updates has missed */
    union {
        struct { intptr_t entry, plans; int64_t stride, jobs, threads; } host;
        struct { intptr_t kernels, plan, hyper, stream; } device;
        struct { intptr_t set, memory; int64_t bytes; intptr_t stream; } memory;
    };
} pass;

enum { KERNEL, CLEAR, LAUNCH, CLEAR_DEVICE };

/* A status: what was prepared is not the next step any more, or not to be repeated. */
enum { ANOTHER = 1 };

/* A hyper-parameter that follows a schedule: where the groups of a plan have it, and by how much they differ. */
typedef struct followed {
    double *numbers;
    const double *factors;
    int64_t groups, stride;                  /* stride: bytes from number to number */
    const double *foreseen;                  /* its values in steps begin ... end - 1 of the record */
} followed;

/* What checks the hyper-parameters of a plan: an entry on no elements. */
typedef struct checked {
    intptr_t entry, plan;
} checked;

typedef struct step_record {
    const pass *passes;
    int64_t count;
    int64_t *t, *latest;                     /* number of the latest step of these slots, and of their optimizer */
    int64_t small;                           /* so few elements on the processor that other threads of Python can wait */
    int64_t ticket;                          /* of who may repeat the latest step; 0: nobody */
    int64_t begin, end;                      /* steps of which all that is followed is foreseen */
    const followed *numbers;
    int64_t follows;                         /* how many numbers; 0: those of the latest step go on */
    const checked *plans;
    int64_t planned;                         /* how many plans */
} step_record;

/* Sets what a plan's kernel took for its gradient to 0, frozen segments apart; size: bytes of an element. */
static void clear(const numoptim_plan *plan, size_t size)
{
    for (int64_t s = 0; s < plan->segments; s++) {
        const int64_t end = plan->first + plan->count;
        const int64_t first = plan->offsets[s] > plan->first ? plan->offsets[s] : plan->first;
        const int64_t last = plan->offsets[s + 1] < end ? plan->offsets[s + 1] : end;
        if (first < last && plan->which[s] >= 0)
            memset((char *)plan->buffers[1] + (size_t)(first - plan->first) * size, 0, (size_t)(last - first) * size);
    }
}

static int32_t make(const pass *p, int64_t t)
{
    switch (p->kind) {
    case KERNEL:
        return p->host.jobs == 1 ? call(p->host.entry, p->host.plans, t)
                                 : run(p->host.entry, p->host.plans, p->host.stride, p->host.jobs, t, p->host.threads);
    case CLEAR:
        for (int64_t k = 0; k < p->host.jobs; k++)
            clear((const numoptim_plan *)(p->host.plans + k * p->host.stride), (size_t)p->host.entry);
        return 0;
    case LAUNCH:
        return numoptim_cuda_step((const numoptim_cuda_kernels *)p->device.kernels,
                                  (const numoptim_cuda_plan *)p->device.plan, (const void *)p->device.hyper, t,
                                  (void *)p->device.stream);
    default: {
        /* cuMemsetD8Async */
        int (*set)(unsigned long long, unsigned char, size_t, void *) = (int (*)(unsigned long long, unsigned char,
                                                                                size_t, void *))p->memory.set;
        const int result = set((unsigned long long)p->memory.memory, 0, (size_t)p->memory.bytes,
                               (void *)p->memory.stream);
        return result == 0 ? 0 : -1000 - result;
    }
    }
}

/* Makes step t of a record and counts it; returns 0, or the status of the pass that failed. */
static int32_t counted(const step_record *record, int64_t t)
{
    for (const pass *p = record->passes, *end = p + record->count; p < end; p++) {
        const int32_t status = (t - p->since) % p->every == 0 ? make(p, t - p->lag) : 0;
        if (status != 0)
            return status;
    }
    *record->t = t;
    int64_t latest = __atomic_load_n(record->latest, __ATOMIC_RELAXED);      /* other threads count there, too */
    while (t > latest && !__atomic_compare_exchange_n(record->latest, &latest, t, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    return 0;
}

/* Makes step t of a record; ANOTHER, and nothing is made, where its next step is another by now. */
static int32_t step(intptr_t record, int64_t t)
{
    const step_record *const one = (const step_record *)record;
    return *one->t + 1 == t ? counted(one, t) : ANOTHER;
}

/* Sets what follows schedules for step t; returns 0, or the status of a plan that does not take it. */
static int32_t follow(const step_record *record, int64_t t)
{
    for (const followed *f = record->numbers, *end = f + record->follows; f < end; f++)
        for (int64_t k = 0; k < f->groups; k++)
            *(double *)((char *)f->numbers + k * f->stride) = f->factors[k] * f->foreseen[t - record->begin];
    for (const checked *plan = record->plans, *end = plan + record->planned; plan < end; plan++) {
        const int32_t status = call(plan->entry, plan->plan, t);
        if (status != 0)
            return status;
    }
    return 0;
}

/*
 * Makes the next step of a record as its latest step was, but for the numbers that are foreseen for it; ANOTHER where
 * the holder of this ticket must not any more, or they are not foreseen.
 */
static int32_t repeat(intptr_t record, int64_t ticket)
{
    const step_record *const one = (const step_record *)record;
    const int64_t t = *one->t + 1;
    if (one->ticket != ticket || (one->follows != 0 && (t < one->begin || t >= one->end)))
        return ANOTHER;
    const int32_t status = one->follows != 0 ? follow(one, t) : 0;
    return status != 0 ? status : counted(one, t);
}

/* The same as step for a list of records, each with a t of its own: all or none. */
static int32_t steps(intptr_t records, intptr_t numbers, int64_t count)
{
    const step_record *const *const each = (const step_record *const *)records;
    const int64_t *const t = (const int64_t *)numbers;
    for (int64_t k = 0; k < count; k++)
        if (*each[k]->t + 1 != t[k])
            return ANOTHER;
    for (int64_t k = 0; k < count; k++) {
        const int32_t status = counted(each[k], t[k]);
        if (status != 0)
            return status;
    }
    return 0;
}
