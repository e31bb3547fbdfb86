/* Launches kernels through the CUDA driver, which it opens when first called; names no rule, needs no CUDA headers. */
#include "numoptim.h"
#include "launcher.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the driver, as far as it is used */

typedef int CUresult;
enum {
    CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1, CUDA_ERROR_OUT_OF_MEMORY = 2, CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_IMAGE = 200, CUDA_ERROR_INVALID_CONTEXT = 201, CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
    CUDA_ERROR_INVALID_PTX = 218, CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222, CUDA_ERROR_INVALID_SOURCE = 300,
    CUDA_ERROR_NOT_FOUND = 500
};
enum {
    CUDA_12 = 12000, MULTIPROCESSORS = 16, MEMORY_TYPE = 2, IS_MANAGED = 8, DEVICE_ORDINAL = 9, HOST = 1, DEVICE = 2
};

#define FUNCTIONS(F)                                                                                        \
    F(cuDriverGetVersion, (int *version))                                                                   \
    F(cuGetErrorString, (CUresult result, const char **text))                                               \
    F(cuInit, (unsigned flags))                                                                             \
    F(cuCtxGetDevice, (int *device))                                                                        \
    F(cuDeviceGetAttribute, (int *value, int attribute, int device))                                        \
    F(cuPointerGetAttributes, (unsigned count, int *attributes, void **values, unsigned long long pointer)) \
    F(cuLibraryLoadData, (void **library, const void *image, int *options, void **values, unsigned count,   \
                          int *library_options, void **library_values, unsigned library_count))             \
    F(cuLibraryGetKernel, (void **kernel, void *library, const char *name))                                 \
    F(cuLibraryUnload, (void *library))                                                                     \
    F(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int *blocks, void *kernel, int threads, size_t shared)) \
    F(cuLaunchKernel, (void *kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,   \
                       unsigned block_y, unsigned block_z, unsigned shared, void *stream, void **parameters, \
                       void **extra))

#define POINTER(name, parameters) CUresult (*name)parameters;
static struct {
    FUNCTIONS(POINTER)
} driver;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int32_t opened = NUMOPTIM_CUDA_DRIVER;             /* how that went */

static int32_t status_of(CUresult result)
{
    switch (result) {
    case CUDA_SUCCESS: return NUMOPTIM_OK;
    case CUDA_ERROR_NO_DEVICE: return NUMOPTIM_CUDA_DRIVER;
    case CUDA_ERROR_INVALID_CONTEXT: return NUMOPTIM_CUDA_CONTEXT;
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_INVALID_SOURCE:
    case CUDA_ERROR_NOT_FOUND: return NUMOPTIM_CUDA_IMAGE;
    default: return -1000 - result;
    }
}

static void open_driver(void)
{
    void *symbol, *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    int version = 0;
    if (library == NULL)
        return;
#define FIND(name, parameters)                              \
    if ((symbol = dlsym(library, #name)) == NULL)           \
        return;                                             \
    memcpy(&driver.name, &symbol, sizeof symbol);
    FUNCTIONS(FIND)
    if (driver.cuDriverGetVersion(&version) == CUDA_SUCCESS && version >= CUDA_12)
        opened = status_of(driver.cuInit(0));
}

int32_t numoptim_cuda_available(void)
{
    pthread_once(&once, open_driver);
    return opened;
}

const char *numoptim_cuda_strerror(int32_t status)
{
    const char *text = NULL;
    switch (status) {
    case NUMOPTIM_CUDA_DRIVER: return "no CUDA driver: libcuda.so.1 is missing, older than CUDA 12, or has no device";
    case NUMOPTIM_CUDA_CONTEXT: return "no CUDA context is current in this thread";
    case NUMOPTIM_CUDA_MEMORY: return "a buffer or table is not memory of the current device";
    case NUMOPTIM_CUDA_IMAGE: return "not an image of these kernels, or of none that run on this device";
    case NUMOPTIM_CUDA_ALIGN: return "a buffer or table is not aligned as its type demands";
    }
    if (status > -1000)
        return numoptim_strerror(status);
    numoptim_cuda_available();
    if (driver.cuGetErrorString == NULL || driver.cuGetErrorString(-(status + 1000), &text) != CUDA_SUCCESS || !text)
        return "error of the CUDA driver";
    return text;
}

/* --- kernels */

static const int64_t MOST = (int64_t)1 << 60;             /* as in kernels/abi.py: no memory holds as many elements */
/* As a step launches them: norms and trust of each reduction, the update, slots of fewer numbers. */
enum { REDUCTIONS = 3, UPDATE = 2 * REDUCTIONS, ADVANCE, INIT, KERNELS };
enum {
    THREADS = 256, LANES = 64, VECTOR = 16,               /* as in loops.py; a partial norm takes 64 threads */
    MOST_SLOTS = 6, MOST_FIELDS = 400,                    /* the parameters of a kernel are at most 4,096 bytes */
    MOST_NAME = 256, DEVICES = 64                         /* devices whose numbers are remembered */
};
static const char *const suffixes[KERNELS] = {
    "_norms", "_trust", "_norms2", "_trust2", "_norms3", "_trust3", "", "_advance", "_init"
};

struct numoptim_cuda_kernels {
    void *library;
    void *kernel[KERNELS];                                /* null where the rule has none */
    int64_t slots, fields;
    int32_t itemsize, layerwise, doubles;
    int32_t resident[KERNELS][DEVICES];                   /* blocks that a device runs at a time; 0: not yet asked */
};

static CUresult find_kernels(numoptim_cuda_kernels *kernels, const char *name, int32_t has_init)
{
    char symbol[MOST_NAME];
    for (int k = 0; k < KERNELS; k++) {
        if (k < UPDATE ? k / 2 >= kernels->layerwise : (k == INIT && !has_init) || (k == ADVANCE && !kernels->doubles))
            continue;
        if (snprintf(symbol, sizeof symbol, "%s%s", name, suffixes[k]) >= (int)sizeof symbol)
            return CUDA_ERROR_NOT_FOUND;
        const CUresult result = driver.cuLibraryGetKernel(&kernels->kernel[k], kernels->library, symbol);
        if (result != CUDA_SUCCESS)
            return result;
    }
    return CUDA_SUCCESS;
}

int32_t numoptim_cuda_load(const void *image, const char *name, int64_t slots, int64_t fields, int32_t itemsize,
                           int32_t layerwise, int32_t has_init, int32_t doubles, numoptim_cuda_kernels **out)
{
    if (image == NULL || name == NULL || out == NULL)
        return NUMOPTIM_NULL;
    *out = NULL;
    if (slots < 0 || slots > MOST_SLOTS || fields < 0 || fields > MOST_FIELDS || (itemsize != 4 && itemsize != 8) ||
        layerwise < 0 || layerwise > REDUCTIONS || doubles < 0 || doubles >> slots != 0)
        return NUMOPTIM_SIZE;
    if (numoptim_cuda_available() != NUMOPTIM_OK)
        return numoptim_cuda_available();
    numoptim_cuda_kernels *kernels = calloc(1, sizeof *kernels);
    if (kernels == NULL)
        return status_of(CUDA_ERROR_OUT_OF_MEMORY);
    kernels->slots = slots;
    kernels->fields = fields;
    kernels->itemsize = itemsize;
    kernels->layerwise = layerwise;
    kernels->doubles = doubles;
    CUresult result = driver.cuLibraryLoadData(&kernels->library, image, NULL, NULL, 0, NULL, NULL, 0);
    if (result != CUDA_SUCCESS) {
        free(kernels);
        return status_of(result);
    }
    result = find_kernels(kernels, name, has_init);
    if (result != CUDA_SUCCESS) {
        numoptim_cuda_unload(kernels);
        return status_of(result);
    }
    *out = kernels;
    return NUMOPTIM_OK;
}

int32_t numoptim_cuda_unload(numoptim_cuda_kernels *kernels)
{
    if (kernels == NULL)
        return NUMOPTIM_OK;
    const CUresult result = driver.cuLibraryUnload(kernels->library);
    free(kernels);
    return status_of(result);
}

/* How many blocks of a kernel the device runs at a time. */
static CUresult resident(const numoptim_cuda_kernels *kernels, int k, int device, int32_t *blocks)
{
    int32_t *known = device < DEVICES ? (int32_t *)&kernels->resident[k][device] : NULL;
    int multiprocessors, each;
    if (known != NULL && (*blocks = __atomic_load_n(known, __ATOMIC_RELAXED)) != 0)
        return CUDA_SUCCESS;
    CUresult result = driver.cuDeviceGetAttribute(&multiprocessors, MULTIPROCESSORS, device);
    if (result == CUDA_SUCCESS)
        result = driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernels->kernel[k], THREADS, 0);
    if (result != CUDA_SUCCESS)
        return result;
    *blocks = multiprocessors * each > 0 ? multiprocessors * each : 1;
    if (known != NULL)
        __atomic_store_n(known, *blocks, __ATOMIC_RELAXED);
    return CUDA_SUCCESS;
}

/* --- checks, all before the first launch */

/* Memory that the device reaches: its own, managed, or locked memory of the host. */
static int32_t check_memory(const void *pointer, size_t alignment, int device)
{
    uint64_t type = 0, managed = 0;                       /* wider than what the driver writes */
    int ordinal = -1, attributes[] = { MEMORY_TYPE, IS_MANAGED, DEVICE_ORDINAL };
    void *values[] = { &type, &managed, &ordinal };
    if (pointer == NULL)
        return NUMOPTIM_NULL;
    if ((uintptr_t)pointer % alignment != 0)
        return NUMOPTIM_CUDA_ALIGN;
    const CUresult result = driver.cuPointerGetAttributes(3, attributes, values, (uintptr_t)pointer);
    if (result != CUDA_SUCCESS)
        return result == CUDA_ERROR_INVALID_VALUE ? NUMOPTIM_CUDA_MEMORY : status_of(result);
    return managed || type == HOST || (type == DEVICE && ordinal == device) ? NUMOPTIM_OK : NUMOPTIM_CUDA_MEMORY;
}

static int32_t check_numbers(const numoptim_cuda_plan *plan, const void *h, int64_t t, int tables)
{
    const int64_t all = plan->size | plan->segments | plan->groups;
    if (all < 0 || all >= MOST)
        return NUMOPTIM_SIZE;
    if (plan->step == NULL && t < 1)
        return NUMOPTIM_STEP;
    if (plan->hyper == NULL && h == NULL)
        return NUMOPTIM_NULL;
    if (tables && plan->size > 0 && (plan->segments < 1 || (plan->hyper != NULL && plan->groups < 1)))
        return NUMOPTIM_TABLE;
    return NUMOPTIM_OK;
}

static int32_t check_pointers(const numoptim_cuda_kernels *kernels, const numoptim_cuda_plan *plan, int first,
                              int device)
{
    const void *const tables[] = { plan->hyper, plan->step, plan->offsets, plan->which, plan->norms };
    const int norms = first < UPDATE, hyper = plan->hyper != NULL, layers = kernels->layerwise && first != INIT;
    const int read[] = { hyper, plan->step != NULL && first != INIT, hyper || layers, hyper, norms };
    int32_t status = NUMOPTIM_OK;
    for (int k = 0; k < 5 && status == NUMOPTIM_OK; k++)
        if (read[k])
            status = check_memory(tables[k], sizeof(int64_t), device);
    for (int64_t k = 0; k < 2 + kernels->slots && status == NUMOPTIM_OK; k++) {
        const int wide = k >= 2 && (kernels->doubles >> (k - 2) & 1);
        if (first != INIT || (k != 1 && !wide))           /* slots begin without a gradient, and each by itself */
            status = check_memory(plan->buffers[k], wide ? sizeof(double) : (size_t)kernels->itemsize, device);
    }
    return status;
}

/* --- launches */

static int64_t rounds(int64_t count, int64_t each)
{
    return count / each + (count % each != 0);
}

/* Blocks that have something to do. */
static int64_t needed(const numoptim_cuda_kernels *kernels, const numoptim_cuda_plan *plan, int k, int32_t vectors)
{
    if (k == ADVANCE)
        return 1;
    if (k >= UPDATE)
        return rounds(plan->size, THREADS * (vectors ? VECTOR / kernels->itemsize : 1));
    return k % 2 == 0 ? rounds(plan->size / NUMOPTIM_BLOCK + plan->segments, THREADS / LANES) : plan->segments;
}

static int32_t launch(const numoptim_cuda_kernels *kernels, const numoptim_cuda_plan *plan, int k, int device,
                      void **parameters, int32_t vectors, void *stream)
{
    const int64_t wanted = needed(kernels, plan, k, vectors);
    int32_t most;
    CUresult result = resident(kernels, k, device, &most);
    if (result == CUDA_SUCCESS)
        result = driver.cuLaunchKernel(kernels->kernel[k], (unsigned)(wanted < most ? wanted : most), 1, 1,
                                       THREADS, 1, 1, 0, stream, parameters, NULL);
    return status_of(result);
}

/* Launch kernels first ... last; their parameters are in README.md beside this file. */
static int32_t run(const numoptim_cuda_kernels *kernels, const numoptim_cuda_plan *plan, const void *h, int64_t t,
                   void *stream, int first, int last)
{
    static const int64_t unread = 0;
    const int layers = kernels->layerwise && first != INIT;          /* slots begin without their segments */
    int device, n = 0;
    int32_t vectors = 1, status = check_numbers(plan, h, t, plan->hyper != NULL || layers);
    void *parameters[MOST_FIELDS + 32];
    if (status == NUMOPTIM_OK)
        status = numoptim_cuda_available();
    if (status == NUMOPTIM_OK)
        status = status_of(driver.cuCtxGetDevice(&device));
    if (status != NUMOPTIM_OK || plan->size == 0)
        return status;
    status = check_pointers(kernels, plan, first, device);

    parameters[n++] = (void *)&plan->size;
    parameters[n++] = (void *)&plan->segments;
    parameters[n++] = (void *)&plan->offsets;
    parameters[n++] = (void *)&plan->which;
    parameters[n++] = (void *)&plan->groups;
    parameters[n++] = (void *)&plan->hyper;
    for (int64_t k = 0; k < kernels->fields; k++)
        parameters[n++] = plan->hyper != NULL ? (void *)&unread : (char *)h + 8 * k;
    parameters[n++] = (void *)&plan->step;
    parameters[n++] = &t;
    if (kernels->layerwise)
        parameters[n++] = (void *)&plan->norms;
    for (int64_t k = 0; k < 2 + kernels->slots; k++) {
        vectors &= (uintptr_t)plan->buffers[k] % VECTOR == 0;
        parameters[n++] = (void *)&plan->buffers[k];
    }
    parameters[n++] = &vectors;
    for (int k = first; k <= last && status == NUMOPTIM_OK; k++)
        if (kernels->kernel[k] != NULL)
            status = launch(kernels, plan, k, device, parameters, vectors, stream);
    return status;
}

int32_t numoptim_cuda_step(const numoptim_cuda_kernels *kernels, const numoptim_cuda_plan *plan, const void *h,
                           int64_t t, void *stream)
{
    if (kernels == NULL || plan == NULL)
        return NUMOPTIM_NULL;
    return run(kernels, plan, h, t, stream, kernels->layerwise ? 0 : UPDATE, ADVANCE);
}

int32_t numoptim_cuda_init(const numoptim_cuda_kernels *kernels, const numoptim_cuda_plan *plan, const void *h,
                           void *stream)
{
    if (kernels == NULL || plan == NULL)
        return NUMOPTIM_NULL;
    if (kernels->kernel[INIT] == NULL)
        return NUMOPTIM_CUDA_IMAGE;
    return run(kernels, plan, h, 1, stream, INIT, INIT);
}
