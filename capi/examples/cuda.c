/*
 * Adam on an NVIDIA GPU: the mean of four points, from which the sum of squared distances is least.
 *
 * A program with the CUDA toolkit includes cuda_runtime.h and links to it. This one needs none: it looks up the functions
 * of the driver that it calls, and computes the gradient on the processor.
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdio.h>
#include "numoptim_cuda.h"

typedef unsigned long long CUdeviceptr;
static int (*cuDevicePrimaryCtxRetain)(void **context, int device);
static int (*cuCtxSetCurrent)(void *context);
static int (*cuMemAlloc)(CUdeviceptr *pointer, size_t bytes);
static int (*cuMemcpyHtoD)(CUdeviceptr to, const void *from, size_t bytes);
static int (*cuMemcpyDtoH)(void *to, CUdeviceptr from, size_t bytes);

/* Makes device 0 current in this thread. */
static int32_t start(void)
{
    const int32_t status = numoptim_cuda_available();
    void *context, *driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (status != NUMOPTIM_OK || driver == NULL)
        return status;
    *(void **)&cuDevicePrimaryCtxRetain = dlsym(driver, "cuDevicePrimaryCtxRetain");
    *(void **)&cuCtxSetCurrent = dlsym(driver, "cuCtxSetCurrent");
    *(void **)&cuMemAlloc = dlsym(driver, "cuMemAlloc_v2");
    *(void **)&cuMemcpyHtoD = dlsym(driver, "cuMemcpyHtoD_v2");
    *(void **)&cuMemcpyDtoH = dlsym(driver, "cuMemcpyDtoH_v2");
    return cuDevicePrimaryCtxRetain(&context, 0) == 0 && cuCtxSetCurrent(context) == 0 ? NUMOPTIM_OK
                                                                                       : NUMOPTIM_CUDA_CONTEXT;
}

enum { SIZE = 2, POINTS = 4 };
static const float points[POINTS][SIZE] = { { 1, 5 }, { 2, 6 }, { 3, 7 }, { 6, 2 } };

static CUdeviceptr upload(const float *x)
{
    CUdeviceptr made = 0;
    return cuMemAlloc(&made, SIZE * sizeof *x) == 0 && cuMemcpyHtoD(made, x, SIZE * sizeof *x) == 0 ? made : 0;
}

static float *pointer(CUdeviceptr memory)
{
    return (float *)(uintptr_t)memory;
}

int main(void)
{
    float w[SIZE] = { 0 }, g[SIZE];
    const float zeros[SIZE] = { 0 };
    numoptim_adam h = NUMOPTIM_ADAM_DEFAULT;
    int32_t status = start();
    h.learning_rate = 0.1;
    if (status == NUMOPTIM_OK) {
        const CUdeviceptr weights = upload(w), gradient = upload(zeros), m = upload(zeros), v = upload(zeros);
        for (int64_t t = 1; t <= 300 && status == NUMOPTIM_OK; t++) {
            for (int k = 0; k < SIZE; k++) {
                g[k] = 0;
                for (int p = 0; p < POINTS; p++)
                    g[k] += (w[k] - points[p][k]) / POINTS;
            }
            cuMemcpyHtoD(gradient, g, sizeof g);
            status = numoptim_cuda_adam_f32(SIZE, pointer(weights), pointer(gradient), pointer(m), pointer(v), &h, t,
                                            NULL);
            cuMemcpyDtoH(w, weights, sizeof w);             /* waits for the step */
        }
    }
    if (status != NUMOPTIM_OK) {
        fprintf(stderr, "cuda: %s\n", numoptim_cuda_strerror(status));
        return 1;
    }
    printf("%.2f %.2f\n", (double)w[0], (double)w[1]);
    return 0;
}
