/*
 * The library's Adam against a hand-written C function with the same signature, checks, preparation and arithmetic.
 *
 *     make capi && gcc -O3 -march=native -ffp-contract=off -fno-math-errno bench/capi.c \
 *         -Ibuild/capi/include build/capi/lib/libnumoptim.a -lm -o build/bench && build/bench
 *
 * The two take turns; for each size: nanoseconds of a call of each (medians), and the median of the ratios hand-written /
 * library with its quartiles: above 1 the library is faster; with --json one object a line. Every call is the next step,
 * as in a program: the bits of one number would be learned by the processor. After the last round both must have left
 * the same bits.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "numoptim.h"

enum { ROUNDS = 41, BUFFERS = 4 };

static double power(double b, int64_t n)
{
    double r = 1;
    for (; n > 0; n >>= 1, b *= b)
        if (n & 1)
            r *= b;
    return r;
}

static int in_range(const numoptim_adam *h)
{
    return h->learning_rate >= 0 && h->learning_rate < INFINITY && h->beta1 >= 0 && h->beta1 < 1 && h->beta2 >= 0
        && h->beta2 < 1 && h->epsilon > 0 && h->epsilon < INFINITY && h->wd >= 0 && h->wd < INFINITY
        && h->rescale_grad > -INFINITY && h->rescale_grad < INFINITY && h->clip_gradient > 0;
}

static __attribute__((noinline)) int32_t by_hand(int64_t size, float *restrict w, const float *restrict g,
                                                 float *restrict m, float *restrict v, const numoptim_adam *h, int64_t t)
{
    if (size < 0)
        return NUMOPTIM_SIZE;
    if (t < 1)
        return NUMOPTIM_STEP;
    if (h == NULL)
        return NUMOPTIM_NULL;
    if (!in_range(h))
        return NUMOPTIM_HYPER;
    if (size == 0)
        return NUMOPTIM_OK;
    if (w == NULL || g == NULL || m == NULL || v == NULL)
        return NUMOPTIM_NULL;
    const double root = sqrt(1 - power(h->beta2, t));
    const float rate = (float)(h->learning_rate * root / (1 - power(h->beta1, t))), epsilon = (float)(h->epsilon * root);
    const float beta1 = (float)h->beta1, beta2 = (float)h->beta2, c1 = (float)(1 - h->beta1), c2 = (float)(1 - h->beta2);
    const float rescale = (float)h->rescale_grad, high = (float)h->clip_gradient, low = -high, wd = (float)h->wd;
    const float tiny = 1.17549435e-38f;
    for (int64_t i = 0; i < size; i++) {
        float x = rescale * g[i];
        x = x < low ? low : x;
        x = x > high ? high : x;
        x = x + wd * w[i];
        const float a = beta1 * m[i] + c1 * x, b = beta2 * v[i] + c2 * x * x;
        w[i] = w[i] - rate * a / (sqrtf(b) + epsilon);
        m[i] = fabsf(a) < tiny ? 0 : a;
        v[i] = fabsf(b) < tiny ? 0 : b;
    }
    return NUMOPTIM_OK;
}

typedef int32_t adam(int64_t, float *, const float *, float *, float *, const numoptim_adam *, int64_t);

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill(float *buffers, int64_t size)
{
    for (int64_t i = 0; i < BUFFERS * size; i++)
        buffers[i] = i < 2 * size ? (float)((i * 7919) % 1009) / 1009.0f - 0.5f : 0;
}

static double time_of(adam *step, float *b, int64_t size, const numoptim_adam *h, int64_t repeat)
{
    const double start = seconds();
    for (int64_t k = 0; k < repeat; k++)
        if (step(size, b, b + size, b + 2 * size, b + 3 * size, h, k + 1) != NUMOPTIM_OK)
            exit(1);
    return (seconds() - start) / (double)repeat;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void compare(int64_t size, int json)
{
    float *ours = aligned_alloc(64, (size_t)(BUFFERS * size) * sizeof *ours / 64 * 64 + 64);
    float *theirs = aligned_alloc(64, (size_t)(BUFFERS * size) * sizeof *theirs / 64 * 64 + 64);
    numoptim_adam h = NUMOPTIM_ADAM_DEFAULT;
    double own[ROUNDS], hand[ROUNDS], ratio[ROUNDS];
    h.learning_rate = 1e-9;
    fill(ours, size), fill(theirs, size);
    const int64_t repeat = size > 1000000 ? 1 : 2000000 / (size + 100) + 1;
    for (int k = 0; k < ROUNDS; k++) {
        own[k] = time_of(numoptim_adam_f32, ours, size, &h, repeat);
        hand[k] = time_of(by_hand, theirs, size, &h, repeat);
        ratio[k] = hand[k] / own[k];
    }
    if (memcmp(ours, theirs, (size_t)(BUFFERS * size) * sizeof *ours) != 0) {
        fprintf(stderr, "capi: the two differ at size %lld\n", (long long)size);
        exit(1);
    }
    qsort(own, ROUNDS, sizeof *own, ascending);
    qsort(hand, ROUNDS, sizeof *hand, ascending);
    qsort(ratio, ROUNDS, sizeof *ratio, ascending);
    const char *format = json
        ? "{\"case\": \"C\", \"dtype\": \"float32\", \"n\": %lld, \"ns\": %.2f, \"against_ns\": %.2f, \"ratio\": %.4f, "
          "\"low\": %.4f, \"high\": %.4f}\n"
        : "%9lld %14.1f %14.1f %8.2f   %.2f - %.2f\n";
    printf(format, (long long)size, 1e9 * own[ROUNDS / 2], 1e9 * hand[ROUNDS / 2],
           ratio[ROUNDS / 2], ratio[ROUNDS / 4], ratio[3 * ROUNDS / 4]);
    free(ours), free(theirs);
}

int main(int argc, char **argv)
{
    const int json = argc > 1 && strcmp(argv[1], "--json") == 0;
    static const int64_t sizes[] = { 0, 100, 1000, 10000, 100000, 10000000 };
    if (!json)
        printf("instruction set %d\n     size     library, ns     by hand, ns    ratio   quartiles\n", (int)numoptim_isa());
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        compare(sizes[k], json);
    return 0;
}
