/*
 * Softmax regression on images of handwritten digits, with any rule, chosen by name through the descriptors.
 *
 *     digits DIR RULE
 *
 * DIR has what `numoptim demo --export --out DIR` wrote. Trains with the demo's hyper-parameters, first weights and
 * mini-batches and prints the test accuracy; then replays the gradients that Python recorded and prints a checksum
 * of the weights, which is Python's. numoptim/demo/export.py describes the files.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numoptim.h"

enum { MOST = 100000000, CLASSES = 10, BUFFERS = 8 };

typedef struct {
    int64_t train, test, inputs, classes, steps, batch;
    float *train_x, *test_x, *first;
    int64_t *train_y, *test_y, *rows;
} digits;

typedef struct {
    int64_t fields, segments, size, steps, init;
    int64_t *offsets;
    uint64_t *hyper;
    float *first, *gradients;
} replay;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "digits: %s: %s\n", what, why);
    exit(1);
}

/* --- reading: every count is checked, every array is whole */

static void *array(FILE *file, int64_t count, size_t size, const char *name)
{
    if (count < 0 || count > MOST)
        fail(name, "damaged: a size is out of range");
    void *items = malloc((size_t)count * size + 1);
    if (items == NULL || fread(items, size, (size_t)count, file) != (size_t)count)
        fail(name, "damaged: it ends too early");
    return items;
}

static void *zeros(int64_t count, size_t size)
{
    void *items = calloc((size_t)count + 1, size);
    if (items == NULL)
        fail("memory", "there is not enough");
    return items;
}

static double *repeated(int64_t count, double x)
{
    double *items = zeros(count, sizeof *items);
    for (int64_t k = 0; k < count; k++)
        items[k] = x;
    return items;
}

static FILE *opened(const char *name, const char *magic, int64_t *numbers, size_t count)
{
    char begin[8];
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        fail(name, "cannot be read");
    if (fread(begin, 1, sizeof begin, file) != sizeof begin || memcmp(begin, magic, sizeof begin) != 0)
        fail(name, "is no such file as `numoptim demo --export` writes");
    if (fread(numbers, sizeof *numbers, count, file) != count)
        fail(name, "damaged: it ends too early");
    for (size_t k = 0; k < count; k++)
        if (numbers[k] < 0 || numbers[k] > 100000)             /* so that products of two are in range */
            fail(name, "damaged: a size is out of range");
    return file;
}

static void closed(FILE *file, const char *name)
{
    if (fgetc(file) != EOF)
        fail(name, "damaged: it goes on after its end");
    fclose(file);
}

static void check_below(const int64_t *items, int64_t count, int64_t end, const char *name)
{
    for (int64_t i = 0; i < count; i++)
        if (items[i] < 0 || items[i] >= end)
            fail(name, "damaged: an index is out of range");
}

static digits read_digits(const char *name)
{
    digits d;
    int64_t n[6];
    FILE *file = opened(name, "NODIGITS", n, 6);
    d.train = n[0], d.test = n[1], d.inputs = n[2], d.classes = n[3], d.steps = n[4], d.batch = n[5];
    if (d.classes != CLASSES || d.test == 0 || d.batch == 0)
        fail(name, "damaged: a size is out of range");
    d.train_x = array(file, d.train * d.inputs, sizeof *d.train_x, name);
    d.test_x = array(file, d.test * d.inputs, sizeof *d.test_x, name);
    d.train_y = array(file, d.train, sizeof *d.train_y, name);
    d.test_y = array(file, d.test, sizeof *d.test_y, name);
    d.rows = array(file, d.steps * d.batch, sizeof *d.rows, name);
    d.first = array(file, (d.inputs + 1) * d.classes, sizeof *d.first, name);
    closed(file, name);
    check_below(d.train_y, d.train, d.classes, name);
    check_below(d.test_y, d.test, d.classes, name);
    check_below(d.rows, d.steps * d.batch, d.train, name);
    return d;
}

static replay read_replay(const char *name)
{
    replay r;
    int64_t n[5];
    FILE *file = opened(name, "NOREPLAY", n, 5);
    r.fields = n[0], r.segments = n[1], r.size = n[2], r.steps = n[3], r.init = n[4];
    r.offsets = array(file, r.segments + 1, sizeof *r.offsets, name);
    r.hyper = array(file, r.fields, sizeof *r.hyper, name);
    r.first = array(file, r.size, sizeof *r.first, name);
    r.gradients = array(file, r.steps * r.size, sizeof *r.gradients, name);
    closed(file, name);
    if (r.offsets[r.segments] != r.size)
        fail(name, "damaged: segments do not cover the weights");
    return r;
}

/* --- a rule on flat buffers */

static const numoptim_rule *rule_named(const char *name)
{
    for (int64_t k = 0; k < numoptim_rule_count(); k++)
        if (strcmp(numoptim_rule_at(k)->name, name) == 0)
            return numoptim_rule_at(k);
    fail(name, "no rule of this name");
    return NULL;
}

static void check(int32_t status)
{
    if (status != NUMOPTIM_OK)
        fail("library", numoptim_strerror(status));
}

/* Fill in a plan on buffers of its own: weights as given, everything else 0 or as the rule begins. */
static void begin(numoptim_plan *plan, const numoptim_rule *rule, const replay *r, int64_t *which)
{
    memset(plan, 0, sizeof *plan);
    plan->count = r->size;
    plan->segments = r->segments;
    plan->offsets = r->offsets;
    plan->which = which;
    plan->groups = 1;
    plan->hyper = r->hyper;
    plan->norms = zeros(rule->sums * (r->size / NUMOPTIM_BLOCK + r->segments), sizeof *plan->norms);
    for (int64_t k = 0; k < 2; k++)
        plan->buffers[k] = zeros(r->size, sizeof(float));
    for (int64_t k = 0; k < rule->slot_count; k++)
        plan->buffers[2 + k] = rule->over[k] == NUMOPTIM_ELEMENT ? zeros(r->size, sizeof(float)) :
            repeated(rule->over[k] == NUMOPTIM_SEGMENT ? r->segments : 1, rule->starts[k]);
    memcpy(plan->buffers[0], r->first, (size_t)r->size * sizeof(float));
    if (r->init && rule->init[NUMOPTIM_F32] != NULL)
        check(rule->init[NUMOPTIM_F32](plan, 1));
}

static void step(const numoptim_rule *rule, const numoptim_plan *plan, int64_t t)
{
    for (int k = 0; rule->passes[k][NUMOPTIM_F32] != NULL; k++)
        check(rule->passes[k][NUMOPTIM_F32](plan, t));
}

static void end(numoptim_plan *plan)
{
    free(plan->norms);
    for (int k = 0; k < BUFFERS; k++)
        free(plan->buffers[k]);
}

/* --- the model: weights (inputs, classes), then one bias for each class */

static void probabilities(const float *w, const float *x, int64_t inputs, float *p)
{
    float largest = -INFINITY, sum = 0;
    for (int64_t c = 0; c < CLASSES; c++) {
        p[c] = w[inputs * CLASSES + c];
        for (int64_t i = 0; i < inputs; i++)
            p[c] += x[i] * w[i * CLASSES + c];
        largest = p[c] > largest ? p[c] : largest;
    }
    for (int64_t c = 0; c < CLASSES; c++)
        sum += p[c] = expf(p[c] - largest);
    for (int64_t c = 0; c < CLASSES; c++)
        p[c] /= sum;
}

/* The gradient of the loss, summed over a mini-batch. */
static void gradient(const digits *d, const int64_t *rows, const float *w, float *g)
{
    float p[CLASSES];
    memset(g, 0, (size_t)((d->inputs + 1) * CLASSES) * sizeof *g);
    for (int64_t b = 0; b < d->batch; b++) {
        const float *x = d->train_x + rows[b] * d->inputs;
        probabilities(w, x, d->inputs, p);
        p[d->train_y[rows[b]]] -= 1;
        for (int64_t c = 0; c < CLASSES; c++) {
            g[d->inputs * CLASSES + c] += p[c];
            for (int64_t i = 0; i < d->inputs; i++)
                g[i * CLASSES + c] += x[i] * p[c];
        }
    }
}

static double accuracy(const digits *d, const float *w)
{
    int64_t right = 0;
    for (int64_t n = 0; n < d->test; n++) {
        float p[CLASSES];
        int64_t best = 0;
        probabilities(w, d->test_x + n * d->inputs, d->inputs, p);
        for (int64_t c = 1; c < CLASSES; c++)
            best = p[c] > p[best] ? c : best;
        right += best == d->test_y[n];
    }
    return (double)right / (double)d->test;
}

static uint64_t fnv1a(const void *bytes, size_t size)
{
    uint64_t value = 0xCBF29CE484222325u;
    for (size_t k = 0; k < size; k++)
        value = (value ^ ((const unsigned char *)bytes)[k]) * 0x100000001B3u;
    return value;
}

int main(int argc, char **argv)
{
    char name[4096];
    if (argc != 3 || strlen(argv[1]) + strlen(argv[2]) > sizeof name - 32)
        fail("usage", "digits DIR RULE");
    const numoptim_rule *rule = rule_named(argv[2]);
    snprintf(name, sizeof name, "%s/digits.bin", argv[1]);
    digits d = read_digits(name);
    snprintf(name, sizeof name, "%s/%s.bin", argv[1], argv[2]);
    replay r = read_replay(name);
    if (r.fields != rule->field_count || r.size != (d.inputs + 1) * CLASSES)
        fail(name, "belongs to another rule, or to other data");

    numoptim_plan plan;
    int64_t *which = zeros(r.segments, sizeof *which);
    begin(&plan, rule, &r, which);
    for (int64_t t = 1; t <= d.steps; t++) {
        gradient(&d, d.rows + (t - 1) * d.batch, plan.buffers[0], plan.buffers[1]);
        step(rule, &plan, t);
    }
    printf("%s: accuracy %.4f", rule->name, accuracy(&d, plan.buffers[0]));
    end(&plan);

    begin(&plan, rule, &r, which);
    for (int64_t t = 1; t <= r.steps; t++) {
        memcpy(plan.buffers[1], r.gradients + (t - 1) * r.size, (size_t)r.size * sizeof(float));
        step(rule, &plan, t);
    }
    printf(", checksum %016llx\n", (unsigned long long)fnv1a(plan.buffers[0], (size_t)r.size * sizeof(float)));
    end(&plan);

    free(which);
    free(d.train_x), free(d.test_x), free(d.first), free(d.train_y), free(d.test_y), free(d.rows);
    free(r.offsets), free(r.hyper), free(r.first), free(r.gradients);
    return 0;
}
