/* A libcuda.so.1 without a device, for tests: memory is the host's, kernels are PTX translated by __init__.py.

   Operations run when they are submitted, whatever their stream; all devices share their memory and objects. What the
   caller did wrong is refused as the driver does, and noted in the file FAKE_CUDA_LOG, with every launch, and at exit
   what is still alive. Settings, all from the environment: FAKE_CUDA_FOLDER (see driver_images.h), FAKE_CUDA_LOG,
   FAKE_CUDA_DEVICES (1), FAKE_CUDA_VERSION (13000), FAKE_CUDA_MEMORY (bytes on a device), FAKE_CUDA_FAIL (see
   driver_objects.h), FAKE_CUDA_RACE (1: look for races), FAKE_CUDA_FOREIGN (1: pointers belong to a context other than
   the current one). */
#include "driver_objects.h"
#include "driver_images.h"
#include "driver_graphs.h"

#define API __attribute__((visibility("default"))) CUresult

enum { ANYTIME, INITIALISED, IN_CONTEXT, NOT_CAPTURING };   /* when a function may be called */

static CUresult enter(const char *name, int when) {
    CUresult status;
    pthread_mutex_lock(&lock);
    if ((status = injected(name))) return status;
    if (when == ANYTIME) return CUDA_SUCCESS;
    if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
    if (when == INITIALISED) return CUDA_SUCCESS;
    if (!current()) return CUDA_ERROR_INVALID_CONTEXT;
    if (!current()->retained) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    if (sticky) return sticky;
    Capture *capture = when == NOT_CAPTURING ? forbidding() : 0;
    if (capture) {
        capture->invalid = 1;
        note("problem", "%s during a capture", name);
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return CUDA_SUCCESS;
}

static void leave(const CUresult *status) { (void)status; pthread_mutex_unlock(&lock); }

#define ENTER(when)                                                                     \
    CUresult entered __attribute__((cleanup(leave))) = enter(__func__, when);           \
    if (entered) return entered
#define NEED(condition) do { if (!(condition)) return CUDA_ERROR_INVALID_VALUE; } while (0)
#define FIND(object, handle, kind)                                                      \
    Object *object = find(handle, kind);                                                \
    if (!object) return CUDA_ERROR_INVALID_HANDLE

static int devices(void) {
    int number = setting("FAKE_CUDA_DEVICES", 1);
    return number < DEVICES ? number : DEVICES;
}

API cuInit(unsigned flags) {
    ENTER(ANYTIME);
    NEED(!flags);
    if (!devices()) return CUDA_ERROR_NO_DEVICE;
    initialised = 1;
    return CUDA_SUCCESS;
}

API cuDriverGetVersion(int *version) {
    ENTER(ANYTIME);
    NEED(version);
    *version = setting("FAKE_CUDA_VERSION", 13000);
    return CUDA_SUCCESS;
}

#define NAME(name, code, text) case code: *string = #name; return CUDA_SUCCESS;
#define TEXT(name, code, text) case code: *string = text; return CUDA_SUCCESS;
API cuGetErrorName(CUresult error, const char **string) {
    switch (error) { ERRORS(NAME) default: *string = 0; return CUDA_ERROR_INVALID_VALUE; }
}
API cuGetErrorString(CUresult error, const char **string) {
    switch (error) { ERRORS(TEXT) default: *string = 0; return CUDA_ERROR_INVALID_VALUE; }
}

API cuDeviceGetCount(int *number) { ENTER(INITIALISED); NEED(number); *number = devices(); return CUDA_SUCCESS; }

API cuDeviceGet(CUdevice *device, int ordinal) {
    ENTER(INITIALISED);
    NEED(device);
    if (ordinal < 0 || ordinal >= devices()) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

API cuDeviceGetName(char *name, int length, CUdevice device) {
    ENTER(INITIALISED);
    NEED(name && length > 0);
    if (device < 0 || device >= devices()) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(name, (size_t)length, "Fake device %d", device);
    return CUDA_SUCCESS;
}

API cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    static const int known[][2] = {                         /* CU_DEVICE_ATTRIBUTE_...: */
        {1, 1024}, {2, 1024}, {8, 48 << 10},                /* threads, width and shared memory of a block */
        {5, 0x7fffffff}, {10, 32}, {16, 4}, {39, 2048},     /* width of a grid, warps, multiprocessors, their threads */
        {41, 1}, {75, 8}, {76, 0}};                         /* one address space with the host, compute capability */
    ENTER(INITIALISED);
    NEED(value);
    if (device < 0 || device >= devices()) return CUDA_ERROR_INVALID_DEVICE;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i][0] == attribute) { *value = known[i][1]; return CUDA_SUCCESS; }
    return CUDA_ERROR_INVALID_VALUE;
}

API cuDevicePrimaryCtxRetain(Context **context, CUdevice device) {
    ENTER(INITIALISED);
    NEED(context);
    if (device < 0 || device >= devices()) return CUDA_ERROR_INVALID_DEVICE;
    *context = &contexts[device];
    contexts[device].retained++;
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    ENTER(INITIALISED);
    if (device < 0 || device >= devices()) return CUDA_ERROR_INVALID_DEVICE;
    if (!contexts[device].retained) {
        note("problem", "context of device %d released more often than retained", device);
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    contexts[device].retained--;
    return CUDA_SUCCESS;
}

API cuCtxGetCurrent(Context **context) { ENTER(INITIALISED); NEED(context); *context = current(); return CUDA_SUCCESS; }

API cuCtxPushCurrent_v2(Context *context) {
    ENTER(INITIALISED);
    if (context < contexts || context >= contexts + DEVICES || depth == DEPTH) return CUDA_ERROR_INVALID_CONTEXT;
    stack[depth++] = context;
    return CUDA_SUCCESS;
}

API cuCtxPopCurrent_v2(Context **context) {
    ENTER(INITIALISED);
    if (!depth) return CUDA_ERROR_INVALID_CONTEXT;
    depth--;
    if (context) *context = stack[depth];
    return CUDA_SUCCESS;
}

API cuCtxSetCurrent(Context *context) {
    ENTER(INITIALISED);
    if (context && (context < contexts || context >= contexts + DEVICES)) return CUDA_ERROR_INVALID_CONTEXT;
    if (depth) depth--;
    if (context) stack[depth++] = context;
    return CUDA_SUCCESS;
}

API cuCtxGetDevice(CUdevice *device) {
    ENTER(IN_CONTEXT);
    NEED(device);
    *device = current()->device;
    return CUDA_SUCCESS;
}

API cuCtxSynchronize(void) { ENTER(NOT_CAPTURING); return CUDA_SUCCESS; }

API cuModuleLoadData(void **module, const void *image) {
    ENTER(NOT_CAPTURING);
    NEED(module);
    void *library;
    CUresult status = load_image(image, &library);
    if (!status) *module = new_module(MODULE, library);
    return status;
}

API cuModuleGetFunction(void **function, void *module, const char *name) {
    ENTER(IN_CONTEXT);
    NEED(function && name);
    FIND(found, module, MODULE);
    return get_function(found, name, function);
}

API cuModuleUnload(void *module) {
    ENTER(NOT_CAPTURING);
    FIND(found, module, MODULE);
    unload(found);
    return CUDA_SUCCESS;
}

API cuLibraryLoadData(void **library, const void *code, int *options, void **values, unsigned count_of_options,
                      int *library_options, void **library_values, unsigned count_of_library_options) {
    ENTER(INITIALISED);
    NEED(library && (options || !count_of_options) && (library_options || !count_of_library_options));
    (void)values, (void)library_values;
    void *found;
    CUresult status = load_image(code, &found);
    if (!status) *library = new_module(LIBRARY, found);
    return status;
}

API cuLibraryGetKernel(void **kernel, void *library, const char *name) {
    ENTER(INITIALISED);
    NEED(kernel && name);
    FIND(found, library, LIBRARY);
    return get_function(found, name, kernel);
}

API cuLibraryUnload(void *library) {
    ENTER(INITIALISED);
    FIND(found, library, LIBRARY);
    unload(found);
    return CUDA_SUCCESS;
}

API cuKernelGetFunction(void **function, void *kernel) {
    ENTER(IN_CONTEXT);
    NEED(function);
    FIND(found, kernel, FUNCTION);
    *function = found;
    return CUDA_SUCCESS;
}

/* As many blocks as have 2,048 threads and 64 KB of shared memory. */
API cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t dynamic) {
    ENTER(IN_CONTEXT);
    FIND(found, function, FUNCTION);
    NEED(blocks && threads > 0 && (unsigned)threads <= found->kernel->threads);
    int most = 2048 / threads, fit = (int)((64 << 10) / (found->kernel->shared + dynamic + 1));
    *blocks = fit < most ? fit : most;
    return CUDA_SUCCESS;
}

API cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z,
                   unsigned shared, void *stream, void **parameters, void **extra) {
    ENTER(IN_CONTEXT);
    FIND(found, function, FUNCTION);
    const ptx_kernel *kernel = found->kernel;
    if (grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1 || extra) {
        note("problem", "%s: more than one dimension, or parameters in `extra`, is not modelled", kernel->name);
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    unsigned char bytes[4096];
    NEED(grid_x && block_x && block_x <= kernel->threads && (parameters || !kernel->count));
    NEED(kernel->bytes <= sizeof bytes);
    for (uint32_t i = 0; i < kernel->count; i++)
        memcpy(bytes + kernel->parameters[i].offset, parameters[i], kernel->parameters[i].size);
    Operation operation = {.function = found, .grid = grid_x, .block = block_x, .shared = shared, .parameters = bytes,
                           .bytes = kernel->bytes};
    return submit(stream, &operation);
}

#include "driver_memory.h"
#include "driver_streams.h"
