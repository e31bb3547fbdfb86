/* The driver's functions on streams, events and graphs. Part of driver.c. */

API cuStreamCreate(void **stream, unsigned flags) {
    ENTER(IN_CONTEXT);
    NEED(stream && flags <= NON_BLOCKING);
    Object *object = *stream = create(STREAM);
    object->flags = flags;
    return CUDA_SUCCESS;
}

API cuStreamDestroy_v2(void *stream) {
    ENTER(IN_CONTEXT);
    FIND(found, stream, STREAM);
    Operation *captured;
    if (found->capture) {
        note("problem", "a stream is destroyed during its capture");
        if (!finish(found, &captured)) forget(captured);
    }
    destroy(found);
    return CUDA_SUCCESS;
}

API cuStreamSynchronize(void *stream) {
    ENTER(NOT_CAPTURING);
    Object *found;
    CUresult status = get_stream(stream, &found);
    if (status || !found || !found->capture) return status;
    found->capture->invalid = 1;
    note("problem", "cuStreamSynchronize of a captured stream");
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

API cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    ENTER(IN_CONTEXT);
    NEED(!flags);
    FIND(waited, event, EVENT);
    Object *found;
    CUresult status = get_stream(stream, &found);
    if (status) return status;
    if (!waited->capture && found && found->capture && waited->time >= 0) {
        found->capture->invalid = 1;
        return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    if (!waited->capture) return CUDA_SUCCESS;
    if (waited->capture == ENDED || !found) return CUDA_ERROR_CAPTURED_EVENT;
    if (found->capture && found->capture != waited->capture) {
        found->capture->invalid = waited->capture->invalid = 1;
        return CUDA_ERROR_STREAM_CAPTURE_MERGE;
    }
    if (!found->capture) found->capture = waited->capture, found->unjoined = 1;
    if (waited->recorded != found) waited->recorded->unjoined = 0;
    return CUDA_SUCCESS;
}

API cuEventCreate(void **event, unsigned flags) {
    ENTER(IN_CONTEXT);
    NEED(event && flags < 8);
    Object *object = *event = create(EVENT);
    object->flags = flags, object->time = -1;
    return CUDA_SUCCESS;
}

API cuEventDestroy_v2(void *event) {
    ENTER(IN_CONTEXT);
    FIND(found, event, EVENT);
    destroy(found);
    return CUDA_SUCCESS;
}

API cuEventRecord(void *event, void *stream) {
    ENTER(IN_CONTEXT);
    FIND(found, event, EVENT);
    Object *on;
    CUresult status = get_stream(stream, &on);
    if (status) return status;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    found->time = (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
    found->capture = on ? on->capture : 0, found->recorded = on;
    return CUDA_SUCCESS;
}

API cuEventSynchronize(void *event) {
    ENTER(NOT_CAPTURING);
    FIND(found, event, EVENT);
    return found->capture ? CUDA_ERROR_CAPTURED_EVENT : CUDA_SUCCESS;
}

API cuEventElapsedTime_v2(float *milliseconds, void *start, void *end) {
    enum { DISABLE_TIMING = 2 };
    ENTER(IN_CONTEXT);
    NEED(milliseconds);
    FIND(first, start, EVENT);
    FIND(last, end, EVENT);
    if (first->capture || last->capture) return CUDA_ERROR_CAPTURED_EVENT;
    if (first->time < 0 || last->time < 0) return CUDA_ERROR_INVALID_HANDLE;
    if ((first->flags | last->flags) & DISABLE_TIMING) return CUDA_ERROR_INVALID_HANDLE;
    *milliseconds = (float)(last->time - first->time);
    return CUDA_SUCCESS;
}

API cuStreamBeginCapture_v2(void *stream, int mode) {
    ENTER(IN_CONTEXT);
    NEED(mode >= 0 && mode <= RELAXED);
    if ((uintptr_t)stream <= 1) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;       /* the legacy stream */
    FIND(found, stream, STREAM);
    NEED(!found->capture);
    Capture *capture = found->capture = calloc(1, sizeof *capture);
    *capture = (Capture){.origin = found, .last = &capture->first, .mode = mode, .thread = pthread_self()};
    return CUDA_SUCCESS;
}

API cuThreadExchangeStreamCaptureMode(int *mode) {
    ENTER(INITIALISED);
    NEED(mode && *mode >= 0 && *mode <= RELAXED);
    int before = interaction;
    interaction = *mode, *mode = before;
    return CUDA_SUCCESS;
}

API cuStreamIsCapturing(void *stream, int *status) {
    ENTER(IN_CONTEXT);
    NEED(status);
    Object *found;
    CUresult failed = get_stream(stream, &found);
    *status = !failed && found && found->capture ? 1 + found->capture->invalid : 0;
    return failed;
}

API cuStreamEndCapture(void *stream, void **graph) {
    ENTER(IN_CONTEXT);
    NEED(graph);
    *graph = 0;
    FIND(found, stream, STREAM);
    NEED(found->capture);
    if (found->capture->origin != found) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    Operation *operations;
    CUresult status = finish(found, &operations);
    if (status) return status;
    Object *object = *graph = create(GRAPH);
    object->operations = operations;
    return CUDA_SUCCESS;
}

API cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags) {
    ENTER(IN_CONTEXT);
    NEED(executable && !flags);
    FIND(found, graph, GRAPH);
    Object *object = *executable = create(EXECUTABLE);
    object->operations = copy_all(found->operations);
    return CUDA_SUCCESS;
}

API cuGraphLaunch(void *executable, void *stream) {
    ENTER(IN_CONTEXT);
    FIND(found, executable, EXECUTABLE);
    Object *on;
    CUresult status = get_stream(stream, &on);
    for (const Operation *operation = found->operations; operation && !status && !sticky; operation = operation->next) {
        if (on && on->capture) record(on, operation);
        else status = run_operation(operation, stream, "graph");
    }
    return status;
}

static CUresult discard(Object *object) {
    forget(object->operations);
    destroy(object);
    return CUDA_SUCCESS;
}

API cuGraphDestroy(void *graph) {
    ENTER(IN_CONTEXT);
    FIND(found, graph, GRAPH);
    return discard(found);
}

API cuGraphExecDestroy(void *executable) {
    ENTER(IN_CONTEXT);
    FIND(found, executable, EXECUTABLE);
    return discard(found);
}
