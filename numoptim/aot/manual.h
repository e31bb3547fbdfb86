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

/* @VERSIONS@ */

#define NUMOPTIM_OK     0
/* @STATUSES@ */

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
/* @PLAN@ */
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
 *     @COMMON@
 */

/* @RULES@ */
#ifdef __cplusplus
}
#endif
#endif
