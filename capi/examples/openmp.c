/*
 * OpenMP: ranges of one flat buffer on many threads, with the bits of one thread. `openmp [elements]`
 *
 * Adam, and the layer-wise LAMB: first the norms of all ranges, then the update of all ranges. The buffer has three
 * segments; the middle one, such as biases, has weight decay off: a group of hyper-parameters of its own.
 */
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numoptim.h"

enum { BUFFERS = 4, STEPS = 5, RANGE = 16 * NUMOPTIM_BLOCK };

static const numoptim_rule *rule_named(const char *name)
{
    for (int64_t k = 0; k < numoptim_rule_count(); k++)
        if (strcmp(numoptim_rule_at(k)->name, name) == 0)
            return numoptim_rule_at(k);
    return NULL;
}

/* Call an entry on every range; the first status that is not 0. */
static int32_t on_ranges(numoptim_entry *entry, const numoptim_plan *whole, int64_t t)
{
    int32_t worst = NUMOPTIM_OK;
    int64_t ranges = (whole->count + RANGE - 1) / RANGE;
#pragma omp parallel for schedule(dynamic) reduction(min : worst)
    for (int64_t r = 0; r < ranges; r++) {
        numoptim_plan part = *whole;
        part.first = r * RANGE;
        part.count = whole->count - part.first < RANGE ? whole->count - part.first : RANGE;
        for (int k = 0; k < BUFFERS; k++)
            part.buffers[k] = (float *)whole->buffers[k] + part.first;
        int32_t status = entry(&part, t);
        if (status < worst)
            worst = status;
    }
    return worst;
}

static int32_t train(const numoptim_rule *rule, const numoptim_plan *plan, int threads)
{
    int32_t status = NUMOPTIM_OK;
    omp_set_num_threads(threads);
    for (int64_t t = 1; t <= STEPS; t++)
        for (int k = 0; status == NUMOPTIM_OK && rule->passes[k][NUMOPTIM_F32] != NULL; k++) {
            numoptim_entry *pass = rule->passes[k][NUMOPTIM_F32];
            status = threads == 1 ? pass(plan, t) : on_ranges(pass, plan, t);
        }
    return status;
}

static void fill(float *buffers, int64_t size)
{
    memset(buffers, 0, (size_t)(BUFFERS * size) * sizeof *buffers);
    for (int64_t i = 0; i < 2 * size; i++)                   /* weights and gradient; slots begin at 0 */
        buffers[i] = (float)((i * 7919) % 1009) / 1009.0f - 0.5f;
}

/* Train on one thread and on several; whether status and bits agree. */
static int compare(const char *name, const void *hyper, int64_t size, float *one, float *many)
{
    const numoptim_rule *rule = rule_named(name);
    const int64_t offsets[] = { 0, size / 3, size / 3 + size / 100, size }, which[] = { 0, 1, 0 };
    double *norms = malloc((size_t)(2 * (size / NUMOPTIM_BLOCK + 3)) * sizeof *norms);
    int32_t status = norms == NULL ? NUMOPTIM_NULL : NUMOPTIM_OK;
    for (int k = 0; k < 2 && status == NUMOPTIM_OK; k++) {
        float *buffers = k == 0 ? one : many;
        numoptim_plan plan = { 0, size, 3, offsets, which, 2, hyper, norms, { NULL } };
        for (int b = 0; b < BUFFERS; b++)
            plan.buffers[b] = buffers + b * size;
        fill(buffers, size);
        status = train(rule, &plan, k == 0 ? 1 : 4);
    }
    free(norms);
    if (status != NUMOPTIM_OK) {
        fprintf(stderr, "openmp: %s: %s\n", name, numoptim_strerror(status));
        return 0;
    }
    int same = memcmp(one, many, (size_t)(BUFFERS * size) * sizeof *one) == 0;
    printf("%s: %lld elements on 4 threads: %s\n", name, (long long)size, same ? "the bits of one" : "DIFFERENT BITS");
    return same;
}

int main(int argc, char **argv)
{
    long long size = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000003;
    if (size < 1 || size > 100000000) {
        fprintf(stderr, "openmp: expected a number of elements from 1 to 100,000,000\n");
        return 1;
    }
    float *one = malloc((size_t)(BUFFERS * size) * sizeof *one), *many = malloc((size_t)(BUFFERS * size) * sizeof *many);
    int good = one != NULL && many != NULL;
    if (good) {
        numoptim_adam adam[2] = { NUMOPTIM_ADAM_DEFAULT, NUMOPTIM_ADAM_DEFAULT };
        numoptim_lamb lamb[2] = { NUMOPTIM_LAMB_DEFAULT, NUMOPTIM_LAMB_DEFAULT };
        adam[0].wd = lamb[0].wd = 0.01;
        good = compare("adam", adam, size, one, many) & compare("lamb", lamb, size, one, many);
    }
    free(one);
    free(many);
    return good ? 0 : 1;
}
