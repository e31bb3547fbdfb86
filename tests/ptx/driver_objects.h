/* What the fake driver keeps: contexts, memory, handles, the log; what fails on request. Part of driver.c. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "abi.h"

typedef int CUresult, CUdevice;
typedef unsigned long long CUdeviceptr;

/* Codes, names and descriptions as in the documentation of the CUDA driver API. */
#define ERRORS(X)                                                                                     \
    X(CUDA_SUCCESS, 0, "no error") X(CUDA_ERROR_INVALID_VALUE, 1, "invalid argument")                 \
    X(CUDA_ERROR_OUT_OF_MEMORY, 2, "out of memory")                                                   \
    X(CUDA_ERROR_NOT_INITIALIZED, 3, "initialization error")                                          \
    X(CUDA_ERROR_NO_DEVICE, 100, "no CUDA-capable device is detected")                                \
    X(CUDA_ERROR_INVALID_DEVICE, 101, "invalid device ordinal")                                       \
    X(CUDA_ERROR_INVALID_IMAGE, 200, "device kernel image is invalid")                                \
    X(CUDA_ERROR_INVALID_CONTEXT, 201, "invalid device context")                                      \
    X(CUDA_ERROR_NO_BINARY_FOR_GPU, 209, "no kernel image is available for execution on the device")  \
    X(CUDA_ERROR_INVALID_HANDLE, 400, "invalid resource handle")                                      \
    X(CUDA_ERROR_NOT_FOUND, 500, "named symbol not found")                                            \
    X(CUDA_ERROR_NOT_READY, 600, "device not ready")                                                  \
    X(CUDA_ERROR_ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered")                    \
    X(CUDA_ERROR_CONTEXT_IS_DESTROYED, 709, "context is destroyed")                                   \
    X(CUDA_ERROR_MISALIGNED_ADDRESS, 716, "misaligned address")                                       \
    X(CUDA_ERROR_LAUNCH_FAILED, 719, "unspecified launch failure")                                    \
    X(CUDA_ERROR_NOT_SUPPORTED, 801, "operation not supported")                                       \
    X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900, "operation not permitted when stream is capturing") \
    X(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901, "operation failed due to a previous error during capture") \
    X(CUDA_ERROR_STREAM_CAPTURE_MERGE, 902, "operation would merge two captures")                     \
    X(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903, "the capture was not begun on this stream")           \
    X(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, 904, "capturing stream has unjoined work")                  \
    X(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, 905, "dependency on work outside the capture")              \
    X(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, 906, "the legacy stream would wait for a capturing stream") \
    X(CUDA_ERROR_CAPTURED_EVENT, 907, "operation not permitted on an event last recorded in a capturing stream")
#define CODE(name, code, text) name = code,
enum { ERRORS(CODE) };

typedef enum { MEMORY, MODULE, LIBRARY, FUNCTION, STREAM, EVENT, GRAPH, EXECUTABLE, KINDS } Kind;
enum { ON_DEVICE, MANAGED, ON_HOST };
static const char *const kind_names[KINDS] = {
    "memory", "module", "library", "function", "stream", "event", "graph", "executable"};

typedef struct Operation Operation;
typedef struct Capture Capture;

/* Anything with a handle; which fields mean something depends on the kind. */
typedef struct Object {
    Kind kind;
    struct Object *next;
    struct Object *owner;                                   /* function: its module or library */
    uint64_t address, size;                                 /* memory */
    int where;                                              /* memory: ON_DEVICE ... */
    void *library;                                          /* module: the translated PTX */
    const ptx_kernel *kernel;                               /* function */
    int (*run)(uint32_t, const ptx_job *);
    uint32_t number;
    unsigned flags;                                         /* stream, event: of their creation */
    Capture *capture;                                       /* stream, event */
    struct Object *recorded;                                /* event: the stream it was captured in */
    double time;                                            /* event: when it was recorded, in ms; < 0: not yet */
    int unjoined;                                           /* stream: captured work that nobody waits for */
    Operation *operations;                                  /* graph, executable */
} Object;

typedef struct { int device, retained; } Context;
enum { DEVICES = 8, DEPTH = 16 };

static Context contexts[DEVICES] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}};
static __thread Context *stack[DEPTH];
static __thread int depth;
static Object *objects;
static int initialised, sticky;                             /* sticky: a kernel's error, which later calls return */
static int64_t launches, problems;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static Context *current(void) { return depth ? stack[depth - 1] : 0; }

static int setting(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value && *value ? atoi(value) : otherwise;
}

/* Add a line to the file FAKE_CUDA_LOG: a word, a tab, the rest. */
__attribute__((format(printf, 2, 3))) static void note(const char *word, const char *format, ...) {
    const char *path = getenv("FAKE_CUDA_LOG");
    FILE *file = path ? fopen(path, "a") : 0;
    va_list values;
    if (!strcmp(word, "problem")) problems++;
    if (!file) return;
    fprintf(file, "%s\t", word);
    va_start(values, format);
    vfprintf(file, format, values);
    va_end(values);
    fputc('\n', file);
    fclose(file);
}

static Object *create(Kind kind) {
    Object *object = calloc(1, sizeof *object);
    if (!object) abort();
    object->kind = kind, object->next = objects, objects = object;
    return object;
}

/* The object of a handle if it is alive and of this kind; anything else is a problem of the caller. */
static Object *find(const void *handle, Kind kind) {
    for (Object *object = objects; object; object = object->next)
        if (object == handle && object->kind == kind) return object;
    note("problem", "%p is no live %s", handle, kind_names[kind]);
    return 0;
}

static void destroy(Object *object) {
    Object **link = &objects;
    while (*link != object) link = &(*link)->next;
    *link = object->next;
    free(object);
}

static int64_t count(Kind kind) {
    int64_t found = 0;
    for (const Object *object = objects; object; object = object->next) found += object->kind == kind;
    return found;
}

/* The allocation in which the bytes lie, or null. */
static Object *allocation(CUdeviceptr address, size_t size) {
    for (Object *object = objects; object; object = object->next)
        if (object->kind == MEMORY && address - object->address <= object->size
            && object->size - (address - object->address) >= size && (size || address - object->address < object->size))
            return object;
    return 0;
}

/* What FAKE_CUDA_FAIL says of a function: a list with commas of "name=code", or "name=code@n" for its n-th call. */
static int injected(const char *name) {
    static struct { char name[64]; int calls; } counts[64];
    const char *list = getenv("FAKE_CUDA_FAIL");
    size_t length = strlen(name);
    for (const char *item = list; item && *item; item = strchr(item, ',') ? strchr(item, ',') + 1 : 0) {
        char *end;
        if (strncmp(item, name, length) || item[length] != '=') continue;
        int code = (int)strtol(item + length + 1, &end, 10), i = 0;
        if (*end != '@') return code;
        while (i < 63 && counts[i].name[0] && strcmp(counts[i].name, name)) i++;
        snprintf(counts[i].name, sizeof counts[i].name, "%s", name);
        if (++counts[i].calls == atoi(end + 1)) return code;
    }
    return 0;
}

/* Counters for tests: what is alive, then launches and problems so far. */
__attribute__((visibility("default"))) void fake_cuda_report(int64_t counts[KINDS + 3]) {
    pthread_mutex_lock(&lock);
    for (int kind = 0; kind < KINDS; kind++) counts[kind] = count((Kind)kind);
    counts[KINDS] = 0;
    for (int i = 0; i < DEVICES; i++) counts[KINDS] += contexts[i].retained;
    counts[KINDS + 1] = launches, counts[KINDS + 2] = problems;
    pthread_mutex_unlock(&lock);
}

__attribute__((destructor)) static void say_what_is_left(void) {
    int64_t counts[KINDS + 3];
    fake_cuda_report(counts);
    for (int kind = 0; kind < KINDS; kind++)
        if (kind != FUNCTION && counts[kind]) note("leak", "%s\t%lld", kind_names[kind], (long long)counts[kind]);
    if (counts[KINDS]) note("leak", "context\t%lld", (long long)counts[KINDS]);
}
