/*
 * numoptim: gradient-descent optimizers over flat buffers. No Python, no allocation, no threads.
 *
 * Generated from the update rules in numoptim/rules/; do not edit.
 *
 * A step
 *     Every rule has one function for each type, f32 (float) and f64 (double):
 *
 *         numoptim_adam h = NUMOPTIM_ADAM_DEFAULT;
 *         h.learning_rate = 0.01;
 *         int32_t status = numoptim_adam_f32(size, w, g, m, v, &h, t);
 *
 *     w are the weights, changed in place; g their gradient, only read; the others are the rule's slots, its
 *     state between steps, changed in place: size elements each, all 0 before the first step (unless the rule
 *     has an _init, or says otherwise). Steps count from t = 1. In one pass the gradient is multiplied by
 *     rescale_grad, clipped to [-clip_gradient, clip_gradient], wd*w is added (unless the rule uses wd itself), and
 *     the rule applied.
 *
 * Status
 *     Functions return 0 (NUMOPTIM_OK) or a negative status, and then have written nothing: a null pointer, a size,
 *     offset or count that is negative or 2**60 or more, t < 1, a hyper-parameter that is NaN or out of its range, a
 *     bad table of segments. Functions for f32 want a hyper-parameter in its range as a float, too: 1e-46 is 0 then,
 *     and 1e39 infinite; of a range "(0, inf) or 0" the 0 is only what is 0 itself. With size 0, or
 *     no segments, there is nothing to do, and buffers may be null.
 *
 * Layer-wise rules (LARS, LAMB ...)
 *     They sum over each segment, or over all of them: segment s is [offsets[s], offsets[s + 1]) of the buffers, so
 *     that offsets has segments + 1 numbers that do not decrease, and takes the place of size.
 *
 * Rules that divide by the learning rate (Ftrl, FTML)
 *     A step with learning_rate 0 changes nothing, nor does one below 2.5e-32 (f32) or 2.5e-293 (f64), whose
 *     reciprocal leaves no room for the rest. Their _init refuses such a rate with NUMOPTIM_HYPER.
 *
 * Noisy rules (SGLD)
 *     The noise of element i is a function of (seed, t, offset + i) alone: give each buffer its own offset.
 *
 * Ranges: threads, shards, many groups of hyper-parameters
 *     numoptim_<rule>_<type>_range(first, count, segments, offsets, which, groups, h, [norms,] buffers, t)
 *     updates elements [first, first + count) of a flat buffer with a table of segments; offsets[0] is 0.
 *     h is an array of `groups` structs, of which segment s uses h[which[s]]. The buffers passed begin at
 *     element `first`. Ranges that do not overlap can be updated at the same time, in any order; every cut of
 *     a buffer gives the same bits.
 *     NUMOPTIM_TABLE: offsets[0] is not 0, the range ends beyond offsets[segments], or of a segment that the range
 *     touches offsets[s] or offsets[s + 1] is negative, less than the one before or more than offsets[segments], or
 *     which[s] is neither a group nor NUMOPTIM_FROZEN. What the range does not touch is not checked.
 *     Segments with which[s] = NUMOPTIM_FROZEN stay as they are: nothing of them is read or written, be it weights,
 *     gradient, slots or partial sums (at a learning rate of 0 slots go on, and momentum moves weights). `groups`
 *     may be 0 where all are frozen; h is not null.
 *     For layer-wise rules, _norms comes before, over all ranges that together cover the buffer: it writes the
 *     partial sums of the NUMOPTIM_BLOCK-element blocks that begin in its range (blocks count from each
 *     segment's begin; the buffers must reach to the end of the last one) into norms, an array of
 *     sums*(offsets[segments]/NUMOPTIM_BLOCK + segments) doubles that all ranges share, where sums is the descriptor's.
 *     Rules that sum again, with what the first sums gave, have _norms2 ... between the two, each over all ranges, too.
 *     Slots with a number for each segment, or for all, are passed whole to every range, which reads them; _advance,
 *     in the end and over all ranges, too, writes them: by the range that begins at element 0.
 *
 * Promises
 *     Thread-safe: functions touch only what is passed to them. No allocation, no printing, no threads of its
 *     own. The one global is the instruction set in use (numoptim_isa). The caller owns all memory. Buffers of
 *     one call must not overlap, and are aligned as their type demands (64 bytes are best).
 *     The same input gives the same bits: on every instruction set and processor, for every cut into ranges,
 *     and from Python. Not promised: the sign and payload of NaN, and hosts that flush subnormal numbers or
 *     change the rounding mode. A slot value below the smallest normal number is stored as 0.
 *
 * Versions
 *     The version is MAJOR.MINOR.PATCH. Within one MAJOR (before 1.0: one MINOR) functions, structs, defaults and
 *     statuses of a header work with every later library; functions and rules may be added. A program can
 *     compare NUMOPTIM_VERSION, what it was compiled with, with numoptim_version(), what it runs with.
 */
#ifndef NUMOPTIM_H
#define NUMOPTIM_H

#include <math.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NUMOPTIM_VERSION_MAJOR 0
#define NUMOPTIM_VERSION_MINOR 1
#define NUMOPTIM_VERSION_PATCH 0
#define NUMOPTIM_VERSION 100

#define NUMOPTIM_OK     0
#define NUMOPTIM_NULL   (-1)   /* null pointer */
#define NUMOPTIM_SIZE   (-2)   /* size, offset or count negative, or 2**60 or more */
#define NUMOPTIM_STEP   (-3)   /* step t below 1 */
#define NUMOPTIM_HYPER  (-4)   /* hyper-parameter NaN or out of range */
#define NUMOPTIM_TABLE  (-5)   /* segment table does not cover the range, decreases, or names a missing group */
#define NUMOPTIM_CPU    (-6)   /* instruction set not available */

#define NUMOPTIM_FROZEN (-1)  /* which[s] of a segment that is to stay as it is */
#define NUMOPTIM_BLOCK 4096   /* elements of a partial sum */
#define NUMOPTIM_F32 0        /* index of a type in descriptors */
#define NUMOPTIM_F64 1
#define NUMOPTIM_ELEMENT 0    /* what a slot has a number for: each element, segment, or all of them together */
#define NUMOPTIM_SEGMENT 1
#define NUMOPTIM_ALL 2

/* --- declarations */
/* Version of the library: 10000*major + 100*minor + patch. */
int32_t numoptim_version(void);

/* Digest of the sources that the library was built from. */
const char *numoptim_sources(void);

/* What a status means, in English; never null. */
const char *numoptim_strerror(int32_t status);

/*
 * The instruction set in use: 0 is what every processor of this kind has, 1 is x86-64-v3 (AVX2), 2 is x86-64-v4
 * (AVX-512). The best that the processor can run, unless the environment variable NUMOPTIM_ISA names a lower one
 * when the library is loaded. numoptim_set_isa changes it, for tests: 0, or NUMOPTIM_CPU for one that cannot run here.
 */
int32_t numoptim_isa(void);
int32_t numoptim_set_isa(int32_t level);

/*
 * For hosts that choose a rule while they run, and for foreign-function interfaces: descriptors of all rules, whose
 * functions take their arguments from a plan. Fill in a plan once; each step, call rule->passes[k][type](&plan, t) for
 * k = 0, 1 ... up to the first that is null.
 */
typedef struct numoptim_plan {
    int64_t first;                   /* elements [first, first + count) of a flat buffer */
    int64_t count;
    int64_t segments;
    const int64_t *offsets;          /* segments + 1 */
    const int64_t *which;            /* group of each segment, or NUMOPTIM_FROZEN */
    int64_t groups;
    const void *hyper;               /* the rule's struct, once for each group */
    double *norms;                   /* of layer-wise rules, shared by all plans of a buffer; others: null */
    void *buffers[8];                /* w, g, slots in order, those of elements from `first` on */
} numoptim_plan;

typedef int32_t numoptim_entry(const numoptim_plan *plan, int64_t t);

/* A hyper-parameter. Structs are made of these in order, 8 bytes each: double, or int64_t where integer is 1. */
typedef struct numoptim_field {
    const char *name;
    const char *interval;            /* such as "[0, 1)", "(0, inf) or 0" */
    double default_value;
    double low, high;
    int32_t integer;
} numoptim_field;

typedef struct numoptim_rule {
    const char *name;
    int64_t slot_count;
    const char *const *slots;
    int64_t field_count;
    const numoptim_field *fields;
    int32_t layerwise, noisy;        /* layerwise: passes are norms and range, and sums is 2 */
    numoptim_entry *range[2];        /* [NUMOPTIM_F32], [NUMOPTIM_F64]; NUMOPTIM_NULL of rules with other passes */
    numoptim_entry *norms[2];        /* of layer-wise rules; else null */
    numoptim_entry *init[2];         /* first slots of rules that do not begin at 0 (t is ignored); else null */
    int64_t sums;                    /* doubles of each block in a plan's norms; 0: there are none */
    numoptim_entry *passes[6][2];    /* of a step, each over all ranges before the next; null behind the last */
    const int32_t *over;             /* of each slot: NUMOPTIM_ELEMENT, or doubles, NUMOPTIM_SEGMENT or NUMOPTIM_ALL */
    const double *starts;            /* of each slot: what it begins with, unless init has a say */
} numoptim_rule;

int64_t numoptim_rule_count(void);
const numoptim_rule *numoptim_rule_at(int64_t index);     /* null where there is none */

/* --- rules */
/*
 * Hyper-parameters of every rule
 *     wd             [0, inf)       weight decay
 *     rescale_grad   (-inf, inf)    factor of the gradient, before it is clipped
 *     clip_gradient  (0, inf]       bound of the gradient's elements; HUGE_VAL for none
 *     seed           (-inf, inf)    of the noise
 *     offset         [0, 1e18]      position of element 0 in the stream of noise
 */

/*
 * sgd: SGD: stochastic gradient descent, with or without momentum.
 *
 * Update (momentum = 0)
 *     w = w - learning_rate*g
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     v  (size,) like w   velocity, 0 before t = 1
 *
 * Source
 *     Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
 *     Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors",
 *     Nature 323, 1986, eq. 9.  https://doi.org/10.1038/323533a0
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_sgd {
    double learning_rate;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_sgd;
#define NUMOPTIM_SGD_DEFAULT { 0.01, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_sgd_f32(int64_t size, float *w, const float *g, const numoptim_sgd *h, int64_t t);
int32_t numoptim_sgd_f64(int64_t size, double *w, const double *g, const numoptim_sgd *h, int64_t t);
int32_t numoptim_sgd_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_sgd *h, float *w, const float *g, int64_t t);
int32_t numoptim_sgd_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_sgd *h, double *w, const double *g, int64_t t);

/*
 * sgd_momentum: SGD: stochastic gradient descent, with or without momentum.
 *
 * Update
 *     v = momentum*v - learning_rate*g
 *     w = w + v
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     v  (size,) like w   velocity, 0 before t = 1
 *
 * Source
 *     Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
 *     Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors",
 *     Nature 323, 1986, eq. 9.  https://doi.org/10.1038/323533a0
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     momentum         [0, 1)        default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_sgd_momentum {
    double learning_rate;
    double momentum;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_sgd_momentum;
#define NUMOPTIM_SGD_MOMENTUM_DEFAULT { 0.01, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_sgd_momentum_f32(int64_t size, float *w, const float *g, float *v,
    const numoptim_sgd_momentum *h, int64_t t);
int32_t numoptim_sgd_momentum_f64(int64_t size, double *w, const double *g, double *v,
    const numoptim_sgd_momentum *h, int64_t t);
int32_t numoptim_sgd_momentum_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_sgd_momentum *h, float *w,
    const float *g, float *v, int64_t t);
int32_t numoptim_sgd_momentum_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_sgd_momentum *h, double *w,
    const double *g, double *v, int64_t t);

/*
 * sgd_rate_outside: SGD: stochastic gradient descent, with or without momentum.
 *
 * Update (rate_in_velocity = False)
 *     v = g if t == 1 else momentum*v + (1 - dampening)*g
 *     w = w - learning_rate*v
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     v  (size,) like w   velocity, 0 before t = 1
 *
 * Source
 *     Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
 *     Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors",
 *     Nature 323, 1986, eq. 9.  https://doi.org/10.1038/323533a0
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     momentum         [0, 1)        default 0.0
 *     dampening        [0, 1]        default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_sgd_rate_outside {
    double learning_rate;
    double momentum;
    double dampening;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_sgd_rate_outside;
#define NUMOPTIM_SGD_RATE_OUTSIDE_DEFAULT { 0.01, 0.0, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_sgd_rate_outside_f32(int64_t size, float *w, const float *g, float *v,
    const numoptim_sgd_rate_outside *h, int64_t t);
int32_t numoptim_sgd_rate_outside_f64(int64_t size, double *w, const double *g, double *v,
    const numoptim_sgd_rate_outside *h, int64_t t);
int32_t numoptim_sgd_rate_outside_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_sgd_rate_outside *h,
    float *w, const float *g, float *v, int64_t t);
int32_t numoptim_sgd_rate_outside_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_sgd_rate_outside *h,
    double *w, const double *g, double *v, int64_t t);

/*
 * nag: NAG: Nesterov's accelerated gradient.
 *
 * Update (the stored weight is the look-ahead point y = w + momentum*v of the paper)
 *     v = momentum*v - learning_rate*g
 *     w = w + momentum*v - learning_rate*g
 *
 * Symbols
 *     w  (size,) f32|f64  weights at the look-ahead point, in/out
 *     g  (size,) like w   gradient there, after rescale, clip and weight decay, read only
 *     v  (size,) like w   velocity, 0 before t = 1
 *
 * Source
 *     Sutskever, Martens, Dahl & Hinton, "On the importance of initialization and momentum in deep
 *     learning", ICML 2013, eqs 3-4.  https://proceedings.mlr.press/v28/sutskever13.html
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     momentum         [0, 1)        default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_nag {
    double learning_rate;
    double momentum;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_nag;
#define NUMOPTIM_NAG_DEFAULT { 0.01, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_nag_f32(int64_t size, float *w, const float *g, float *v, const numoptim_nag *h, int64_t t);
int32_t numoptim_nag_f64(int64_t size, double *w, const double *g, double *v, const numoptim_nag *h,
    int64_t t);
int32_t numoptim_nag_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_nag *h, float *w, const float *g, float *v,
    int64_t t);
int32_t numoptim_nag_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_nag *h, double *w, const double *g, double *v,
    int64_t t);

/*
 * nag_rate_outside: NAG: Nesterov's accelerated gradient.
 *
 * Update (rate_in_velocity = False)
 *     v = momentum*v + g
 *     w = w - learning_rate*(g + momentum*v)
 *
 * Symbols
 *     w  (size,) f32|f64  weights at the look-ahead point, in/out
 *     g  (size,) like w   gradient there, after rescale, clip and weight decay, read only
 *     v  (size,) like w   velocity, 0 before t = 1
 *
 * Source
 *     Sutskever, Martens, Dahl & Hinton, "On the importance of initialization and momentum in deep
 *     learning", ICML 2013, eqs 3-4.  https://proceedings.mlr.press/v28/sutskever13.html
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     momentum         [0, 1)        default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_nag_rate_outside {
    double learning_rate;
    double momentum;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_nag_rate_outside;
#define NUMOPTIM_NAG_RATE_OUTSIDE_DEFAULT { 0.01, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_nag_rate_outside_f32(int64_t size, float *w, const float *g, float *v,
    const numoptim_nag_rate_outside *h, int64_t t);
int32_t numoptim_nag_rate_outside_f64(int64_t size, double *w, const double *g, double *v,
    const numoptim_nag_rate_outside *h, int64_t t);
int32_t numoptim_nag_rate_outside_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_nag_rate_outside *h,
    float *w, const float *g, float *v, int64_t t);
int32_t numoptim_nag_rate_outside_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_nag_rate_outside *h,
    double *w, const double *g, double *v, int64_t t);

/*
 * dcasgd: DCASGD: asynchronous SGD with delay compensation, with or without momentum.
 *
 * Update (momentum = 0)
 *     d = g + wd*w + lamda*g*g*(w - w_bak)
 *     w_bak = w
 *     w = w - learning_rate*d
 *
 * Symbols
 *     w      (size,) f32|f64  weights, in/out
 *     g      (size,) like w   gradient after rescale and clip, read only
 *     v      (size,) like w   velocity, 0 before t = 1
 *     w_bak  (size,) like w   the weight this worker last pulled (alone: before the last update); w at first
 *
 * Source
 *     Zheng et al., "Asynchronous stochastic gradient descent with delay compensation", ICML 2017,
 *     eq. 10.  https://arxiv.org/abs/1609.08326
 *
 * Its slots begin as numoptim_dcasgd_<f32|f64>_init leaves them.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     lamda            [0, inf)      default 0.04
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_dcasgd {
    double learning_rate;
    double lamda;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_dcasgd;
#define NUMOPTIM_DCASGD_DEFAULT { 0.01, 0.04, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_dcasgd_f32(int64_t size, float *w, const float *g, float *w_bak, const numoptim_dcasgd *h,
    int64_t t);
int32_t numoptim_dcasgd_f64(int64_t size, double *w, const double *g, double *w_bak,
    const numoptim_dcasgd *h, int64_t t);
int32_t numoptim_dcasgd_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_dcasgd *h, float *w, const float *g, float *w_bak,
    int64_t t);
int32_t numoptim_dcasgd_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_dcasgd *h, double *w, const double *g,
    double *w_bak, int64_t t);
int32_t numoptim_dcasgd_f32_init(int64_t size, const float *w, float *w_bak, const numoptim_dcasgd *h);
int32_t numoptim_dcasgd_f64_init(int64_t size, const double *w, double *w_bak, const numoptim_dcasgd *h);

/*
 * dcasgd_momentum: DCASGD: asynchronous SGD with delay compensation, with or without momentum.
 *
 * Update
 *     d = g + wd*w + lamda*g*g*(w - w_bak)
 *     v = momentum*v - learning_rate*d
 *     w_bak = w
 *     w = w + v
 *
 * Symbols
 *     w      (size,) f32|f64  weights, in/out
 *     g      (size,) like w   gradient after rescale and clip, read only
 *     v      (size,) like w   velocity, 0 before t = 1
 *     w_bak  (size,) like w   the weight this worker last pulled (alone: before the last update); w at first
 *
 * Source
 *     Zheng et al., "Asynchronous stochastic gradient descent with delay compensation", ICML 2017,
 *     eq. 10.  https://arxiv.org/abs/1609.08326
 *
 * Its slots begin as numoptim_dcasgd_momentum_<f32|f64>_init leaves them.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     lamda            [0, inf)      default 0.04
 *     momentum         [0, 1)        default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_dcasgd_momentum {
    double learning_rate;
    double lamda;
    double momentum;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_dcasgd_momentum;
#define NUMOPTIM_DCASGD_MOMENTUM_DEFAULT { 0.01, 0.04, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_dcasgd_momentum_f32(int64_t size, float *w, const float *g, float *v, float *w_bak,
    const numoptim_dcasgd_momentum *h, int64_t t);
int32_t numoptim_dcasgd_momentum_f64(int64_t size, double *w, const double *g, double *v, double *w_bak,
    const numoptim_dcasgd_momentum *h, int64_t t);
int32_t numoptim_dcasgd_momentum_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_dcasgd_momentum *h,
    float *w, const float *g, float *v, float *w_bak, int64_t t);
int32_t numoptim_dcasgd_momentum_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_dcasgd_momentum *h,
    double *w, const double *g, double *v, double *w_bak, int64_t t);
int32_t numoptim_dcasgd_momentum_f32_init(int64_t size, const float *w, float *v, float *w_bak,
    const numoptim_dcasgd_momentum *h);
int32_t numoptim_dcasgd_momentum_f64_init(int64_t size, const double *w, double *v, double *w_bak,
    const numoptim_dcasgd_momentum *h);

/*
 * adagrad: AdaGrad: adaptive subgradient method.
 *
 * Update
 *     n = n + g*g
 *     w = w - learning_rate*g / sqrt(n + eps)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     n  (size,) like w   sum of squared gradients, 0 or initial before t = 1
 *     eps  number >= 0    at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic
 *     optimization", JMLR 12, 2011, eq. 1 with a diagonal matrix.  https://jmlr.org/papers/v12/duchi11a.html
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     eps              (0, inf) or 0 default 1e-07
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adagrad {
    double learning_rate;
    double eps;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adagrad;
#define NUMOPTIM_ADAGRAD_DEFAULT { 0.01, 1e-07, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adagrad_f32(int64_t size, float *w, const float *g, float *n, const numoptim_adagrad *h,
    int64_t t);
int32_t numoptim_adagrad_f64(int64_t size, double *w, const double *g, double *n, const numoptim_adagrad *h,
    int64_t t);
int32_t numoptim_adagrad_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adagrad *h, float *w, const float *g, float *n,
    int64_t t);
int32_t numoptim_adagrad_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adagrad *h, double *w, const double *g, double *n,
    int64_t t);

/*
 * rmsprop: RMSProp: gradients divided by a running average of their magnitude; plain, with momentum, or centred.
 *
 * Update
 *     n = gamma1*n + (1 - gamma1)*g*g
 *     w = clip(w - learning_rate*g / sqrt(n + epsilon), -clip_weights, clip_weights)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     n  (size,) like w   running mean of g*g, 0 or initial before t = 1
 *     m  (size,) like w   running mean of g, 0 before t = 1
 *     s  (size,) like w   running variance of g, 0 or initial before t = 1
 *     v  (size,) like w   velocity, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Tieleman & Hinton, "Lecture 6.5-rmsprop", COURSERA: Neural networks for machine learning, 2012.
 *     https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
 *     Centred: Graves, "Generating sequences with recurrent neural networks", 2013, eqs 38-45.
 *     https://arxiv.org/abs/1308.0850
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     gamma1           [0, 1)        default 0.9
 *     epsilon          (0, inf) or 0 default 1e-08
 *     clip_weights     (0, inf]      default HUGE_VAL
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_rmsprop {
    double learning_rate;
    double gamma1;
    double epsilon;
    double clip_weights;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_rmsprop;
#define NUMOPTIM_RMSPROP_DEFAULT { 0.001, 0.9, 1e-08, HUGE_VAL, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_rmsprop_f32(int64_t size, float *w, const float *g, float *n, const numoptim_rmsprop *h,
    int64_t t);
int32_t numoptim_rmsprop_f64(int64_t size, double *w, const double *g, double *n, const numoptim_rmsprop *h,
    int64_t t);
int32_t numoptim_rmsprop_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_rmsprop *h, float *w, const float *g, float *n,
    int64_t t);
int32_t numoptim_rmsprop_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_rmsprop *h, double *w, const double *g, double *n,
    int64_t t);

/*
 * rmsprop_momentum: RMSProp: gradients divided by a running average of their magnitude; plain, with momentum, or centred.
 *
 * Update
 *     n = gamma1*n + (1 - gamma1)*g*g
 *     v = momentum*v - learning_rate*g / sqrt(n + epsilon)
 *     w = clip(w + v, -clip_weights, clip_weights)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     n  (size,) like w   running mean of g*g, 0 or initial before t = 1
 *     m  (size,) like w   running mean of g, 0 before t = 1
 *     s  (size,) like w   running variance of g, 0 or initial before t = 1
 *     v  (size,) like w   velocity, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Tieleman & Hinton, "Lecture 6.5-rmsprop", COURSERA: Neural networks for machine learning, 2012.
 *     https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
 *     Centred: Graves, "Generating sequences with recurrent neural networks", 2013, eqs 38-45.
 *     https://arxiv.org/abs/1308.0850
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     gamma1           [0, 1)        default 0.9
 *     epsilon          (0, inf) or 0 default 1e-08
 *     clip_weights     (0, inf]      default HUGE_VAL
 *     momentum         [0, 1)        default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_rmsprop_momentum {
    double learning_rate;
    double gamma1;
    double epsilon;
    double clip_weights;
    double momentum;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_rmsprop_momentum;
#define NUMOPTIM_RMSPROP_MOMENTUM_DEFAULT { 0.001, 0.9, 1e-08, HUGE_VAL, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_rmsprop_momentum_f32(int64_t size, float *w, const float *g, float *n, float *v,
    const numoptim_rmsprop_momentum *h, int64_t t);
int32_t numoptim_rmsprop_momentum_f64(int64_t size, double *w, const double *g, double *n, double *v,
    const numoptim_rmsprop_momentum *h, int64_t t);
int32_t numoptim_rmsprop_momentum_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_rmsprop_momentum *h,
    float *w, const float *g, float *n, float *v, int64_t t);
int32_t numoptim_rmsprop_momentum_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_rmsprop_momentum *h,
    double *w, const double *g, double *n, double *v, int64_t t);

/*
 * rmsprop_centered: RMSProp: gradients divided by a running average of their magnitude; plain, with momentum, or centred.
 *
 * Update (s is Graves' n - m*m, kept itself: that difference cancels and goes negative)
 *     s = gamma1*(s + (1 - gamma1)*(g - m)**2)
 *     m = gamma1*m + (1 - gamma1)*g
 *     v = gamma2*v - learning_rate*g / sqrt(s + epsilon)
 *     w = clip(w + v, -clip_weights, clip_weights)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     n  (size,) like w   running mean of g*g, 0 or initial before t = 1
 *     m  (size,) like w   running mean of g, 0 before t = 1
 *     s  (size,) like w   running variance of g, 0 or initial before t = 1
 *     v  (size,) like w   velocity, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Tieleman & Hinton, "Lecture 6.5-rmsprop", COURSERA: Neural networks for machine learning, 2012.
 *     https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
 *     Centred: Graves, "Generating sequences with recurrent neural networks", 2013, eqs 38-45.
 *     https://arxiv.org/abs/1308.0850
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     gamma1           [0, 1)        default 0.9
 *     epsilon          (0, inf) or 0 default 1e-08
 *     clip_weights     (0, inf]      default HUGE_VAL
 *     gamma2           [0, 1)        default 0.9
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_rmsprop_centered {
    double learning_rate;
    double gamma1;
    double epsilon;
    double clip_weights;
    double gamma2;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_rmsprop_centered;
#define NUMOPTIM_RMSPROP_CENTERED_DEFAULT { 0.001, 0.9, 1e-08, HUGE_VAL, 0.9, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_rmsprop_centered_f32(int64_t size, float *w, const float *g, float *m, float *s, float *v,
    const numoptim_rmsprop_centered *h, int64_t t);
int32_t numoptim_rmsprop_centered_f64(int64_t size, double *w, const double *g, double *m, double *s,
    double *v, const numoptim_rmsprop_centered *h, int64_t t);
int32_t numoptim_rmsprop_centered_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_rmsprop_centered *h,
    float *w, const float *g, float *m, float *s, float *v, int64_t t);
int32_t numoptim_rmsprop_centered_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_rmsprop_centered *h,
    double *w, const double *g, double *m, double *s, double *v, int64_t t);

/*
 * adadelta: AdaDelta: adaptive steps in the unit of the weights.
 *
 * Update (the paper has learning_rate = 1, the default)
 *     a = rho*a + (1 - rho)*g*g
 *     d = sqrt(u + epsilon) / sqrt(a + epsilon) * g
 *     u = rho*u + (1 - rho)*d*d
 *     w = w - learning_rate*d
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     a  (size,) like w   running mean of g*g, 0 before t = 1
 *     u  (size,) like w   running mean of d*d, 0 before t = 1
 *     epsilon  number >= 0     at 0 no weight moves, as u stays 0; a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Zeiler, "ADADELTA: an adaptive learning rate method", 2012, Algorithm 1.
 *     https://arxiv.org/abs/1212.5701
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 1.0
 *     rho              [0, 1)        default 0.9
 *     epsilon          (0, inf) or 0 default 1e-05
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adadelta {
    double learning_rate;
    double rho;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adadelta;
#define NUMOPTIM_ADADELTA_DEFAULT { 1.0, 0.9, 1e-05, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adadelta_f32(int64_t size, float *w, const float *g, float *a, float *u,
    const numoptim_adadelta *h, int64_t t);
int32_t numoptim_adadelta_f64(int64_t size, double *w, const double *g, double *a, double *u,
    const numoptim_adadelta *h, int64_t t);
int32_t numoptim_adadelta_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adadelta *h, float *w, const float *g, float *a,
    float *u, int64_t t);
int32_t numoptim_adadelta_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adadelta *h, double *w, const double *g, double *a,
    double *u, int64_t t);

/*
 * adam: Adam: adaptive moment estimation, with or without the maximum of AMSGrad.
 *
 * Update
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     m_hat = m / (1 - beta1**t)
 *     v_hat = v / (1 - beta2**t)
 *     w = w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     v_max  (size,) like w   largest v so far, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 1.
 *     https://arxiv.org/abs/1412.6980
 *     amsgrad: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018, Algorithm 2.
 *     https://openreview.net/forum?id=ryQu7f-RZ
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adam {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adam;
#define NUMOPTIM_ADAM_DEFAULT { 0.001, 0.9, 0.999, 1e-08, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adam_f32(int64_t size, float *w, const float *g, float *m, float *v,
    const numoptim_adam *h, int64_t t);
int32_t numoptim_adam_f64(int64_t size, double *w, const double *g, double *m, double *v,
    const numoptim_adam *h, int64_t t);
int32_t numoptim_adam_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adam *h, float *w, const float *g, float *m,
    float *v, int64_t t);
int32_t numoptim_adam_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adam *h, double *w, const double *g, double *m,
    double *v, int64_t t);

/*
 * adam_amsgrad: Adam: adaptive moment estimation, with or without the maximum of AMSGrad.
 *
 * Update (amsgrad=True)
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     v_max = maximum(v_max, v)
 *     m_hat = m / (1 - beta1**t)
 *     v_hat = v_max / (1 - beta2**t)
 *     w = w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     v_max  (size,) like w   largest v so far, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 1.
 *     https://arxiv.org/abs/1412.6980
 *     amsgrad: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018, Algorithm 2.
 *     https://openreview.net/forum?id=ryQu7f-RZ
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adam_amsgrad {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adam_amsgrad;
#define NUMOPTIM_ADAM_AMSGRAD_DEFAULT { 0.001, 0.9, 0.999, 1e-08, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adam_amsgrad_f32(int64_t size, float *w, const float *g, float *m, float *v, float *v_max,
    const numoptim_adam_amsgrad *h, int64_t t);
int32_t numoptim_adam_amsgrad_f64(int64_t size, double *w, const double *g, double *m, double *v,
    double *v_max, const numoptim_adam_amsgrad *h, int64_t t);
int32_t numoptim_adam_amsgrad_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_adam_amsgrad *h, float *w,
    const float *g, float *m, float *v, float *v_max, int64_t t);
int32_t numoptim_adam_amsgrad_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_adam_amsgrad *h, double *w,
    const double *g, double *m, double *v, double *v_max, int64_t t);

/*
 * adamw: AdamW: Adam with decoupled weight decay, with or without the maximum of AMSGrad.
 *
 * Update
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     m_hat = m / (1 - beta1**t)
 *     v_hat = v / (1 - beta2**t)
 *     w = w - learning_rate*wd*w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     v_max  (size,) like w   largest v so far, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, Algorithm 2.
 *     https://arxiv.org/abs/1711.05101
 *     amsgrad: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018, Algorithm 2.
 *     https://openreview.net/forum?id=ryQu7f-RZ
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     wd               [0, inf)      default 0.01
 *     and rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adamw {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adamw;
#define NUMOPTIM_ADAMW_DEFAULT { 0.001, 0.9, 0.999, 1e-08, 0.01, 1.0, HUGE_VAL }
int32_t numoptim_adamw_f32(int64_t size, float *w, const float *g, float *m, float *v,
    const numoptim_adamw *h, int64_t t);
int32_t numoptim_adamw_f64(int64_t size, double *w, const double *g, double *m, double *v,
    const numoptim_adamw *h, int64_t t);
int32_t numoptim_adamw_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adamw *h, float *w, const float *g, float *m,
    float *v, int64_t t);
int32_t numoptim_adamw_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adamw *h, double *w, const double *g, double *m,
    double *v, int64_t t);

/*
 * adamw_amsgrad: AdamW: Adam with decoupled weight decay, with or without the maximum of AMSGrad.
 *
 * Update (amsgrad=True)
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     v_max = maximum(v_max, v)
 *     m_hat = m / (1 - beta1**t)
 *     v_hat = v_max / (1 - beta2**t)
 *     w = w - learning_rate*wd*w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     v_max  (size,) like w   largest v so far, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, Algorithm 2.
 *     https://arxiv.org/abs/1711.05101
 *     amsgrad: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018, Algorithm 2.
 *     https://openreview.net/forum?id=ryQu7f-RZ
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     wd               [0, inf)      default 0.01
 *     and rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adamw_amsgrad {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adamw_amsgrad;
#define NUMOPTIM_ADAMW_AMSGRAD_DEFAULT { 0.001, 0.9, 0.999, 1e-08, 0.01, 1.0, HUGE_VAL }
int32_t numoptim_adamw_amsgrad_f32(int64_t size, float *w, const float *g, float *m, float *v, float *v_max,
    const numoptim_adamw_amsgrad *h, int64_t t);
int32_t numoptim_adamw_amsgrad_f64(int64_t size, double *w, const double *g, double *m, double *v,
    double *v_max, const numoptim_adamw_amsgrad *h, int64_t t);
int32_t numoptim_adamw_amsgrad_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_adamw_amsgrad *h, float *w,
    const float *g, float *m, float *v, float *v_max, int64_t t);
int32_t numoptim_adamw_amsgrad_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_adamw_amsgrad *h,
    double *w, const double *g, double *m, double *v, double *v_max, int64_t t);

/*
 * adamax: Adamax: Adam with the infinity norm.
 *
 * Update
 *     m = beta1*m + (1 - beta1)*g
 *     u = maximum(beta2*u, abs(g))
 *     w = w - learning_rate / (1 - beta1**t) * m / (u + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     u  (size,) like w   decaying maximum of abs(g), 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.1, Algorithm 2.
 *     https://arxiv.org/abs/1412.6980
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.002
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adamax {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adamax;
#define NUMOPTIM_ADAMAX_DEFAULT { 0.002, 0.9, 0.999, 1e-08, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adamax_f32(int64_t size, float *w, const float *g, float *m, float *u,
    const numoptim_adamax *h, int64_t t);
int32_t numoptim_adamax_f64(int64_t size, double *w, const double *g, double *m, double *u,
    const numoptim_adamax *h, int64_t t);
int32_t numoptim_adamax_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adamax *h, float *w, const float *g, float *m,
    float *u, int64_t t);
int32_t numoptim_adamax_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adamax *h, double *w, const double *g, double *m,
    double *u, int64_t t);

/*
 * nadam: Nadam: Adam with Nesterov's momentum.
 *
 * Update (P is the product of mu over the steps so far, 1 before t = 1)
 *     mu = beta1*(1 - 0.5*0.96**(t*schedule_decay))
 *     mu_next = beta1*(1 - 0.5*0.96**((t + 1)*schedule_decay))
 *     P = P*mu
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     m_bar = (1 - mu)*g / (1 - P) + mu_next*m / (1 - P*mu_next)
 *     w = w - learning_rate*m_bar / (sqrt(v / (1 - beta2**t)) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, Algorithm 2, with the
 *     momentum schedule of Sutskever et al. 2013 as MXNet and torch have it.
 *     https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     schedule_decay   [0, inf)      default 0.004
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_nadam {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double schedule_decay;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_nadam;
#define NUMOPTIM_NADAM_DEFAULT { 0.001, 0.9, 0.999, 1e-08, 0.004, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_nadam_f32(int64_t size, float *w, const float *g, float *m, float *v,
    const numoptim_nadam *h, int64_t t);
int32_t numoptim_nadam_f64(int64_t size, double *w, const double *g, double *m, double *v,
    const numoptim_nadam *h, int64_t t);
int32_t numoptim_nadam_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_nadam *h, float *w, const float *g, float *m,
    float *v, int64_t t);
int32_t numoptim_nadam_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_nadam *h, double *w, const double *g, double *m,
    double *v, int64_t t);

/*
 * nadamw: NAdamW: Nadam with decoupled weight decay.
 *
 * Update (P is the product of mu over the steps so far, 1 before t = 1)
 *     mu = beta1*(1 - 0.5*0.96**(t*schedule_decay))
 *     mu_next = beta1*(1 - 0.5*0.96**((t + 1)*schedule_decay))
 *     P = P*mu
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     m_bar = (1 - mu)*g / (1 - P) + mu_next*m / (1 - P*mu_next)
 *     w = w - learning_rate*wd*w - learning_rate*m_bar / (sqrt(v / (1 - beta2**t)) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, Algorithm 2, with the
 *     momentum schedule of Sutskever et al. 2013 as torch has it.
 *     https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
 *     Decoupled decay: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.
 *     https://arxiv.org/abs/1711.05101
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.002
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     schedule_decay   [0, inf)      default 0.004
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_nadamw {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double schedule_decay;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_nadamw;
#define NUMOPTIM_NADAMW_DEFAULT { 0.002, 0.9, 0.999, 1e-08, 0.004, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_nadamw_f32(int64_t size, float *w, const float *g, float *m, float *v,
    const numoptim_nadamw *h, int64_t t);
int32_t numoptim_nadamw_f64(int64_t size, double *w, const double *g, double *m, double *v,
    const numoptim_nadamw *h, int64_t t);
int32_t numoptim_nadamw_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_nadamw *h, float *w, const float *g, float *m,
    float *v, int64_t t);
int32_t numoptim_nadamw_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_nadamw *h, double *w, const double *g, double *m,
    double *v, int64_t t);

/*
 * radam: RAdam: Adam that divides only once its second moment has seen enough gradients, and by less at first.
 *
 * Update (decay decoupled)
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     m_hat = m / (1 - beta1**t)
 *     rho_inf = 2/(1 - beta2) - 1
 *     rho = rho_inf - 2*t*beta2**t / (1 - beta2**t)
 *     r = sqrt((rho - 4)*(rho - 2)*rho_inf / ((rho_inf - 4)*(rho_inf - 2)*rho)) if rho > 5 else 0
 *     u = r*m_hat*sqrt(1 - beta2**t) / (sqrt(v) + epsilon) if rho > 5 else m_hat
 *     w = w - learning_rate*wd*w - learning_rate*u
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     rho  number         of how many gradients v is the simple mean, as it were
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, Algorithm 2.
 *     https://arxiv.org/abs/1908.03265
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_radam {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_radam;
#define NUMOPTIM_RADAM_DEFAULT { 0.001, 0.9, 0.999, 1e-08, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_radam_f32(int64_t size, float *w, const float *g, float *m, float *v,
    const numoptim_radam *h, int64_t t);
int32_t numoptim_radam_f64(int64_t size, double *w, const double *g, double *m, double *v,
    const numoptim_radam *h, int64_t t);
int32_t numoptim_radam_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_radam *h, float *w, const float *g, float *m,
    float *v, int64_t t);
int32_t numoptim_radam_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_radam *h, double *w, const double *g, double *m,
    double *v, int64_t t);

/*
 * adabelief: AdaBelief: Adam that divides by how far gradients are from their running mean.
 *
 * Update (decay decoupled)
 *     m = beta1*m + (1 - beta1)*g
 *     s = beta2*s + (1 - beta2)*(g - m)**2 + epsilon
 *     m_hat = m / (1 - beta1**t)
 *     s_hat = s / (1 - beta2**t)
 *     w = w - learning_rate*wd*w - learning_rate*m_hat / (sqrt(s_hat) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     s  (size,) like w   running mean of (g - m)**2, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", NeurIPS 2020,
 *     Algorithm 2.  https://arxiv.org/abs/2010.07468
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-16
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adabelief {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adabelief;
#define NUMOPTIM_ADABELIEF_DEFAULT { 0.001, 0.9, 0.999, 1e-16, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adabelief_f32(int64_t size, float *w, const float *g, float *m, float *s,
    const numoptim_adabelief *h, int64_t t);
int32_t numoptim_adabelief_f64(int64_t size, double *w, const double *g, double *m, double *s,
    const numoptim_adabelief *h, int64_t t);
int32_t numoptim_adabelief_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adabelief *h, float *w, const float *g, float *m,
    float *s, int64_t t);
int32_t numoptim_adabelief_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adabelief *h, double *w, const double *g,
    double *m, double *s, int64_t t);

/*
 * yogi: Yogi: Adam whose second moment moves by what the gradient has, not by what is left of itself.
 *
 * Update (decay decoupled; moments corrected as Adam's)
 *     m = beta1*m + (1 - beta1)*g
 *     v = v - (1 - beta2)*sign(v - g*g)*g*g
 *     m_hat = m / (1 - beta1**t)
 *     v_hat = v / (1 - beta2**t)
 *     w = w - learning_rate*wd*w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, initial before t = 1
 *     epsilon  number >= 0     at 0, where initial is too, a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Zaheer, Reddi, Sachan, Kale & Kumar, "Adaptive methods for nonconvex optimization", NeurIPS 2018, Algorithm 2.
 *     https://papers.nips.cc/paper/8186
 *
 * Its slots begin as numoptim_yogi_<f32|f64>_init leaves them.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 0.001
 *     initial          [0, inf)      default 1e-06
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_yogi {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double initial;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_yogi;
#define NUMOPTIM_YOGI_DEFAULT { 0.01, 0.9, 0.999, 0.001, 1e-06, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_yogi_f32(int64_t size, float *w, const float *g, float *m, float *v,
    const numoptim_yogi *h, int64_t t);
int32_t numoptim_yogi_f64(int64_t size, double *w, const double *g, double *m, double *v,
    const numoptim_yogi *h, int64_t t);
int32_t numoptim_yogi_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_yogi *h, float *w, const float *g, float *m,
    float *v, int64_t t);
int32_t numoptim_yogi_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_yogi *h, double *w, const double *g, double *m,
    double *v, int64_t t);
int32_t numoptim_yogi_f32_init(int64_t size, const float *w, float *m, float *v, const numoptim_yogi *h);
int32_t numoptim_yogi_f64_init(int64_t size, const double *w, double *m, double *v, const numoptim_yogi *h);

/*
 * ademamix: AdEMAMix: Adam with a second, much slower mean of the gradients beside its first moment.
 *
 * Update (decay decoupled; k is not corrected: it is to fill slowly)
 *     a = alpha*t / maximum(t, alpha_warmup)
 *     x = t / maximum(t, beta3_warmup)
 *     b = minimum(exp(log(beta1)*log(beta3) / ((1 - x)*log(beta3) + x*log(beta1))), beta3)
 *     m = beta1*m + (1 - beta1)*g
 *     k = b*k + (1 - b)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     m_hat = m / (1 - beta1**t)
 *     v_hat = v / (1 - beta2**t)
 *     w = w - learning_rate*wd*w - learning_rate*(m_hat + a*k) / (sqrt(v_hat) + epsilon)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     k  (size,) like w   slow mean of the gradients, 0 before t = 1
 *     alpha_warmup, beta3_warmup  steps in which a grows from 0 to alpha, b from beta1 to beta3; 0: at once
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Pagliardini, Ablin & Grangier, "The AdEMAMix optimizer: better, faster, older", ICLR 2025, Algorithm 1.
 *     https://arxiv.org/abs/2409.03137
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     beta3            [0, 1)        default 0.9999
 *     alpha            [0, inf)      default 5.0
 *     epsilon          (0, inf) or 0 default 1e-08
 *     alpha_warmup     [0, 1e18]     default 0
 *     beta3_warmup     [0, 1e18]     default 0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_ademamix {
    double learning_rate;
    double beta1;
    double beta2;
    double beta3;
    double alpha;
    double epsilon;
    int64_t alpha_warmup;
    int64_t beta3_warmup;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_ademamix;
#define NUMOPTIM_ADEMAMIX_DEFAULT { 0.001, 0.9, 0.999, 0.9999, 5.0, 1e-08, 0, 0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_ademamix_f32(int64_t size, float *w, const float *g, float *m, float *v, float *k,
    const numoptim_ademamix *h, int64_t t);
int32_t numoptim_ademamix_f64(int64_t size, double *w, const double *g, double *m, double *v, double *k,
    const numoptim_ademamix *h, int64_t t);
int32_t numoptim_ademamix_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_ademamix *h, float *w, const float *g, float *m,
    float *v, float *k, int64_t t);
int32_t numoptim_ademamix_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_ademamix *h, double *w, const double *g, double *m,
    double *v, double *k, int64_t t);

/*
 * adan: Adan: adaptive Nesterov momentum, with the differences of successive gradients as a third moment.
 *
 * Update
 *     d = 0*g if t == 1 else g - g_before
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*d
 *     n = beta3*n + (1 - beta3)*(g + beta2*d)**2
 *     m_hat = m / (1 - beta1**t)
 *     v_hat = v / (1 - beta2**t)
 *     n_hat = n / (1 - beta3**t)
 *     w = (w - learning_rate*(m_hat + beta2*v_hat) / (sqrt(n_hat) + epsilon)) / (1 + learning_rate*wd)
 *     g_before = g
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   mean of gradients, 0 before t = 1
 *     v  (size,) like w   mean of their differences, 0 before t = 1
 *     n  (size,) like w   second moment of the look-ahead gradient, 0 before t = 1
 *     g_before  (size,) like w   the gradient of the step before, 0 before t = 1
 *     epsilon  number >= 0       at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Xie, Zhou, Li, Lin & Yan, "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models",
 *     IEEE TPAMI 46, 2024, Algorithm 1, whose betas are 1 minus these, with bias corrections as the authors' code has
 *     them.  https://arxiv.org/abs/2208.06677
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.98
 *     beta2            [0, 1)        default 0.92
 *     beta3            [0, 1)        default 0.99
 *     epsilon          (0, inf) or 0 default 1e-08
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adan {
    double learning_rate;
    double beta1;
    double beta2;
    double beta3;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adan;
#define NUMOPTIM_ADAN_DEFAULT { 0.001, 0.98, 0.92, 0.99, 1e-08, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adan_f32(int64_t size, float *w, const float *g, float *m, float *v, float *n,
    float *g_before, const numoptim_adan *h, int64_t t);
int32_t numoptim_adan_f64(int64_t size, double *w, const double *g, double *m, double *v, double *n,
    double *g_before, const numoptim_adan *h, int64_t t);
int32_t numoptim_adan_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adan *h, float *w, const float *g, float *m,
    float *v, float *n, float *g_before, int64_t t);
int32_t numoptim_adan_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adan *h, double *w, const double *g, double *m,
    double *v, double *n, double *g_before, int64_t t);

/*
 * adopt: ADOPT: Adam whose second moment leaves the present gradient out, so that it converges with any beta2.
 *
 * Update (the first step sets v alone)
 *     c = (t - 1)**0.25
 *     m = 0*g if t == 1 else beta1*m + (1 - beta1)*clip(g / maximum(sqrt(v), epsilon), -c, c)
 *     w = w if t == 1 else w - learning_rate*wd*w - learning_rate*m
 *     v = g*g if t == 1 else beta2*v + (1 - beta2)*g*g
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   mean of clipped, scaled gradients, 0 before t = 1
 *     v  (size,) like w   second moment of the steps before, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Taniguchi et al., "ADOPT: modified Adam can converge with any beta2 with the optimal rate", NeurIPS 2024,
 *     Algorithm 2 (of the second version, which clips).  https://arxiv.org/abs/2411.02853
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.9999
 *     epsilon          (0, inf) or 0 default 1e-06
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adopt {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adopt;
#define NUMOPTIM_ADOPT_DEFAULT { 0.001, 0.9, 0.9999, 1e-06, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adopt_f32(int64_t size, float *w, const float *g, float *m, float *v,
    const numoptim_adopt *h, int64_t t);
int32_t numoptim_adopt_f64(int64_t size, double *w, const double *g, double *m, double *v,
    const numoptim_adopt *h, int64_t t);
int32_t numoptim_adopt_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adopt *h, float *w, const float *g, float *m,
    float *v, int64_t t);
int32_t numoptim_adopt_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_adopt *h, double *w, const double *g, double *m,
    double *v, int64_t t);

/*
 * ftml: FTML: follow the moving leader.
 *
 * Update
 *     v = beta2*v + (1 - beta2)*g*g
 *     d_old = d
 *     d = (1 - beta1**t) / learning_rate * (sqrt(v / (1 - beta2**t)) + epsilon)
 *     z = beta1*z + (1 - beta1)*g - (d - beta1*d_old)*w
 *     w = -z / d
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     d  (size,) like w   denominator, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     z  (size,) like w   0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Zheng & Kwok, "Follow the moving leader in deep learning", ICML 2017, Algorithm 1.
 *     https://proceedings.mlr.press/v70/zheng17a.html
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.0025
 *     beta1            [0, 1)        default 0.6
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_ftml {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_ftml;
#define NUMOPTIM_FTML_DEFAULT { 0.0025, 0.6, 0.999, 1e-08, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_ftml_f32(int64_t size, float *w, const float *g, float *d, float *v, float *z,
    const numoptim_ftml *h, int64_t t);
int32_t numoptim_ftml_f64(int64_t size, double *w, const double *g, double *d, double *v, double *z,
    const numoptim_ftml *h, int64_t t);
int32_t numoptim_ftml_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_ftml *h, float *w, const float *g, float *d,
    float *v, float *z, int64_t t);
int32_t numoptim_ftml_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_ftml *h, double *w, const double *g, double *d,
    double *v, double *z, int64_t t);

/*
 * signum: Signum: steps along the sign of the gradient (SignSGD) or of its running mean.
 *
 * Update
 *     m = momentum*m + (1 - momentum)*g
 *     w = (1 - learning_rate*wd_lh)*w - learning_rate*sign(m)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     m  (size,) like w   running mean of g, 0 before t = 1
 *
 * Source
 *     Bernstein, Wang, Azizzadenesheli & Anandkumar, "signSGD: compressed optimisation for non-convex
 *     problems", ICML 2018, Algorithm 2.  https://arxiv.org/abs/1802.04434
 *     Decoupled decay wd_lh: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.
 *     https://arxiv.org/abs/1711.05101
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     momentum         [0, 1)        default 0.9
 *     wd_lh            [0, inf)      default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_signum {
    double learning_rate;
    double momentum;
    double wd_lh;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_signum;
#define NUMOPTIM_SIGNUM_DEFAULT { 0.01, 0.9, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_signum_f32(int64_t size, float *w, const float *g, float *m, const numoptim_signum *h,
    int64_t t);
int32_t numoptim_signum_f64(int64_t size, double *w, const double *g, double *m, const numoptim_signum *h,
    int64_t t);
int32_t numoptim_signum_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_signum *h, float *w, const float *g, float *m,
    int64_t t);
int32_t numoptim_signum_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_signum *h, double *w, const double *g, double *m,
    int64_t t);

/*
 * signsgd: Signum: steps along the sign of the gradient (SignSGD) or of its running mean.
 *
 * Update (momentum = 0)
 *     w = (1 - learning_rate*wd_lh)*w - learning_rate*sign(g)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale, clip and weight decay, read only
 *     m  (size,) like w   running mean of g, 0 before t = 1
 *
 * Source
 *     Bernstein, Wang, Azizzadenesheli & Anandkumar, "signSGD: compressed optimisation for non-convex
 *     problems", ICML 2018, Algorithm 2.  https://arxiv.org/abs/1802.04434
 *     Decoupled decay wd_lh: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.
 *     https://arxiv.org/abs/1711.05101
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     wd_lh            [0, inf)      default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_signsgd {
    double learning_rate;
    double wd_lh;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_signsgd;
#define NUMOPTIM_SIGNSGD_DEFAULT { 0.01, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_signsgd_f32(int64_t size, float *w, const float *g, const numoptim_signsgd *h, int64_t t);
int32_t numoptim_signsgd_f64(int64_t size, double *w, const double *g, const numoptim_signsgd *h, int64_t t);
int32_t numoptim_signsgd_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_signsgd *h, float *w, const float *g, int64_t t);
int32_t numoptim_signsgd_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_signsgd *h, double *w, const double *g, int64_t t);

/*
 * lion: Lion: steps along the sign of a momentum that looks ahead to the gradient.
 *
 * Update (decay decoupled)
 *     u = sign(beta1*m + (1 - beta1)*g)
 *     m = beta2*m + (1 - beta2)*g
 *     w = w - learning_rate*wd*w - learning_rate*u
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   running mean of g, 0 before t = 1
 *
 * Source
 *     Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, Algorithm 2.
 *     https://arxiv.org/abs/2302.06675
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.0001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.99
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_lion {
    double learning_rate;
    double beta1;
    double beta2;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_lion;
#define NUMOPTIM_LION_DEFAULT { 0.0001, 0.9, 0.99, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_lion_f32(int64_t size, float *w, const float *g, float *m, const numoptim_lion *h,
    int64_t t);
int32_t numoptim_lion_f64(int64_t size, double *w, const double *g, double *m, const numoptim_lion *h,
    int64_t t);
int32_t numoptim_lion_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lion *h, float *w, const float *g, float *m,
    int64_t t);
int32_t numoptim_lion_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lion *h, double *w, const double *g, double *m,
    int64_t t);

/*
 * rprop: Rprop: steps whose sizes grow where the gradient keeps its sign and shrink where it turns.
 *
 * Update
 *     k = sign(g)*sign(g_before)
 *     s = where(k > 0, minimum(eta_plus*s, max_step), where(k < 0, maximum(eta_minus*s, min_step), s))
 *     g = where(k < 0, 0, g)
 *     w = w - s*sign(g)
 *     g_before = g
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient over all of the data, after rescale and clip: signs of mini-batches turn by chance
 *     s  (size,) like w   size of the step, learning_rate before t = 1
 *     g_before  (size,) like w   the gradient of the step before, 0 where that turned and before t = 1
 *
 * Source
 *     Riedmiller & Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", ICNN 1993,
 *     https://doi.org/10.1109/ICNN.1993.298623, in the form iRprop- of Igel & Huesken, "Empirical evaluation of the
 *     improved Rprop learning algorithms", Neurocomputing 50, 2003.  https://doi.org/10.1016/S0925-2312(01)00700-7
 *
 * Its slots begin as numoptim_rprop_<f32|f64>_init leaves them.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     eta_minus        [0, 1]        default 0.5
 *     eta_plus         [1, inf)      default 1.2
 *     min_step         [0, inf)      default 1e-06
 *     max_step         [0, inf)      default 50.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_rprop {
    double learning_rate;
    double eta_minus;
    double eta_plus;
    double min_step;
    double max_step;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_rprop;
#define NUMOPTIM_RPROP_DEFAULT { 0.01, 0.5, 1.2, 1e-06, 50.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_rprop_f32(int64_t size, float *w, const float *g, float *s, float *g_before,
    const numoptim_rprop *h, int64_t t);
int32_t numoptim_rprop_f64(int64_t size, double *w, const double *g, double *s, double *g_before,
    const numoptim_rprop *h, int64_t t);
int32_t numoptim_rprop_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_rprop *h, float *w, const float *g, float *s,
    float *g_before, int64_t t);
int32_t numoptim_rprop_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_rprop *h, double *w, const double *g, double *s,
    double *g_before, int64_t t);
int32_t numoptim_rprop_f32_init(int64_t size, const float *w, float *s, float *g_before,
    const numoptim_rprop *h);
int32_t numoptim_rprop_f64_init(int64_t size, const double *w, double *s, double *g_before,
    const numoptim_rprop *h);

/*
 * lars: LARS: layer-wise adaptive rate scaling.
 *
 * Update (norm: over one parameter; r = 1 where norm(w) or norm(g) is 0)
 *     r = eta*norm(w) / (norm(g) + wd*norm(w) + epsilon)
 *     v = momentum*v - learning_rate*r*(g + wd*w)
 *     w = w + v
 *
 * Symbols
 *     w  (size,) f32|f64  weights of all parameters, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     v  (size,) like w   velocity, 0 before t = 1
 *     epsilon  number >= 0     of the denominator, which is not 0 without it where r is not 1
 *
 * Source
 *     You, Gitman & Ginsburg, "Large batch training of convolutional networks", 2017, Algorithm 1.
 *     https://arxiv.org/abs/1708.03888
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     momentum         [0, 1)        default 0.0
 *     eta              (0, inf)      default 0.001
 *     epsilon          (0, inf) or 0 default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_lars {
    double learning_rate;
    double momentum;
    double eta;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_lars;
#define NUMOPTIM_LARS_DEFAULT { 0.01, 0.0, 0.001, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_lars_f32(int64_t segments, const int64_t *offsets, float *w, const float *g, float *v,
    const numoptim_lars *h, int64_t t);
int32_t numoptim_lars_f64(int64_t segments, const int64_t *offsets, double *w, const double *g, double *v,
    const numoptim_lars *h, int64_t t);
int32_t numoptim_lars_f32_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lars *h, double *norms, const float *w,
    const float *g, const float *v, int64_t t);
int32_t numoptim_lars_f64_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lars *h, double *norms, const double *w,
    const double *g, const double *v, int64_t t);
int32_t numoptim_lars_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lars *h, const double *norms, float *w,
    const float *g, float *v, int64_t t);
int32_t numoptim_lars_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lars *h, const double *norms, double *w,
    const double *g, double *v, int64_t t);

/*
 * novograd: NovoGrad: momentum of gradients that are divided by a moving average of their norm, layer by layer.
 *
 * Update
 *     v = norm(g)**2 if t == 1 else beta2*v + (1 - beta2)*norm(g)**2
 *     m = beta1*m + g / (sqrt(v) + epsilon) + wd*w
 *     w = w - learning_rate*m
 *
 * Symbols
 *     w  (size,) f32|f64  weights of all parameters, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   momentum, 0 before t = 1
 *     v  (segments,) f64  second moment, a number for each parameter, 0 before t = 1
 *     norm(x)  number     Euclidean, over one parameter
 *     epsilon  number >= 0     at 0 a parameter that has had no gradient becomes 0/0, NaN
 *
 * Source
 *     Ginsburg et al., "Stochastic gradient methods with layer-wise adaptive moments for training of deep networks",
 *     2019, Algorithm 1.  https://arxiv.org/abs/1905.11286
 *
 * v is segments doubles, 0.0 before the first step.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     beta1            [0, 1)        default 0.95
 *     beta2            [0, 1)        default 0.98
 *     epsilon          (0, inf) or 0 default 1e-08
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_novograd {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_novograd;
#define NUMOPTIM_NOVOGRAD_DEFAULT { 0.01, 0.95, 0.98, 1e-08, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_novograd_f32(int64_t segments, const int64_t *offsets, float *w, const float *g, float *m,
    double *v, const numoptim_novograd *h, int64_t t);
int32_t numoptim_novograd_f64(int64_t segments, const int64_t *offsets, double *w, const double *g,
    double *m, double *v, const numoptim_novograd *h, int64_t t);
int32_t numoptim_novograd_f32_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_novograd *h, double *norms, const float *w,
    const float *g, const float *m, const double *v, int64_t t);
int32_t numoptim_novograd_f64_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_novograd *h, double *norms, const double *w,
    const double *g, const double *m, const double *v, int64_t t);
int32_t numoptim_novograd_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_novograd *h, const double *norms, float *w,
    const float *g, float *m, const double *v, int64_t t);
int32_t numoptim_novograd_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_novograd *h, const double *norms, double *w,
    const double *g, double *m, const double *v, int64_t t);
int32_t numoptim_novograd_f32_advance(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_novograd *h,
    const double *norms, const float *w, const float *g, const float *m, double *v, int64_t t);
int32_t numoptim_novograd_f64_advance(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_novograd *h,
    const double *norms, const double *w, const double *g, const double *m, double *v, int64_t t);

/*
 * accumulate: LBSGD: SGD for large batches made of micro-batches, with a warm-up.
 *
 * Update (every micro-step; w is the running sum, g the raw gradient)
 *     w = w + rescale_grad*g
 *
 * Symbols
 *     w  (size,) f32|f64  weights (accumulate: sum of the rescaled micro-batch gradients, 0 at first), in/out
 *     g  (size,) like w   gradient (lbsgd_lars: that sum), read only
 *     v  (size,) like w   velocity, 0 before t = 1
 *
 * Source
 *     You, Gitman & Ginsburg, "Large batch training of convolutional networks", 2017.
 *     https://arxiv.org/abs/1708.03888; warm-up strategies as Apache MXNet's LBSGD has them.
 *
 * Hyper-parameters
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_accumulate {
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_accumulate;
#define NUMOPTIM_ACCUMULATE_DEFAULT { 0.0, 1.0, HUGE_VAL }
int32_t numoptim_accumulate_f32(int64_t size, float *w, const float *g, const numoptim_accumulate *h,
    int64_t t);
int32_t numoptim_accumulate_f64(int64_t size, double *w, const double *g, const numoptim_accumulate *h,
    int64_t t);
int32_t numoptim_accumulate_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_accumulate *h, float *w,
    const float *g, int64_t t);
int32_t numoptim_accumulate_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_accumulate *h, double *w,
    const double *g, int64_t t);

/*
 * lbsgd_lars: LBSGD: SGD for large batches made of micro-batches, with a warm-up.
 *
 * Update (every batch_scale-th micro-step with warmup_strategy 'lars'; g is the running sum)
 *     mean = rescale_grad*g
 *     mult = clip(sqrt(norm(w)**2 / (norm(mean)**2 + wd*norm(w)**2 + 1e-18)), 0.01, 100)
 *     v = momentum*v - learning_rate*mult*(clip(mean, -clip_gradient, clip_gradient) + wd*w)
 *     w = w + v
 *
 * Symbols
 *     w  (size,) f32|f64  weights (accumulate: sum of the rescaled micro-batch gradients, 0 at first), in/out
 *     g  (size,) like w   gradient (lbsgd_lars: that sum), read only
 *     v  (size,) like w   velocity, 0 before t = 1
 *
 * Source
 *     You, Gitman & Ginsburg, "Large batch training of convolutional networks", 2017.
 *     https://arxiv.org/abs/1708.03888; warm-up strategies as Apache MXNet's LBSGD has them.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     momentum         [0, 1)        default 0.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_lbsgd_lars {
    double learning_rate;
    double momentum;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_lbsgd_lars;
#define NUMOPTIM_LBSGD_LARS_DEFAULT { 0.01, 0.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_lbsgd_lars_f32(int64_t segments, const int64_t *offsets, float *w, const float *g,
    float *v, const numoptim_lbsgd_lars *h, int64_t t);
int32_t numoptim_lbsgd_lars_f64(int64_t segments, const int64_t *offsets, double *w, const double *g,
    double *v, const numoptim_lbsgd_lars *h, int64_t t);
int32_t numoptim_lbsgd_lars_f32_norms(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_lbsgd_lars *h,
    double *norms, const float *w, const float *g, const float *v, int64_t t);
int32_t numoptim_lbsgd_lars_f64_norms(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_lbsgd_lars *h,
    double *norms, const double *w, const double *g, const double *v, int64_t t);
int32_t numoptim_lbsgd_lars_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_lbsgd_lars *h,
    const double *norms, float *w, const float *g, float *v, int64_t t);
int32_t numoptim_lbsgd_lars_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_lbsgd_lars *h,
    const double *norms, double *w, const double *g, double *v, int64_t t);

/*
 * lamb: LAMB: layer-wise adaptive moments for large batches.
 *
 * Update (norm: over one parameter; c1 = c2 = 1 without bias_correction; r = 1 where norm_w or norm(u) is 0)
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     c1, c2 = (1 - beta1**t, 1 - beta2**t) if bias_correction else (1.0, 1.0)
 *     u = m / c1 / (sqrt(v / c2) + epsilon) + wd*w
 *     norm_w = clip(norm(w), lower_bound, upper_bound)
 *     r = norm_w / norm(u)
 *     w = w - learning_rate*r*u
 *
 * Symbols
 *     w  (size,) f32|f64  weights of all parameters, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN, and all of its parameter
 *
 * Source
 *     You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020,
 *     Algorithm 2.  https://arxiv.org/abs/1904.00962
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-06
 *     lower_bound      [-inf, inf)   default -HUGE_VAL
 *     upper_bound      (0, inf]      default HUGE_VAL
 *     bias_correction  [0, 1]        default 1
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_lamb {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double lower_bound;
    double upper_bound;
    int64_t bias_correction;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_lamb;
#define NUMOPTIM_LAMB_DEFAULT { 0.001, 0.9, 0.999, 1e-06, -HUGE_VAL, HUGE_VAL, 1, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_lamb_f32(int64_t segments, const int64_t *offsets, float *w, const float *g, float *m,
    float *v, const numoptim_lamb *h, int64_t t);
int32_t numoptim_lamb_f64(int64_t segments, const int64_t *offsets, double *w, const double *g, double *m,
    double *v, const numoptim_lamb *h, int64_t t);
int32_t numoptim_lamb_f32_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lamb *h, double *norms, const float *w,
    const float *g, const float *m, const float *v, int64_t t);
int32_t numoptim_lamb_f64_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lamb *h, double *norms, const double *w,
    const double *g, const double *m, const double *v, int64_t t);
int32_t numoptim_lamb_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lamb *h, const double *norms, float *w,
    const float *g, float *m, float *v, int64_t t);
int32_t numoptim_lamb_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lamb *h, const double *norms, double *w,
    const double *g, double *m, double *v, int64_t t);

/*
 * lans: LANS: layer-wise adaptive Nesterov steps, of LAMB, for large batches.
 *
 * Update (s = 1 where norm(g) is 0; a = 1 where norm_w or norm(r) is 0; b = 1 where norm_w or norm(c) is 0)
 *     s = 1 / norm(g)
 *     g = s*g
 *     m = beta1*m + (1 - beta1)*g
 *     v = beta2*v + (1 - beta2)*g*g
 *     root = sqrt(v / (1 - beta2**t)) + epsilon
 *     r = m / (1 - beta1**t) / root + wd*w
 *     c = g / root + wd*w
 *     norm_w = clip(norm(w), lower_bound, upper_bound)
 *     a = norm_w / norm(r)
 *     b = norm_w / norm(c)
 *     w = w - learning_rate*(beta1*a*r + (1 - beta1)*b*c)
 *
 * Symbols
 *     w  (size,) f32|f64  weights of all parameters, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     m  (size,) like w   first moment of the normalised gradient, 0 before t = 1
 *     v  (size,) like w   second moment, 0 before t = 1
 *     norm(x)  number     Euclidean, over one parameter
 *     epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN, and all of its parameter
 *
 * Source
 *     Zheng, Lin, Zha & Li, "Accelerated large batch optimization of BERT pretraining in 54 minutes", 2020,
 *     Algorithm 2.  https://arxiv.org/abs/2006.13484
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.001
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-06
 *     lower_bound      [-inf, inf)   default -HUGE_VAL
 *     upper_bound      (0, inf]      default HUGE_VAL
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_lans {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double lower_bound;
    double upper_bound;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_lans;
#define NUMOPTIM_LANS_DEFAULT { 0.001, 0.9, 0.999, 1e-06, -HUGE_VAL, HUGE_VAL, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_lans_f32(int64_t segments, const int64_t *offsets, float *w, const float *g, float *m,
    float *v, const numoptim_lans *h, int64_t t);
int32_t numoptim_lans_f64(int64_t segments, const int64_t *offsets, double *w, const double *g, double *m,
    double *v, const numoptim_lans *h, int64_t t);
int32_t numoptim_lans_f32_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lans *h, double *norms, const float *w,
    const float *g, const float *m, const float *v, int64_t t);
int32_t numoptim_lans_f64_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lans *h, double *norms, const double *w,
    const double *g, const double *m, const double *v, int64_t t);
int32_t numoptim_lans_f32_norms2(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lans *h, double *norms, const float *w,
    const float *g, const float *m, const float *v, int64_t t);
int32_t numoptim_lans_f64_norms2(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lans *h, double *norms, const double *w,
    const double *g, const double *m, const double *v, int64_t t);
int32_t numoptim_lans_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lans *h, const double *norms, float *w,
    const float *g, float *m, float *v, int64_t t);
int32_t numoptim_lans_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_lans *h, const double *norms, double *w,
    const double *g, double *m, double *v, int64_t t);

/*
 * ftrl: Ftrl: follow the (proximally) regularised leader, for sparse online learning.
 *
 * Update
 *     sigma = (sqrt(n + g*g) - sqrt(n)) / learning_rate
 *     z = z + g - sigma*w
 *     n = n + g*g
 *     w = -sign(z)*maximum(abs(z) - lamda1, 0) / ((beta + sqrt(n)) / learning_rate + wd)
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out; exactly 0 where abs(z) <= lamda1
 *     g  (size,) like w   gradient after rescale and clip, read only
 *     z  (size,) like w   0 before t = 1: the first step forgets w; a warm start keeps it
 *     n  (size,) like w   sum of squared gradients, 0 or initial before t = 1
 *     beta  number >= 0   at 0 (and wd = 0) a weight that has had no gradient is 0, not 0/0
 *
 * Source
 *     McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013, Algorithm 1 with
 *     alpha = learning_rate, lambda1 = lamda1, lambda2 = wd.  https://doi.org/10.1145/2487575.2488200
 *
 * Its slots begin as numoptim_ftrl_<f32|f64>_init leaves them.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.1
 *     lamda1           [0, inf)      default 0.01
 *     beta             (0, inf) or 0 default 1.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_ftrl {
    double learning_rate;
    double lamda1;
    double beta;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_ftrl;
#define NUMOPTIM_FTRL_DEFAULT { 0.1, 0.01, 1.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_ftrl_f32(int64_t size, float *w, const float *g, float *z, float *n,
    const numoptim_ftrl *h, int64_t t);
int32_t numoptim_ftrl_f64(int64_t size, double *w, const double *g, double *z, double *n,
    const numoptim_ftrl *h, int64_t t);
int32_t numoptim_ftrl_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_ftrl *h, float *w, const float *g, float *z,
    float *n, int64_t t);
int32_t numoptim_ftrl_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_ftrl *h, double *w, const double *g, double *z,
    double *n, int64_t t);
int32_t numoptim_ftrl_f32_init(int64_t size, const float *w, float *z, float *n, const numoptim_ftrl *h);
int32_t numoptim_ftrl_f64_init(int64_t size, const double *w, double *z, double *n, const numoptim_ftrl *h);

/*
 * sgld: SGLD: stochastic gradient Langevin dynamics, a sampler.
 *
 * Update (normal: a standard normal number per element, a function of seed, t and offset + element alone)
 *     g = n_data*g + wd*w
 *     w = w - learning_rate/2*g + sqrt(learning_rate*temperature)*normal
 *
 * Symbols
 *     w  (size,) f32|f64  weights, in/out
 *     g  (size,) like w   gradient after rescale and clip, read only; n_data scales a mini-batch mean to
 *                         the sum over the data that a posterior needs
 *
 * Source
 *     Welling & Teh, "Bayesian learning via stochastic gradient Langevin dynamics", ICML 2011, eq. 4.
 *     https://www.stats.ox.ac.uk/~teh/research/compstats/WelTeh2011a.pdf
 *     (The guide cites Patterson & Teh 2013, which is the Riemannian variant.)
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.01
 *     n_data           (0, inf)      default 1.0
 *     temperature      [0, inf)      default 1.0
 *     and wd, rescale_grad, clip_gradient, seed, offset (above)
 */
typedef struct numoptim_sgld {
    double learning_rate;
    double n_data;
    double temperature;
    double wd;
    double rescale_grad;
    double clip_gradient;
    int64_t seed;
    int64_t offset;
} numoptim_sgld;
#define NUMOPTIM_SGLD_DEFAULT { 0.01, 1.0, 1.0, 0.0, 1.0, HUGE_VAL, 0, 0 }
int32_t numoptim_sgld_f32(int64_t size, float *w, const float *g, const numoptim_sgld *h, int64_t t);
int32_t numoptim_sgld_f64(int64_t size, double *w, const double *g, const numoptim_sgld *h, int64_t t);
int32_t numoptim_sgld_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_sgld *h, float *w, const float *g, int64_t t);
int32_t numoptim_sgld_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_sgld *h, double *w, const double *g, int64_t t);

/*
 * prodigy: Prodigy: Adam that finds its learning rate: it estimates how far the weights are from where they should be.
 *
 * Update (sum: over all weights that the step changes)
 *     d = maximum(d, d0)
 *     rate = d*learning_rate*sqrt(1 - beta2**t)/(1 - beta1**t)
 *     s_rate = d if safeguard_warmup else rate
 *     q = sqrt(beta2)*q + d/d0*rate*sum(g*(w0 - w))
 *     m = beta1*m + (1 - beta1)*d*g
 *     v = beta2*v + (1 - beta2)*(d*g)**2
 *     s = sqrt(beta2)*s + s_rate*d/d0*g
 *     w = w - lr_mult*rate*(wd*w + m/(sqrt(v) + d*epsilon))
 *     d = maximum(d, d_coef*q/sum(abs(s))) if sum(abs(s)) > 0 else d
 *
 * Symbols
 *     w   (size,) f32|f64  weights of all parameters, in/out
 *     g   (size,) like w   gradient after rescale and clip, read only
 *     m   (size,) like w   first moment, 0 before t = 1
 *     v   (size,) like w   second moment, 0 before t = 1
 *     s   (size,) like w   weighted sum of gradients, 0 before t = 1
 *     w0  (size,) like w   the weights before t = 1
 *     d   (1,) f64         estimate of the distance, the same for all; 0 before t = 1, which is taken for d0
 *     q   (1,) f64         its numerator, 0 before t = 1
 *     learning_rate  number >= 0   before multipliers, a factor of d: leave it at 1, or let a schedule end at 0
 *     lr_mult        number >= 0   the parameter's own factor, which the estimate does not heed
 *     safeguard_warmup             True where a warm-up of the rate begins near 0
 *
 * Source
 *     Mishchenko & Defazio, "Prodigy: an expeditiously adaptive parameter-free learner", ICML 2024, Algorithm 4, with the
 *     bias correction of Adam, as the authors' code has it by ``use_bias_correction=True``.
 *     https://arxiv.org/abs/2306.06101
 *
 * Its slots begin as numoptim_prodigy_<f32|f64>_init leaves them.
 *
 * d is one double, 0.0 before the first step.
 *
 * q is one double, 0.0 before the first step.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 1.0
 *     beta1            [0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     d0               (0, inf)      default 1e-06
 *     d_coef           (0, inf)      default 1.0
 *     safeguard_warmup [0, 1]        default 0
 *     lr_mult          [0, inf)      default 1.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_prodigy {
    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double d0;
    double d_coef;
    int64_t safeguard_warmup;
    double lr_mult;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_prodigy;
#define NUMOPTIM_PRODIGY_DEFAULT { 1.0, 0.9, 0.999, 1e-08, 1e-06, 1.0, 0, 1.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_prodigy_f32(int64_t segments, const int64_t *offsets, float *w, const float *g, float *m,
    float *v, float *s, float *w0, double *d, double *q, const numoptim_prodigy *h, int64_t t);
int32_t numoptim_prodigy_f64(int64_t segments, const int64_t *offsets, double *w, const double *g,
    double *m, double *v, double *s, double *w0, double *d, double *q, const numoptim_prodigy *h, int64_t t);
int32_t numoptim_prodigy_f32_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_prodigy *h, double *norms, const float *w,
    const float *g, const float *m, const float *v, const float *s, const float *w0, const double *d,
    const double *q, int64_t t);
int32_t numoptim_prodigy_f64_norms(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_prodigy *h, double *norms, const double *w,
    const double *g, const double *m, const double *v, const double *s, const double *w0, const double *d,
    const double *q, int64_t t);
int32_t numoptim_prodigy_f32_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_prodigy *h, const double *norms, float *w,
    const float *g, float *m, float *v, float *s, float *w0, const double *d, const double *q, int64_t t);
int32_t numoptim_prodigy_f64_range(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_prodigy *h, const double *norms, double *w,
    const double *g, double *m, double *v, double *s, double *w0, const double *d, const double *q,
    int64_t t);
int32_t numoptim_prodigy_f32_advance(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_prodigy *h, const double *norms, const float *w,
    const float *g, const float *m, const float *v, const float *s, const float *w0, double *d, double *q,
    int64_t t);
int32_t numoptim_prodigy_f64_advance(int64_t first, int64_t count, int64_t segments, const int64_t *offsets,
    const int64_t *which, int64_t groups, const numoptim_prodigy *h, const double *norms, const double *w,
    const double *g, const double *m, const double *v, const double *s, const double *w0, double *d,
    double *q, int64_t t);
int32_t numoptim_prodigy_f32_init(int64_t size, const float *w, float *m, float *v, float *s, float *w0,
    const numoptim_prodigy *h);
int32_t numoptim_prodigy_f64_init(int64_t size, const double *w, double *m, double *v, double *s,
    double *w0, const numoptim_prodigy *h);

/*
 * sgd_schedule_free: Schedule-free SGD and AdamW: an average of the iterates in place of a schedule that ends somewhere.
 *
 * Update
 *     lr_max = maximum(lr_max, learning_rate)
 *     total = total + lr_max**weight_power
 *     c = lr_max**weight_power/total if total > 0 else 0
 *     x = (w - (1 - beta)*z)/beta
 *     z = z - learning_rate*lr_mult*(g + wd*w)
 *     x = (1 - c)*x + c*z
 *     w = beta*x + (1 - beta)*z
 *
 * Symbols
 *     w       (size,) f32|f64  weights at which gradients are taken (schedule_free_average: the average comes out), in/out
 *     g       (size,) like w   gradient after rescale and clip (schedule_free_average: z), read only
 *     z       (size,) like w   the iterate, w before t = 1
 *     v       (size,) like w   second moment, 0 before t = 1
 *     lr_max  (1,) f64         the largest rate so far, 0 before t = 1
 *     total   (1,) f64         sum of the weights in the average, 0 before t = 1
 *     beta           number in (0, 1)  of a whole run: by another one w would be of another average
 *     learning_rate  number >= 0  before multipliers; a warm-up is a schedule's, an end it need not have
 *     lr_mult        number >= 0  the parameter's own factor, which the weights in the average do not heed
 *
 * Source
 *     Defazio et al., "The road less scheduled", NeurIPS 2024, equations (3) to (5) and Algorithm 1.
 *     https://arxiv.org/abs/2405.15682
 *
 * Its slots begin as numoptim_sgd_schedule_free_<f32|f64>_init leaves them.
 *
 * lr_max is one double, 0.0 before the first step.
 *
 * total is one double, 0.0 before the first step.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 1.0
 *     beta             (0, 1)        default 0.9
 *     weight_power     [0, inf)      default 2.0
 *     lr_mult          [0, inf)      default 1.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_sgd_schedule_free {
    double learning_rate;
    double beta;
    double weight_power;
    double lr_mult;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_sgd_schedule_free;
#define NUMOPTIM_SGD_SCHEDULE_FREE_DEFAULT { 1.0, 0.9, 2.0, 1.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_sgd_schedule_free_f32(int64_t size, float *w, const float *g, float *z, double *lr_max,
    double *total, const numoptim_sgd_schedule_free *h, int64_t t);
int32_t numoptim_sgd_schedule_free_f64(int64_t size, double *w, const double *g, double *z, double *lr_max,
    double *total, const numoptim_sgd_schedule_free *h, int64_t t);
int32_t numoptim_sgd_schedule_free_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_sgd_schedule_free *h,
    float *w, const float *g, float *z, const double *lr_max, const double *total, int64_t t);
int32_t numoptim_sgd_schedule_free_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_sgd_schedule_free *h,
    double *w, const double *g, double *z, const double *lr_max, const double *total, int64_t t);
int32_t numoptim_sgd_schedule_free_f32_advance(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_sgd_schedule_free *h,
    const float *w, const float *g, const float *z, double *lr_max, double *total, int64_t t);
int32_t numoptim_sgd_schedule_free_f64_advance(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_sgd_schedule_free *h,
    const double *w, const double *g, const double *z, double *lr_max, double *total, int64_t t);
int32_t numoptim_sgd_schedule_free_f32_init(int64_t size, const float *w, float *z,
    const numoptim_sgd_schedule_free *h);
int32_t numoptim_sgd_schedule_free_f64_init(int64_t size, const double *w, double *z,
    const numoptim_sgd_schedule_free *h);

/*
 * adamw_schedule_free: Schedule-free SGD and AdamW: an average of the iterates in place of a schedule that ends somewhere.
 *
 * Update
 *     lr_max = maximum(lr_max, learning_rate)
 *     total = total + lr_max**weight_power
 *     c = lr_max**weight_power/total if total > 0 else 0
 *     v = beta2*v + (1 - beta2)*g**2
 *     x = (w - (1 - beta)*z)/beta
 *     z = z - learning_rate*lr_mult*(g/(sqrt(v/(1 - beta2**t)) + epsilon) + wd*w)
 *     x = (1 - c)*x + c*z
 *     w = beta*x + (1 - beta)*z
 *
 * Symbols
 *     w       (size,) f32|f64  weights at which gradients are taken (schedule_free_average: the average comes out), in/out
 *     g       (size,) like w   gradient after rescale and clip (schedule_free_average: z), read only
 *     z       (size,) like w   the iterate, w before t = 1
 *     v       (size,) like w   second moment, 0 before t = 1
 *     lr_max  (1,) f64         the largest rate so far, 0 before t = 1
 *     total   (1,) f64         sum of the weights in the average, 0 before t = 1
 *     beta           number in (0, 1)  of a whole run: by another one w would be of another average
 *     learning_rate  number >= 0  before multipliers; a warm-up is a schedule's, an end it need not have
 *     lr_mult        number >= 0  the parameter's own factor, which the weights in the average do not heed
 *
 * Source
 *     Defazio et al., "The road less scheduled", NeurIPS 2024, equations (3) to (5) and Algorithm 1.
 *     https://arxiv.org/abs/2405.15682
 *
 * Its slots begin as numoptim_adamw_schedule_free_<f32|f64>_init leaves them.
 *
 * lr_max is one double, 0.0 before the first step.
 *
 * total is one double, 0.0 before the first step.
 *
 * Hyper-parameters
 *     learning_rate    [0, inf)      default 0.0025
 *     beta             (0, 1)        default 0.9
 *     beta2            [0, 1)        default 0.999
 *     epsilon          (0, inf) or 0 default 1e-08
 *     weight_power     [0, inf)      default 2.0
 *     lr_mult          [0, inf)      default 1.0
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_adamw_schedule_free {
    double learning_rate;
    double beta;
    double beta2;
    double epsilon;
    double weight_power;
    double lr_mult;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_adamw_schedule_free;
#define NUMOPTIM_ADAMW_SCHEDULE_FREE_DEFAULT { 0.0025, 0.9, 0.999, 1e-08, 2.0, 1.0, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_adamw_schedule_free_f32(int64_t size, float *w, const float *g, float *z, float *v,
    double *lr_max, double *total, const numoptim_adamw_schedule_free *h, int64_t t);
int32_t numoptim_adamw_schedule_free_f64(int64_t size, double *w, const double *g, double *z, double *v,
    double *lr_max, double *total, const numoptim_adamw_schedule_free *h, int64_t t);
int32_t numoptim_adamw_schedule_free_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_adamw_schedule_free *h,
    float *w, const float *g, float *z, float *v, const double *lr_max, const double *total, int64_t t);
int32_t numoptim_adamw_schedule_free_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_adamw_schedule_free *h,
    double *w, const double *g, double *z, double *v, const double *lr_max, const double *total, int64_t t);
int32_t numoptim_adamw_schedule_free_f32_advance(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_adamw_schedule_free *h,
    const float *w, const float *g, const float *z, const float *v, double *lr_max, double *total,
    int64_t t);
int32_t numoptim_adamw_schedule_free_f64_advance(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_adamw_schedule_free *h,
    const double *w, const double *g, const double *z, const double *v, double *lr_max, double *total,
    int64_t t);
int32_t numoptim_adamw_schedule_free_f32_init(int64_t size, const float *w, float *z, float *v,
    const numoptim_adamw_schedule_free *h);
int32_t numoptim_adamw_schedule_free_f64_init(int64_t size, const double *w, double *z, double *v,
    const numoptim_adamw_schedule_free *h);

/*
 * schedule_free_average: Schedule-free SGD and AdamW: an average of the iterates in place of a schedule that ends somewhere.
 *
 * Update (g is z; no step)
 *     w = (w - (1 - beta)*g)/beta
 *
 * Symbols
 *     w       (size,) f32|f64  weights at which gradients are taken (schedule_free_average: the average comes out), in/out
 *     g       (size,) like w   gradient after rescale and clip (schedule_free_average: z), read only
 *     z       (size,) like w   the iterate, w before t = 1
 *     v       (size,) like w   second moment, 0 before t = 1
 *     lr_max  (1,) f64         the largest rate so far, 0 before t = 1
 *     total   (1,) f64         sum of the weights in the average, 0 before t = 1
 *     beta           number in (0, 1)  of a whole run: by another one w would be of another average
 *     learning_rate  number >= 0  before multipliers; a warm-up is a schedule's, an end it need not have
 *     lr_mult        number >= 0  the parameter's own factor, which the weights in the average do not heed
 *
 * Source
 *     Defazio et al., "The road less scheduled", NeurIPS 2024, equations (3) to (5) and Algorithm 1.
 *     https://arxiv.org/abs/2405.15682
 *
 * Hyper-parameters
 *     beta             (0, 1)        default 0.9
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_schedule_free_average {
    double beta;
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_schedule_free_average;
#define NUMOPTIM_SCHEDULE_FREE_AVERAGE_DEFAULT { 0.9, 0.0, 1.0, HUGE_VAL }
int32_t numoptim_schedule_free_average_f32(int64_t size, float *w, const float *g,
    const numoptim_schedule_free_average *h, int64_t t);
int32_t numoptim_schedule_free_average_f64(int64_t size, double *w, const double *g,
    const numoptim_schedule_free_average *h, int64_t t);
int32_t numoptim_schedule_free_average_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_schedule_free_average *h,
    float *w, const float *g, int64_t t);
int32_t numoptim_schedule_free_average_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_schedule_free_average *h,
    double *w, const double *g, int64_t t);

/*
 * gradient_norm: Gradient norm: what steps are clipped by; it leaves weights as they are.
 *
 * Update (before another rule's step, which takes g times min(1, bound/norm); sum: over all weights that step)
 *     norm = sqrt(sum(g*g))
 *     w = w
 *
 * Symbols
 *     w     (size,) f32|f64  weights of all parameters, as they are
 *     g     (size,) like w   gradient after rescale and clip, read only
 *     norm  (1,) f64         of all gradients: squares are formed and summed in float64
 *
 * Source
 *     Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, Algorithm 1.
 *     https://arxiv.org/abs/1211.5063
 *
 * norm is one double, 0.0 before the first step.
 *
 * Hyper-parameters
 *     and wd, rescale_grad, clip_gradient (above)
 */
typedef struct numoptim_gradient_norm {
    double wd;
    double rescale_grad;
    double clip_gradient;
} numoptim_gradient_norm;
#define NUMOPTIM_GRADIENT_NORM_DEFAULT { 0.0, 1.0, HUGE_VAL }
int32_t numoptim_gradient_norm_f32(int64_t segments, const int64_t *offsets, float *w, const float *g,
    double *norm, const numoptim_gradient_norm *h, int64_t t);
int32_t numoptim_gradient_norm_f64(int64_t segments, const int64_t *offsets, double *w, const double *g,
    double *norm, const numoptim_gradient_norm *h, int64_t t);
int32_t numoptim_gradient_norm_f32_norms(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_gradient_norm *h,
    double *norms, const float *w, const float *g, const double *norm, int64_t t);
int32_t numoptim_gradient_norm_f64_norms(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_gradient_norm *h,
    double *norms, const double *w, const double *g, const double *norm, int64_t t);
int32_t numoptim_gradient_norm_f32_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_gradient_norm *h,
    const double *norms, float *w, const float *g, const double *norm, int64_t t);
int32_t numoptim_gradient_norm_f64_range(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_gradient_norm *h,
    const double *norms, double *w, const double *g, const double *norm, int64_t t);
int32_t numoptim_gradient_norm_f32_advance(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_gradient_norm *h,
    const double *norms, const float *w, const float *g, double *norm, int64_t t);
int32_t numoptim_gradient_norm_f64_advance(int64_t first, int64_t count, int64_t segments,
    const int64_t *offsets, const int64_t *which, int64_t groups, const numoptim_gradient_norm *h,
    const double *norms, const double *w, const double *g, double *norm, int64_t t);

#ifdef __cplusplus
}
#endif
#endif
