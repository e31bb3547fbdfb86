/* Bounds and races, with CHECKED; otherwise nothing. Part of runtime.h.

   Two accesses to the same bytes race if one writes, not both are atomic, and nothing orders them: by threads of
   different blocks of a launch (global memory), or by two threads of a block between the same two barriers (a
   bar.warp.sync orders those of its warp). Threads run in turn here, so what is looked for is not an unlucky order but
   the missing barrier: of each location the last write and the reads are kept, whoever made them. Not understood: order
   made by atomics and fences, as in "the last block to arrive sums up". */
#ifndef CHECKED
#define check_global(...) ((void)0)
#define check_shared(...) ((void)0)
#define forget_accesses() ((void)0)
#else
enum { PAGE = 4096, BUCKETS = 1 << 14, REPORTS = 8 };
enum { READ_BY_WARP = 1, READ_BY_BLOCK = 2, READ_BY_BLOCKS = 4, WRITTEN_ATOMICALLY = 8 };

typedef struct { u32 block, interval, warp_interval, thread, line; } Access;    /* block: its number + 1, 0: none */
typedef struct { Access write, read; u32 flags; } Cell;
typedef struct Shadow { u64 page; struct Shadow *next; Cell cells[]; } Shadow;

static Shadow *shadows[BUCKETS], *latest;
static u32 reported[REPORTS][2];

static void forget_accesses(void) {
    for (u32 i = 0; i < BUCKETS && latest; i++) {
        for (Shadow *s = shadows[i], *next; s; s = next) next = s->next, free(s);
        shadows[i] = 0;
    }
    latest = 0;
}

static Cell *cell_of(u64 address) {
    u64 page = address / PAGE;
    if (!latest || latest->page != page) {
        Shadow **bucket = &shadows[page % BUCKETS];
        for (latest = *bucket; latest && latest->page != page;) latest = latest->next;
        if (!latest) {
            latest = calloc(1, sizeof *latest + PAGE / GRAIN * sizeof(Cell));
            if (!latest) abort();
            latest->page = page, latest->next = *bucket, *bucket = latest;
        }
    }
    return &latest->cells[address % PAGE / GRAIN];
}

/* Whether the two may run at the same time; `many`: flags of threads besides the earlier one that count as it. */
static int concurrent(const Access *earlier, const Access *later, u32 many) {
    if (!earlier->block) return 0;
    if (earlier->block != later->block || many & READ_BY_BLOCKS) return 1;
    if (earlier->interval != later->interval) return 0;
    if (earlier->thread / WARP != later->thread / WARP || many & READ_BY_BLOCK) return 1;
    return earlier->warp_interval == later->warp_interval && (earlier->thread != later->thread || many & READ_BY_WARP);
}

static void race(const Access *earlier, int wrote, const Access *later, int kind, const char *space, u64 address) {
    static const char *verb[] = {"read", "written", "updated atomically"};
    for (u32 i = 0; i < now.races; i++) if (reported[i][0] == earlier->line && reported[i][1] == later->line) return;
    if (now.races == REPORTS) return;
    reported[now.races][0] = earlier->line, reported[now.races][1] = later->line;
    now.races++;
    int own = earlier->thread == later->thread && earlier->block == later->block;     /* the other reader is not known */
    report("line %u: race: %s address 0x%llx, %s by thread %u of block %u%s, ", earlier->line, space,
           (unsigned long long)address, verb[wrote], earlier->thread, earlier->block - 1, own ? " and others" : "");
    report("is %s at line %u by thread %u of block %u\n", verb[kind], later->line, later->thread, later->block - 1);
}

/* Add a reader to those since the last write. */
static void note_read(Cell *cell, const Access *me) {
    const Access *was = &cell->read;
    u32 flags = cell->flags & READ_BY_BLOCKS;
    if (was->block && was->block != me->block) flags |= READ_BY_BLOCKS;
    else if (was->block && was->interval == me->interval) {
        flags |= cell->flags & READ_BY_BLOCK;
        if (was->thread / WARP != me->thread / WARP) flags |= READ_BY_BLOCK;
        else if (was->warp_interval == me->warp_interval)
            flags |= (cell->flags & READ_BY_WARP) | (was->thread != me->thread ? READ_BY_WARP : 0);
    }
    cell->flags = flags | (cell->flags & WRITTEN_ATOMICALLY);
    cell->read = *me;
}

static void record(const Access *me, u64 address, u32 size, int kind, const char *space, u64 base) {
    for (u64 at = address; at < address + size; at += GRAIN) {
        Cell *cell = cell_of(at);
        int atomically = cell->flags & WRITTEN_ATOMICALLY;
        if (!(kind == ATOMIC && atomically) && concurrent(&cell->write, me, 0))
            race(&cell->write, atomically ? ATOMIC : WRITE, me, kind, space, at - base);
        if (kind == READ) {
            note_read(cell, me);
            continue;
        }
        if (concurrent(&cell->read, me, cell->flags)) race(&cell->read, READ, me, kind, space, at - base);
        cell->write = *me;
        cell->flags = (cell->flags & ~(u32)WRITTEN_ATOMICALLY) | (kind == ATOMIC ? WRITTEN_ATOMICALLY : 0);
    }
}

static Access access_by(const Thread *t, int line) {
    return (Access){now.block + 1, now.interval, now.warp_interval[t->id / WARP], t->id, (u32)line};
}

/* The range that holds the address, or null. */
static const ptx_range *range_of(u64 address) {
    static u64 last;
    const ptx_range *ranges = now.job->ranges;
    u64 low = 0, high = now.job->range_count;
    if (last < high && address - ranges[last].address < ranges[last].size) return &ranges[last];
    while (low < high) {
        u64 middle = (low + high) / 2;
        if (ranges[middle].address <= address) low = middle + 1;
        else high = middle;
    }
    if (!low || address - ranges[low - 1].address >= ranges[low - 1].size) return 0;
    return &ranges[last = low - 1];
}

static int in_module(u64 address, u32 size);                    /* generated: within one of the module's variables */

static void check_global(Thread *t, u64 address, u32 size, int kind, int line) {
    if (now.job->flags & PTX_BOUNDS && !in_module(address, size)) {
        const ptx_range *range = range_of(address);
        if (!range || range->address + range->size - address < size) bad_access(t, "global", address, size, line);
        if (kind != READ && !range->writable) fault(t, line, "a write to global memory that is read-only");
    }
    if (now.job->flags & PTX_RACE) {
        Access me = access_by(t, line);
        record(&me, address, size, kind, "global", 0);
    }
}

static void check_shared(Thread *t, u64 address, u32 size, int kind, int line) {
    if (!(now.job->flags & PTX_RACE)) return;
    Access me = access_by(t, line);
    Cell *cell = cell_of(address);
    for (u64 at = address; at < address + size; at += GRAIN, cell = cell_of(at))
        if ((cell->write.block && cell->write.block != me.block) || (cell->read.block && cell->read.block != me.block))
            memset(cell, 0, sizeof *cell);                      /* another block's shared memory */
    record(&me, address, size, kind, "shared", (u64)shared_memory);
}
#endif
