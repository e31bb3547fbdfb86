/* Several callers and their helpers add to counters of every job: each job is done once, and no access is a race. */
#include <stdint.h>
#include <stdio.h>

typedef struct numoptim_plan {
    int64_t count, status;
} numoptim_plan;
typedef int32_t numoptim_entry(const numoptim_plan *plan, int64_t t);

#include "crew.c"

enum { JOBS = 40, CALLS = 2000, CALLERS = 3 };

static int32_t count(const numoptim_plan *plan, int64_t t)
{
    ((numoptim_plan *)plan)->count += t;
    return (int32_t)plan->status;
}

static void *caller(void *result)
{
    numoptim_plan plans[JOBS] = { { 0 } };
    int64_t expected[JOBS] = { 0 };
    for (int64_t k = 0; k < CALLS; k++) {
        const int64_t jobs = 1 + k % JOBS, threads = 1 + k / 7 % 5;
        plans[k % jobs].status = -(k % 3);
        if (run((intptr_t)count, (intptr_t)plans, sizeof *plans, jobs, k, threads) != -(k % 3))
            return result;
        plans[k % jobs].status = 0;
        for (int64_t j = 0; j < jobs; j++)
            expected[j] += k;
        if (k % 100 == 0)                       /* time enough for the helpers to fall asleep */
            nanosleep(&(struct timespec){ 0, 2 * SPIN }, NULL);
    }
    for (int j = 0; j < JOBS; j++)
        if (plans[j].count != expected[j])
            return result;
    *(int *)result = 1;
    return NULL;
}

int main(void)
{
    pthread_t threads[CALLERS];
    int good[CALLERS] = { 0 };
    for (int k = 0; k < CALLERS; k++)
        pthread_create(&threads[k], NULL, caller, &good[k]);
    for (int k = 0; k < CALLERS; k++) {
        pthread_join(threads[k], NULL);
        if (!good[k])
            return 1;
    }
    puts("every job once");
    return 0;
}
