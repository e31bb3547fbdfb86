/* What a library has besides kernels; names no rule. */
#include <stddef.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define HIDDEN __attribute__((visibility("hidden")))

int32_t numoptim_version(void)
{
    return NUMOPTIM_VERSION;
}

const char *numoptim_sources(void)
{
    return SOURCES;
}

const char *numoptim_strerror(int32_t status)
{
    switch (status) {
    case NUMOPTIM_OK: return "success";
    /* @MESSAGES@ */
    default: return "unknown status";
    }
}

/* The best of the kernels' instruction sets that this processor and its operating system run. */
static int32_t best(void)
{
#if LEVELS > 1
    /* x86-64-v3: FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT; and the system saves wide registers. */
    const unsigned first = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;
    const unsigned seventh = 1u << 3 | 1u << 5 | 1u << 8, extended = 1u << 5;
    /* x86-64-v4: AVX512F, DQ, CD, BW, VL; and the system saves their registers. */
    const unsigned wide = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    unsigned a, b, c, d, features;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & first) != first)
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &features, &c, &d) || (features & seventh) != seventh)
        return 0;
    if (!__get_cpuid(0x80000001u, &a, &b, &c, &d) || (c & extended) != extended)
        return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    if ((a & 0x06u) != 0x06u)
        return 0;
    return (features & wide) == wide && (a & 0xe6u) == 0xe6u ? 2 : 1;
#else
    return 0;
#endif
}

/* What kernels read. Level 0 runs everywhere, and all give the same bits: nothing depends on when this is set. */
HIDDEN int32_t isa_in_use;

static __attribute__((constructor)) void choose(void)
{
    const char *wish = getenv("NUMOPTIM_ISA");
    const int32_t most = best(), digit = wish != NULL && wish[0] != '\0' && wish[1] == '\0' ? wish[0] - '0' : most;
    __atomic_store_n(&isa_in_use, digit >= 0 && digit < most ? digit : most, __ATOMIC_RELAXED);
}

int32_t numoptim_isa(void)
{
    return __atomic_load_n(&isa_in_use, __ATOMIC_RELAXED);
}

int32_t numoptim_set_isa(int32_t wanted)
{
    if (wanted < 0 || wanted > best())
        return NUMOPTIM_CPU;
    __atomic_store_n(&isa_in_use, wanted, __ATOMIC_RELAXED);
    return 0;
}

/* What a hyper-parameter may be, as kernels/abi.py has it. */
typedef struct bound {
    int64_t least, most, flip, zero;
} bound;

/* A kernel, and what it accepts. */
typedef struct code {
    numoptim_entry *kernel;
    const bound *bounds;
    int64_t fields;
} code;

HIDDEN int64_t kernel_check(const numoptim_plan *plan, int64_t t, const bound *bounds, int64_t fields, int64_t needed);

static inline int32_t run(const code *code, const numoptim_plan *plan, int64_t t, int64_t needed)
{
    const int32_t status = (int32_t)kernel_check(plan, t, code->bounds, code->fields, needed);
    return status != NUMOPTIM_OK || plan->count == 0 ? status : code->kernel(plan, t);
}

/* In the place of a pass whose plans programs of 0.1.0 cannot fill in: to them, what it sums has no room in norms. */
static int32_t refuse(const numoptim_plan *plan, int64_t t)
{
    (void)plan;
    (void)t;
    return NUMOPTIM_NULL;
}

/* All segments of a layer-wise rule's buffers: how many there are is known before how many elements they have. */
static inline int32_t layers(const code *code, numoptim_plan *plan, int64_t t, int64_t needed)
{
    plan->count = plan->segments;
    const int32_t status = (int32_t)kernel_check(plan, t, code->bounds, code->fields, needed);
    if (status != NUMOPTIM_OK || plan->count == 0)
        return status;
    plan->count = plan->offsets[plan->segments];
    return plan->count == 0 ? NUMOPTIM_OK : code->kernel(plan, t);
}
