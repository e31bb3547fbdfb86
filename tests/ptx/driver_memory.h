/* The driver's functions on memory. Part of driver.c. */

static CUresult allocate(CUdeviceptr *address, size_t size, int where) {
    NEED(address && size);
    const char *limit = getenv("FAKE_CUDA_MEMORY");
    uint64_t used = size;
    for (const Object *object = objects; object; object = object->next)
        if (object->kind == MEMORY) used += object->size;
    if (limit && *limit && used > strtoull(limit, 0, 10)) return CUDA_ERROR_OUT_OF_MEMORY;
    void *memory = aligned_alloc(256, (size + 255) / 256 * 256);
    if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
    memset(memory, 0xff, size);                             /* a NaN, where nothing was stored */
    Object *object = create(MEMORY);
    *address = object->address = (uint64_t)memory, object->size = size, object->where = where;
    return CUDA_SUCCESS;
}

API cuMemAlloc_v2(CUdeviceptr *address, size_t size) { ENTER(NOT_CAPTURING); return allocate(address, size, ON_DEVICE); }

API cuMemAllocManaged(CUdeviceptr *address, size_t size, unsigned flags) {
    ENTER(NOT_CAPTURING);
    NEED(flags == 1 || flags == 2);                         /* CU_MEM_ATTACH_GLOBAL, _HOST */
    return allocate(address, size, MANAGED);
}

API cuMemAllocHost_v2(void **address, size_t size) {
    ENTER(NOT_CAPTURING);
    CUdeviceptr made;
    CUresult status = allocate(&made, size, ON_HOST);
    if (!status) *address = (void *)made;
    return status;
}

static CUresult release(CUdeviceptr address, int on_host) {
    Object *object = allocation(address, 0);
    if (!object || object->address != address || (object->where == ON_HOST) != on_host) {
        note("problem", "0x%llx was not allocated, or has been freed", address);
        return CUDA_ERROR_INVALID_VALUE;
    }
    free((void *)address);
    destroy(object);
    return CUDA_SUCCESS;
}

API cuMemFree_v2(CUdeviceptr address) { ENTER(NOT_CAPTURING); return release(address, 0); }
API cuMemFreeHost(void *address) { ENTER(NOT_CAPTURING); return release((CUdeviceptr)address, 1); }

/* A copy or fill; a device address must lie in device memory with all its bytes. */
static CUresult transfer(CUdeviceptr to, int to_device, CUdeviceptr from, int from_device, size_t size, int value,
                         void *stream) {
    if ((to_device && size && !allocation(to, size)) || (from_device && size && !allocation(from, size))) {
        note("problem", "copy or fill of %zu bytes outside device memory", size);
        return CUDA_ERROR_INVALID_VALUE;
    }
    NEED(to || !size);
    Operation operation = {.to = (void *)to, .from = (const void *)from, .size = size, .value = (unsigned char)value};
    return submit(stream, &operation);
}

API cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
    ENTER(NOT_CAPTURING);
    NEED(from || !size);
    return transfer(to, 1, (CUdeviceptr)from, 0, size, 0, 0);
}

API cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
    ENTER(NOT_CAPTURING);
    return transfer((CUdeviceptr)to, 0, from, 1, size, 0, 0);
}

API cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t size) {
    ENTER(NOT_CAPTURING);
    return transfer(to, 1, from, 1, size, 0, 0);
}

API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, void *stream) {
    ENTER(IN_CONTEXT);
    NEED(from || !size);
    return transfer(to, 1, (CUdeviceptr)from, 0, size, 0, stream);
}

API cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, void *stream) {
    ENTER(IN_CONTEXT);
    return transfer((CUdeviceptr)to, 0, from, 1, size, 0, stream);
}

API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, void *stream) {
    ENTER(IN_CONTEXT);
    return transfer(to, 1, from, 1, size, 0, stream);
}

API cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t size) {
    ENTER(NOT_CAPTURING);
    return transfer(to, 1, 0, 0, size, value, 0);
}

API cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size, void *stream) {
    ENTER(IN_CONTEXT);
    return transfer(to, 1, 0, 0, size, value, stream);
}

enum { OF_CONTEXT = 1, OF_TYPE = 2, OF_DEVICE = 3, OF_MANAGED = 8, OF_ORDINAL = 9, OF_START = 11, OF_SIZE = 12 };

/* One attribute of memory; zero where the pointer is no device memory. */
static CUresult attribute_of(void *data, int attribute, CUdeviceptr address, const Object *object) {
    int device = current() ? current()->device : 0;
    int owner = setting("FAKE_CUDA_FOREIGN", 0) ? (device + 1) % DEVICES : device;
    switch (attribute) {
    case OF_CONTEXT: *(Context **)data = object ? &contexts[owner] : 0; break;
    case OF_TYPE: *(unsigned *)data = !object ? 0 : object->where == ON_HOST ? 1 : 2; break;    /* CU_MEMORYTYPE_... */
    case OF_MANAGED: *(unsigned char *)data = object && object->where == MANAGED; break;
    case OF_DEVICE: *(CUdeviceptr *)data = object ? address : 0; break;
    case OF_ORDINAL: *(int *)data = object ? owner : -2; break;                     /* CU_DEVICE_INVALID */
    case OF_START: *(CUdeviceptr *)data = object ? object->address : 0; break;
    case OF_SIZE: *(size_t *)data = object ? object->size : 0; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

API cuPointerGetAttribute(void *data, int attribute, CUdeviceptr address) {
    ENTER(IN_CONTEXT);
    const Object *object = allocation(address, 0);
    NEED(data && object);
    return attribute_of(data, attribute, address, object);
}

API cuPointerGetAttributes(unsigned number, int *attributes, void **data, CUdeviceptr address) {
    ENTER(IN_CONTEXT);
    NEED(number && attributes && data);
    const Object *object = allocation(address, 0);
    CUresult status = CUDA_SUCCESS;
    for (unsigned i = 0; i < number && !status; i++) status = attribute_of(data[i], attributes[i], address, object);
    return status;
}
