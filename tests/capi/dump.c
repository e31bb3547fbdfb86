/* One line for each rule and type: a checksum of weights and slots after some steps on numbers made of integers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numoptim.h"

enum { SIZE = 9001, STEPS = 5, FIELDS = 32, BUFFERS = 8 };

static const int64_t offsets[] = { 0, 1, 700, SIZE }, which[] = { 1, 0, 1 };
static double buffers[BUFFERS][SIZE];
static double norms[BUFFERS * (SIZE / NUMOPTIM_BLOCK + 3)];
static uint32_t state;

static double next(void)
{
    state = state * 1664525u + 1013904223u;
    return ((double)(state >> 8) - 8388608.0) / 8388608.0;
}

static void set(int type, int buffer, int64_t i, double x)
{
    if (type == NUMOPTIM_F32)
        ((float *)buffers[buffer])[i] = (float)x;
    else
        buffers[buffer][i] = x;
}

/* Two structs of hyper-parameters: the defaults, but for some that every rule has. */
static void hyper(const numoptim_rule *rule, double *cells)
{
    for (int64_t group = 0; group < 2; group++)
        for (int64_t k = 0; k < rule->field_count; k++) {
            const numoptim_field *field = &rule->fields[k];
            const int64_t whole = (int64_t)field->default_value;
            double x = field->default_value;
            if (strcmp(field->name, "wd") == 0)
                x = group == 0 ? 0.03 : 0.0;
            if (strcmp(field->name, "clip_gradient") == 0 && group == 1)
                x = 0.8;
            if (strcmp(field->name, "rescale_grad") == 0)
                x = 0.5;
            if (field->integer)
                memcpy(&x, &whole, sizeof x);
            cells[group * rule->field_count + k] = x;
        }
}

static int32_t train(const numoptim_rule *rule, int type, const double *cells)
{
    numoptim_plan plan = { 0, SIZE, 3, offsets, which, 2, cells, norms, { NULL } };
    int32_t status = NUMOPTIM_OK;
    memset(buffers, 0, sizeof buffers);
    state = 1;
    for (int b = 0; b < BUFFERS; b++)
        plan.buffers[b] = buffers[b];
    for (int64_t i = 0; i < SIZE; i++)
        set(type, 0, i, next());
    if (rule->init[type] != NULL)
        status = rule->init[type](&plan, 1);
    for (int64_t t = 1; t <= STEPS && status == NUMOPTIM_OK; t++) {
        for (int64_t i = 0; i < SIZE; i++)
            set(type, 1, i, next());
        for (int k = 0; status == NUMOPTIM_OK && rule->passes[k][type] != NULL; k++)
            status = rule->passes[k][type](&plan, t);
    }
    return status;
}

int main(void)
{
    for (int64_t r = 0; r < numoptim_rule_count(); r++)
        for (int type = NUMOPTIM_F32; type <= NUMOPTIM_F64; type++) {
            const numoptim_rule *rule = numoptim_rule_at(r);
            double cells[2 * FIELDS];
            uint64_t sum = 0xCBF29CE484222325u;
            hyper(rule, cells);
            int32_t status = train(rule, type, cells);
            if (status != NUMOPTIM_OK) {
                fprintf(stderr, "dump: %s: %s\n", rule->name, numoptim_strerror(status));
                return 1;
            }
            for (size_t k = 0; k < sizeof buffers; k++)
                sum = (sum ^ ((const unsigned char *)buffers)[k]) * 0x100000001B3u;
            printf("%s f%d %016" PRIx64 "\n", rule->name, type == NUMOPTIM_F32 ? 32 : 64, sum);
        }
    return 0;
}
