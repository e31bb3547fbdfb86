/* What a library has besides kernels; names no rule. */
#include <stddef.h>
#include <stdlib.h>

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
#if LEVELS > 1 && defined(__x86_64__)
    __builtin_cpu_init();
    /* Processors that have these have the rest of x86-64-v3. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")
        && __builtin_cpu_supports("fma"))
        return 1;
#endif
    return 0;
}

static int32_t in_use = -1;

static __attribute__((noinline)) int32_t first_level(void)
{
    const char *wish = getenv("NUMOPTIM_ISA");
    int32_t level = best();
    if (wish != NULL && wish[0] == '0' && wish[1] == '\0')
        level = 0;
    __atomic_store_n(&in_use, level, __ATOMIC_RELAXED);
    return level;
}

static inline int32_t level(void)
{
    int32_t known = __atomic_load_n(&in_use, __ATOMIC_RELAXED);
    return __builtin_expect(known >= 0, 1) ? known : first_level();
}

int32_t numoptim_isa(void)
{
    return level();
}

int32_t numoptim_set_isa(int32_t wanted)
{
    if (wanted < 0 || wanted > best())
        return NUMOPTIM_CPU;
    __atomic_store_n(&in_use, wanted, __ATOMIC_RELAXED);
    return 0;
}

