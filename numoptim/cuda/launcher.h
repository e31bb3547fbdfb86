/* Steps on NVIDIA's GPUs: what launcher.c does. Its declarations are also those of numoptim_cuda.h. */
#ifndef NUMOPTIM_CUDA_LAUNCHER_H
#define NUMOPTIM_CUDA_LAUNCHER_H

#include <stdint.h>

/* --- declarations */
/* Statuses beside those of numoptim.h; -1000 - r is the driver's own CUresult r. */
#define NUMOPTIM_CUDA_DRIVER  (-101)   /* no libcuda.so.1, or it is older than CUDA 12 or has no device */
#define NUMOPTIM_CUDA_CONTEXT (-102)   /* no CUDA context is current in this thread */
#define NUMOPTIM_CUDA_MEMORY  (-103)   /* a buffer or table is not memory of the current device */
#define NUMOPTIM_CUDA_IMAGE   (-104)   /* not an image of these kernels, or of none that run on this device */
#define NUMOPTIM_CUDA_ALIGN   (-105)   /* a buffer or table is not aligned as its type demands */

/* What a status means, in English, also one of numoptim.h; the driver's words for its codes. Never null. */
const char *numoptim_cuda_strerror(int32_t status);

/* 0 if this process has a driver and a device; else NUMOPTIM_CUDA_DRIVER, or the driver's code. */
int32_t numoptim_cuda_available(void);

/* What a step works on. All pointers are to memory of the device. */
typedef struct numoptim_cuda_plan {
/* @DEVICE_PLAN@ */
} numoptim_cuda_plan;

/* The kernels of one rule for one type, loaded: for every thread, device and context. */
typedef struct numoptim_cuda_kernels numoptim_cuda_kernels;

/*
 * Load an image: PTX (text that ends in 0), a cubin or a fatbin. name is the kernels', such as "adam_f32"; slots and
 * fields are how many the rule has, itemsize is 4 or 8; layerwise: how many passes of sums, at most 3, with <name>_norms
 * and <name>_trust, <name>_norms2 and <name>_trust2 ...; has_init: there is <name>_init; doubles: bit k says that slot k
 * has a double for each segment, or for all, so that there is <name>_advance. Needs no current context. No call may use
 * the kernels when they are unloaded.
 */
int32_t numoptim_cuda_load(const void *image, const char *name, int64_t slots, int64_t fields, int32_t itemsize,
                           int32_t layerwise, int32_t has_init, int32_t doubles, numoptim_cuda_kernels **kernels);
int32_t numoptim_cuda_unload(numoptim_cuda_kernels *kernels);

/*
 * One step, or the slots before the first one. h is the rule's struct in the host's memory, and its numbers are not
 * checked here; null where plan->hyper is not. Neither allocates nor waits.
 */
int32_t numoptim_cuda_step(const numoptim_cuda_kernels *kernels, const numoptim_cuda_plan *plan, const void *h,
                           int64_t t, void *stream);
int32_t numoptim_cuda_init(const numoptim_cuda_kernels *kernels, const numoptim_cuda_plan *plan, const void *h,
                           void *stream);

/* --- rules */
#endif
