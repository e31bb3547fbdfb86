/* What the library has besides kernels and their launcher; names no rule. */
#include <pthread.h>
#include <stddef.h>
#include <string.h>

/* The bytes of <name>.fatbin as image_<name>. */
#define IMAGE(name)                                                                       \
    __asm__(".pushsection .rodata\n.balign 64\nimage_" #name ":\n.incbin \"" #name ".fatbin\"\n.popsection"); \
    extern __attribute__((visibility("hidden"))) const char image_##name[];

typedef struct entry {
    const char *name;
    const char *image;
    int64_t slots, fields;
    int32_t itemsize, layerwise, has_init, doubles;
    numoptim_cuda_kernels *kernels;                       /* null until a call needs them */
} entry;

const char *numoptim_cuda_sources(void)
{
    return SOURCES;
}

/* Load the kernels of an entry, once. What has failed is tried again by the next call. */
static int32_t loaded(entry *e, numoptim_cuda_kernels **kernels)
{
    static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
    int32_t status = NUMOPTIM_OK;
    *kernels = __atomic_load_n(&e->kernels, __ATOMIC_ACQUIRE);
    if (*kernels != NULL)
        return status;
    pthread_mutex_lock(&loading);
    *kernels = e->kernels;
    if (*kernels == NULL) {
        status = numoptim_cuda_load(e->image, e->name, e->slots, e->fields, e->itemsize, e->layerwise, e->has_init,
                                    e->doubles, kernels);
        __atomic_store_n(&e->kernels, *kernels, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&loading);
    return status;
}

static int32_t step(entry *e, const numoptim_cuda_plan *plan, const void *h, int64_t t, void *stream)
{
    numoptim_cuda_kernels *kernels;
    const int32_t status = loaded(e, &kernels);
    return status != NUMOPTIM_OK ? status : numoptim_cuda_step(kernels, plan, h, t, stream);
}
