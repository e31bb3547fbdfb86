/* Operations on streams: run at once, or recorded while a stream is captured. Part of driver.c. */

struct Operation {
    Operation *next;
    Object *function;                                       /* null: a copy or a fill */
    uint32_t grid, block, shared;
    unsigned char *parameters;
    uint32_t bytes;                                         /* of the parameters */
    void *to;
    const void *from;                                       /* null: fill with value */
    size_t size;
    unsigned char value;
};

struct Capture {
    Object *origin;                                         /* the stream on which it was begun */
    Operation *first, **last;
    int mode, invalid;
    pthread_t thread;
};

enum { RELAXED = 2, THREAD_LOCAL = 1, NON_BLOCKING = 1 };
#define ENDED ((Capture *)1)                                /* of an event recorded in a capture that is over */

static void forget(Operation *operation) {
    for (Operation *next; operation; operation = next) {
        next = operation->next;
        free(operation->parameters);
        free(operation);
    }
}

static Operation *copy_of(const Operation *operation) {
    Operation *copy = malloc(sizeof *copy);
    if (!copy) abort();
    *copy = *operation;
    copy->next = 0;
    if (operation->function) {
        copy->parameters = malloc(operation->bytes + 1);
        if (!copy->parameters) abort();
        memcpy(copy->parameters, operation->parameters, operation->bytes);
    }
    return copy;
}

static Operation *copy_all(const Operation *from) {
    Operation *first = 0, **last = &first;
    for (; from; from = from->next, last = &(*last)->next) *last = copy_of(from);
    return first;
}

static int by_address(const void *a, const void *b) {
    const ptx_range *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

static ptx_range *device_memory(uint64_t *length) {
    ptx_range *ranges = calloc((size_t)count(MEMORY) + 1, sizeof *ranges);
    *length = 0;
    for (const Object *object = objects; object; object = object->next)
        if (object->kind == MEMORY) ranges[(*length)++] = (ptx_range){object->address, object->size, 1};
    qsort(ranges, *length, sizeof *ranges, by_address);
    return ranges;
}

/* Run a kernel; its faults show in later calls, as those of a device do, but are noted at once. */
static CUresult run_kernel(const Operation *operation, const void *stream, const char *by) {
    char message[4096] = "";
    const Object *function = find(operation->function, FUNCTION);
    if (!function) return CUDA_ERROR_INVALID_HANDLE;
    ptx_job job = {operation->grid, operation->block, operation->shared, PTX_BOUNDS, operation->parameters, 0, 0,
                   message, sizeof message};
    if (setting("FAKE_CUDA_RACE", 0)) job.flags |= PTX_RACE;
    job.ranges = device_memory(&job.range_count);
    int status = function->run(function->number, &job);
    free((void *)job.ranges);
    launches++;
    note("launch", "%s\t%u\t%u\t%p\t%s", function->kernel->name, job.grid, job.block, stream, by);
    if (status == PTX_OK) return CUDA_SUCCESS;
    for (char *end = message; *end; end++) if (*end == '\n') *end = end[1] ? ';' : ' ';
    note("problem", "kernel %s: %s", function->kernel->name, message);
    if (status == PTX_REFUSED) return CUDA_ERROR_INVALID_VALUE;
    sticky = CUDA_ERROR_LAUNCH_FAILED;
    if (strstr(message, "misaligned")) sticky = CUDA_ERROR_MISALIGNED_ADDRESS;
    if (strstr(message, "out-of-bounds")) sticky = CUDA_ERROR_ILLEGAL_ADDRESS;
    return CUDA_SUCCESS;
}

static CUresult run_operation(const Operation *operation, const void *stream, const char *by) {
    if (operation->function) return run_kernel(operation, stream, by);
    if (operation->from) memmove(operation->to, operation->from, operation->size);
    else memset(operation->to, operation->value, operation->size);
    return CUDA_SUCCESS;
}

static __thread int interaction;                            /* as cuThreadExchangeStreamCaptureMode set it; 0: global */

/* The capture that forbids this thread calls which are not allowed during one. */
static Capture *forbidding(void) {
    if (interaction == RELAXED) return 0;
    for (Object *object = objects; object; object = object->next) {
        Capture *capture = object->kind == STREAM ? object->capture : 0;
        if (!capture || capture->mode == RELAXED) continue;
        if (pthread_equal(capture->thread, pthread_self())) return capture;
        if (capture->mode != THREAD_LOCAL && interaction != THREAD_LOCAL) return capture;
    }
    return 0;
}

/* The legacy stream waits for all streams that are not "non-blocking", and must not while one of those is captured. */
static CUresult legacy_stream(void) {
    for (Object *object = objects; object; object = object->next)
        if (object->kind == STREAM && object->capture && !(object->flags & NON_BLOCKING)) {
            object->capture->invalid = 1;
            return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
    return CUDA_SUCCESS;
}

/* Null and CU_STREAM_LEGACY: the legacy stream, for which `stream` is set to null; else it must be alive. */
static CUresult get_stream(void *handle, Object **stream) {
    *stream = 0;
    if (handle == 0 || handle == (void *)1) return legacy_stream();
    if (handle == (void *)2) return CUDA_SUCCESS;           /* CU_STREAM_PER_THREAD */
    *stream = find(handle, STREAM);
    return *stream ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static void record(Object *stream, const Operation *operation) {
    Capture *capture = stream->capture;
    *capture->last = copy_of(operation);
    capture->last = &(*capture->last)->next;
    stream->unjoined = stream != capture->origin;
}

/* Run the operation, or add it to the capture of its stream. */
static CUresult submit(void *handle, const Operation *operation) {
    Object *stream;
    CUresult status = get_stream(handle, &stream);
    if (status) return status;
    if (!stream || !stream->capture) return run_operation(operation, handle, "stream");
    if (stream->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    record(stream, operation);
    return CUDA_SUCCESS;
}

/* End a capture: its operations, or an error. All its streams go back to work. */
static CUresult finish(Object *stream, Operation **operations) {
    Capture *capture = stream->capture;
    CUresult status = capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
    for (Object *object = objects; object; object = object->next) {
        if (object->capture != capture) continue;
        if (object->kind == STREAM && object->unjoined && !status) status = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
        if (object->kind == STREAM) object->capture = 0, object->unjoined = 0;
    }
    for (Object *object = objects; object; object = object->next)
        if (object->kind == EVENT && object->capture == capture) object->capture = ENDED;
    *operations = capture->first;
    free(capture);
    if (status) forget(*operations), *operations = 0;
    return status;
}
