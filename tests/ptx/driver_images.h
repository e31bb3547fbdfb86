/* Finds the translated PTX of an image: PTX text, or a fat binary or cubin. Part of driver.c.

   A fat binary: a header (magic, version, its own size, the size of what follows), then entries, each a header (kind: 1
   PTX, 2 cubin; at 4 its own size, at 8 the size of its data, at 40 flags, some for compression) and its data.
   The folder FAKE_CUDA_FOLDER has the translated modules, named by the digest of their text, without white space and
   comments, or by that of a whole image which the test has said to come from it. */
enum { FAT_MAGIC = 0xba55ed50u, FAT_HEADER = 16, FAT_PTX = 1, FAT_COMPRESSED = 0xf000, ELF_MAGIC = 0x464c457fu };

static uint64_t digest(const char *bytes, size_t size, int text) {
    uint64_t hash = 0xcbf29ce484222325ull;                  /* FNV-1a */
    for (size_t i = 0; i < size && !(text && !bytes[i]); i++) {
        if (text && i + 1 < size && bytes[i] == '/' && bytes[i + 1] == '/') {
            while (i + 1 < size && bytes[i + 1] && bytes[i + 1] != '\n') i++;
            continue;
        }
        if (text && strchr(" \t\r\n", bytes[i])) continue;
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3ull;
    }
    return hash;
}

static void *module_of(uint64_t hash) {
    char path[4096];
    const char *folder = getenv("FAKE_CUDA_FOLDER");
    snprintf(path, sizeof path, "%s/%016llx.so", folder ? folder : ".", (unsigned long long)hash);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static uint64_t number_at(const char *bytes, size_t offset, size_t size) {
    uint64_t value = 0;
    memcpy(&value, bytes + offset, size);
    return value;
}

/* The bytes of a cubin: it ends with its section headers or its program headers. */
static size_t elf_size(const char *image) {
    uint64_t programs = number_at(image, 32, 8) + number_at(image, 54, 2) * number_at(image, 56, 2);
    uint64_t sections = number_at(image, 40, 8) + number_at(image, 58, 2) * number_at(image, 60, 2);
    return programs > sections ? programs : sections;
}

static void *fat_module(const char *image, int *compressed) {
    size_t end = FAT_HEADER + number_at(image, 8, 8);
    void *found = module_of(digest(image, end, 0));
    for (size_t at = number_at(image, 6, 2); !found && at + 64 <= end;) {
        size_t header = number_at(image, at + 4, 4), size = number_at(image, at + 8, 8);
        int ptx = number_at(image, at, 2) == FAT_PTX, packed = (number_at(image, at + 40, 8) & FAT_COMPRESSED) != 0;
        if (ptx && packed) *compressed = 1;
        if (ptx && !packed) found = module_of(digest(image + at + header, size, 1));
        at += header + size;
    }
    return found;
}

/* The translated module of an image, or an error. */
static CUresult load_image(const char *image, void **library) {
    int compressed = 0;
    uint32_t magic;
    if (!image) return CUDA_ERROR_INVALID_VALUE;
    memcpy(&magic, image, sizeof magic);
    if (magic == FAT_MAGIC) *library = fat_module(image, &compressed);
    else if (magic == ELF_MAGIC) *library = module_of(digest(image, elf_size(image), 0));
    else if (strstr(image, ".version")) *library = module_of(digest(image, strlen(image), 1));
    else return CUDA_ERROR_INVALID_IMAGE;
    if (*library) return CUDA_SUCCESS;
    note("problem", compressed ? "the image's PTX is compressed" : "the image comes from no PTX that was registered");
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
}

static Object *new_module(Kind kind, void *library) {
    Object *module = create(kind);
    module->library = library;
    return module;
}

/* The function of this name, made when it is first asked for. */
static CUresult get_function(Object *module, const char *name, void **handle) {
    for (Object *known = objects; known; known = known->next)
        if (known->kind == FUNCTION && known->owner == module && !strcmp(known->kernel->name, name)) {
            *handle = known;
            return CUDA_SUCCESS;
        }
    const ptx_kernel *kernels = dlsym(module->library, "ptx_kernels");
    for (uint32_t i = 0; kernels[i].name; i++) {
        if (strcmp(kernels[i].name, name)) continue;
        Object *function = *handle = create(FUNCTION);
        function->owner = module, function->kernel = &kernels[i], function->number = i;
        *(void **)&function->run = dlsym(module->library, "ptx_run");
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_NOT_FOUND;
}

static void unload(Object *module) {
    for (Object *object = objects, *next; object; object = next) {
        next = object->next;
        if (object->kind == FUNCTION && object->owner == module) destroy(object);
    }
    dlclose(module->library);
    destroy(module);
}
