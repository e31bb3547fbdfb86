/* What a translated module exports, for __init__.py and driver.c. */
#ifndef PTX_ABI_H
#define PTX_ABI_H
#include <stdint.h>

enum { PTX_RACE = 1, PTX_BOUNDS = 2 };                      /* flags of a job: what is checked */
enum { PTX_OK = 0, PTX_FAULT = 1, PTX_RACED = 2, PTX_REFUSED = 3 };     /* what ptx_run returns */

typedef struct { uint32_t size, align, offset; } ptx_parameter;

typedef struct {
    const char *name;
    const ptx_parameter *parameters;
    uint32_t count, bytes;              /* of the parameters */
    uint32_t shared;                    /* bytes of static shared memory */
    uint32_t threads;                   /* at most, or exactly where `exact`, in a block */
    uint32_t exact;
    uint32_t barriers;                  /* nonzero: threads wait for one another */
} ptx_kernel;

typedef struct { uint64_t address, size, writable; } ptx_range;

typedef struct {
    uint32_t grid, block, shared, flags;                    /* shared: bytes of dynamic shared memory */
    const void *parameters;
    const ptx_range *ranges;                                /* sorted by address, with PTX_BOUNDS */
    uint64_t range_count;
    char *message;                                          /* of a fault, or of races, a line each */
    uint64_t message_size;
} ptx_job;

/* A module exports:
     const ptx_kernel ptx_kernels[];                        the last has no name
     int ptx_run(uint32_t kernel, const ptx_job *job);      the kernel's index in the table */
#endif
