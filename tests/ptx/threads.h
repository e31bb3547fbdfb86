/* The threads of a block: running them, barriers, and exchanges within a warp. Part of runtime.h. */

/* Memory of every thread, of which the system gives what is touched. */
static u8 *reserve(u64 size) {
    u8 *memory = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) abort();
    return memory;
}

static void prepare(void) {
    if (local_memory) return;
    local_memory = reserve((u64)MAX_THREADS * LOCAL);
    stacks = reserve((u64)MAX_THREADS * STACK);
    for (u32 i = 0; i < MAX_THREADS; i++) threads[i].id = i, threads[i].local = local_memory + (u64)i * LOCAL;
}

/* Leave a coroutine; it goes on here when it is resumed. */
static void yield(Thread *t) {
    if (!_setjmp(t->here)) _longjmp(now.scheduler, 1);
}

/* A coroutine's life: one thread after another, so that its stack is set up once. */
static void live(void) {
    for (Thread *t = now.running;;) {
        now.function(t);
        t->state = RETURNED;
        yield(t);
    }
}

static void resume(Thread *t) {
    static ucontext_t context;
    if (_setjmp(now.scheduler)) return;
    now.running = t;
    if (t->started) _longjmp(t->here, 1);
    t->started = 1;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks + (u64)t->id * STACK;
    context.uc_stack.ss_size = STACK;
    makecontext(&context, live, 0);
    setcontext(&context);
}

static Thread *warp_of(const Thread *t) { return &threads[t->id / WARP * WARP]; }

static u32 lanes_of(const Thread *warp) {
    u32 lanes = now.job->block - warp->id;
    return lanes < WARP ? lanes : WARP;
}

/* The lanes of a thread's mask that have not returned; 0 if one of them isn't here yet. */
static u32 gathered(const Thread *t) {
    Thread *warp = warp_of(t);
    u32 members = 0;
    for (u32 i = 0; i < lanes_of(warp); i++) {
        const Thread *other = &warp[i];
        if (!(t->mask >> i & 1) || other->state == RETURNED) continue;
        if (other->state != AT_WARP || other->line != t->line || other->mask != t->mask) return 0;
        members |= 1u << i;
    }
    return members;
}

/* shfl.sync: the value of the lane named, where it is in range and takes part; else all ones (undefined in PTX). */
static void shuffle(Thread *t, u32 members) {
    s32 lane = (s32)(t->id % WARP), by = (s32)(t->source & 31), segment = (s32)(t->clamp >> 8 & 31);
    s32 first = lane & segment, last = first | (s32)(t->clamp & 31 & ~segment), from;
    if (t->operation == UP) from = lane - by, t->predicate = from >= last;
    else if (t->operation == DOWN) from = lane + by, t->predicate = from <= last;
    else if (t->operation == BFLY) from = lane ^ by, t->predicate = from <= last;
    else from = first | (by & ~segment), t->predicate = from <= last;
    if (!t->predicate) from = lane;
    t->result = members >> from & 1 ? warp_of(t)[from].value : ~0u;
}

static void vote(Thread *t, u32 members, u32 ballot) {
    if (t->operation == ALL) t->predicate = ballot == members;
    else if (t->operation == ANY) t->predicate = ballot != 0;
    else if (t->operation == UNIFORM) t->predicate = ballot == 0 || ballot == members;
    t->result = ballot;
}

/* Let the threads go that wait for others of this thread's warp, if all are here. */
static int exchange(Thread *t) {
    u32 members = gathered(t), ballot = 0;
    Thread *warp = warp_of(t);
    if (!members) return 0;
    for (u32 i = 0; i < WARP; i++) if (members >> i & 1 && warp[i].value) ballot |= 1u << i;
    for (u32 i = 0; i < WARP; i++) {
        if (!(members >> i & 1)) continue;
        if (warp[i].operation >= UP) shuffle(&warp[i], members);
        else vote(&warp[i], members, ballot);
    }
    for (u32 i = 0; i < WARP; i++) if (members >> i & 1) warp[i].state = READY;
    if (t->operation == SYNC) now.warp_interval[t->id / WARP]++;
    return 1;
}

/* Wait at a bar.warp.sync, a vote or a shuffle for the lanes of the mask. */
static void meet(Thread *t, u32 operation, u32 value, u32 source, u32 clamp, u32 mask, int line) {
    if (!(mask >> t->id % WARP & 1)) fault(t, line, "the thread is not in its own member mask");
    t->operation = operation, t->value = value, t->source = source, t->clamp = clamp, t->mask = mask;
    t->line = (u32)line, t->state = AT_WARP;
    yield(t);
}

/* Wait at a barrier for all threads of the block. */
static void barrier(Thread *t, u32 operation, u32 name, u32 value, int line) {
    if (name > 15) fault(t, line, "a barrier's number is below 16");
    t->operation = operation, t->name = name, t->value = value, t->line = (u32)line;
    t->state = AT_BARRIER;
    yield(t);
}

/* Nobody can go on: say who waits where. */
__attribute__((noreturn)) static void stuck(void) {
    const Thread *waits = 0, *other = 0;
    for (u32 i = 0; i < now.job->block; i++) if (threads[i].state != RETURNED && !waits) waits = &threads[i];
    for (u32 i = 0; i < now.job->block && !other; i++)
        if (threads[i].state != waits->state || threads[i].line != waits->line) other = &threads[i];
    now.written = 0;
    report("line %u: thread %u of block %u waits for ever", waits->line, waits->id, now.block);
    if (other && other->state == RETURNED) report(": thread %u has returned", other->id);
    else if (other) report(": thread %u waits at line %u", other->id, other->line);
    stop();
}

/* Let the block go on if all its threads are at one barrier, and those of each warp at the same instruction. */
static int pass_barrier(void) {
    u32 count = 0, block = now.job->block;
    for (u32 i = 0; i < block; i++) {
        Thread *t = &threads[i];
        if (t->state != AT_BARRIER || t->name != threads[0].name || t->operation != threads[0].operation
            || t->line != warp_of(t)->line) return 0;
        count += t->value != 0;
    }
    for (u32 i = 0; i < block; i++) {
        threads[i].predicate = threads[i].operation == BAR_AND ? count == block : count != 0;
        threads[i].result = count;
        threads[i].state = READY;
    }
    now.interval++;
    return 1;
}

static void run_coroutines(void) {
    for (;;) {
        u32 returned = 0, released = 0;
        for (u32 i = 0; i < now.job->block; i++) {
            if (threads[i].state == READY) resume(&threads[i]);
            returned += threads[i].state == RETURNED;
        }
        if (returned == now.job->block) return;
        for (u32 i = 0; i < now.job->block; i++)
            if (threads[i].state == AT_WARP) released |= (u32)exchange(&threads[i]);
        if (!released && !pass_barrier()) stuck();
    }
}

static void run_block(void) {
    now.interval++;
    memset(now.warp_interval, 0, sizeof now.warp_interval);
    memset(shared_memory, 0xff, now.shared_bytes);              /* a NaN, where nothing was stored */
    for (u32 i = 0; i < now.job->block; i++) threads[i].state = READY, threads[i].local_top = 0;
    if (now.kernel->barriers) run_coroutines();
    else for (u32 i = 0; i < now.job->block; i++) now.function(&threads[i]);
}
