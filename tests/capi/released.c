/*
 * A program of 0.1.0 goes through all rules there are, norms or not: one line for each, with the status of its steps and
 * whether they changed anything. Memory ends right behind norms, as large as 0.1.0 said.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "numoptim.h"

enum { SIZE = 3 * NUMOPTIM_BLOCK + 5, SEGMENTS = 4, BUFFERS = 8, FIELDS = 32, PAGE = 1 << 16 };

static const int64_t offsets[] = { 0, 7, 4096, 4096, SIZE }, which[SEGMENTS];
static float buffers[BUFFERS][SIZE], before[BUFFERS][SIZE];

static double *norms(void)
{
    const size_t size = 2 * (SIZE / NUMOPTIM_BLOCK + SEGMENTS) * sizeof(double);
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE) != 0)
        exit(2);
    return (double *)(pages + PAGE - size);
}

static int32_t train(const numoptim_rule *rule, const numoptim_plan *plan)
{
    int32_t status = rule->init[NUMOPTIM_F32] == NULL ? NUMOPTIM_OK : rule->init[NUMOPTIM_F32](plan, 1);
    memcpy(before, buffers, sizeof buffers);                      /* first slots are no steps */
    for (int64_t t = 1; t <= 3 && status == NUMOPTIM_OK; t++) {
        if (rule->norms[NUMOPTIM_F32] != NULL)
            status = rule->norms[NUMOPTIM_F32](plan, t);
        if (status == NUMOPTIM_OK)
            status = rule->range[NUMOPTIM_F32](plan, t);
    }
    return status;
}

int main(void)
{
    double *const sums = norms();
    for (int64_t r = 0; r < numoptim_rule_count(); r++) {
        const numoptim_rule *rule = numoptim_rule_at(r);
        double cells[FIELDS];
        numoptim_plan plan = { 0, SIZE, SEGMENTS, offsets, which, 1, cells, sums, { NULL } };
        for (int64_t k = 0; k < rule->field_count; k++) {
            const int64_t whole = (int64_t)rule->fields[k].default_value;
            cells[k] = rule->fields[k].default_value;
            if (rule->fields[k].integer)
                memcpy(&cells[k], &whole, sizeof whole);
        }
        memset(buffers, 0, sizeof buffers);
        for (int64_t i = 0; i < SIZE; i++) {
            buffers[0][i] = (float)(i % 17) - 8.0f;
            buffers[1][i] = (float)(i % 13) - 6.0f;
        }
        for (int b = 0; b < BUFFERS; b++)
            plan.buffers[b] = buffers[b];
        const int32_t status = train(rule, &plan);
        printf("%s %d %d\n", rule->name, (int)status, memcmp(before, buffers, sizeof buffers) != 0);
    }
    return 0;
}
