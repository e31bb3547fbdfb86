/*
 * numoptim on NVIDIA's GPUs: the rules of numoptim.h as kernels, and what launches them. Needs no CUDA toolkit.
 *
 * Generated from the update rules in numoptim/rules/; do not edit.
 *
 * A step
 *     Every rule has one function for each type. It is that of numoptim.h with buffers in the memory of the device
 *     and a stream (a CUstream or cudaStream_t; null is the default stream); h is in the host's memory:
 *
 *         numoptim_adam h = NUMOPTIM_ADAM_DEFAULT;
 *         int32_t status = numoptim_cuda_adam_f32(size, w, g, m, v, &h, t, stream);
 *
 *     It returns when the step is in the stream. It neither waits nor allocates, and h can be changed at once.
 *     Slots are 0 before the first step (cuMemsetD8), or as the rule's _init leaves them.
 *
 * Memory and contexts
 *     A context must be current in the calling thread: cudaSetDevice makes one so, or cuCtxSetCurrent. Buffers and
 *     tables belong to its device, are managed, or are memory of the host that the driver has locked; they are
 *     aligned as their type demands (16 bytes are best) and do not overlap. Every device and context can be used,
 *     by one thread or several.
 *
 * Status
 *     Functions return 0 or a negative status, and then have launched nothing: those of numoptim.h for what it
 *     refuses too, the NUMOPTIM_CUDA_... below, or -1000 - r, where r is the driver's own CUresult.
 *     What goes wrong while kernels run, in this library's or in others', later calls report, as CUDA has it.
 *     With size 0 nothing is launched, and buffers may be null.
 *
 * Layer-wise rules (LARS, LAMB ...)
 *     offsets is a table of the device, of segments + 1 numbers: segment s is [offsets[s], offsets[s + 1]), the first
 *     number is 0 and the last size. norms is memory for sums*(size/NUMOPTIM_BLOCK + segments) doubles, which a step
 *     writes and reads: two steps that can run at the same time need two. What stands in tables is not checked.
 *
 * Noisy rules (SGLD)
 *     The noise of element i is a function of (seed, t, offset + i) alone, and that of numoptim.h.
 *
 * Plans: groups of hyper-parameters, and graphs
 *     numoptim_cuda_<rule>_<type>_plan takes its arguments from a plan, which is read before it returns.
 *     With plan.hyper, segment s uses the struct hyper[which[s]] in the device's memory, and h is not read. With
 *     plan.step, the number of the step is *step in the device's memory, and t is not read. Kernels look at both when
 *     they run, so that a captured graph is replayed at other steps and learning rates: write them into the same
 *     stream before. Segments with which[s] = NUMOPTIM_FROZEN stay as they are, as in numoptim.h; plan.groups is at
 *     least 1 even where all do. A group out of its range and a step below 1 change nothing; nobody reports them.
 *
 * Streams, graphs, first calls
 *     A step may be captured. The first one of a rule and type loads its kernels: make it before a capture, or make
 *     a call of size 0. Loading needs memory of the device, and can fail for want of it; the next call tries again.
 *     Rules take one launch, layer-wise ones two more for each pass of sums, and one whose slots are over segments or
 *     all one more.
 *
 * Promises
 *     Thread-safe: any thread may call any function at any time. The same input gives the bits of numoptim.h, at any
 *     alignment, on any grid, device and stream. Kept for the life of the process: the driver, opened by its name
 *     libcuda.so.1 when first called, and kernels that were loaded. This library and libnumoptim are of one build.
 *     No GPU has run it yet. Tests run all of it against a driver without a device, and its kernels instruction by
 *     instruction on the processor, bit by bit; NVIDIA's assembler and driver have no part in that.
 *
 * Other kernels
 *     Those of rules of your own, as numoptim.cuda.ptx and fatbin make them, go through numoptim_cuda_load.
 */
#ifndef NUMOPTIM_CUDA_H
#define NUMOPTIM_CUDA_H

#include "numoptim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* @LAUNCHER@ */
/* Digest of the sources that the library was built from. */
const char *numoptim_cuda_sources(void);

/* The fatbin of kernels of this name, such as "adam_f32", as numoptim_cuda_load takes it; null where there is none. */
const void *numoptim_cuda_image(const char *name);

/* --- rules: numoptim.h has their equations, structs and ranges */

/* @RULES@ */
#ifdef __cplusplus
}
#endif
#endif
