"""The loops of GPU kernels around a rule, as text; kernels/loops.py says what the placeholders are.

Every kernel of a rule has the same parameters. Its threads go through the buffers with a stride of the whole grid,
so that any grid computes the same bits.

A step's constants stand in shared memory, one row for each of ROWS groups: each thread prepares rows, in float64.
Where there are more groups, the buffers are gone through once for each page of them.
"""

GROUPS = """

def values_of(group, hyper, {fields}):
    # The kernel's own hyper-parameters, or those of one C struct in an array of them.
    if is_null(hyper):
        return V({fields})
    return V({words})


def usable(hyper, t):
    return t >= 1 and check_hyper(hyper) == 0 and {thawed}


def prepare_rows(page, groups, hyper, {fields}, t, table, ready):
    row, end = thread(), min(groups - page, ROWS)
    while row < end:
        values = values_of(page + row, hyper, {fields})
        ready[row] = np.int32(0)
        if usable(values, t):
            store(table, row, constants(t, values))
            ready[row] = np.int32(1)
        row += threads()
    barrier()


def group_of(s, which, hyper):
    return 0 if is_null(hyper) else which[s]


def has_row(group, page, groups, ready):
    return page <= group and group < min(groups, page + ROWS) and ready[group - page] != 0


def segment_of(i, size, segments, offsets, hyper):
    # The segment of element i, and where it ends: beyond i, so that no table can keep a thread for ever.
    if {one_segment}:
        return 0, size
    s = first_segment(segments, offsets, i)
    return s, max(min(offsets[s + 1], size), i + 1)
"""

# ``sweep`` is what a kernel does under one page of constants; one_step the number of the step, or 1 where it is to
# play no part.

KERNEL = """

def kernel{phase}(size, segments, offsets, which, groups, hyper, {fields}, step, t, {norms}{buffers}, vectors):
    unaliased()
    if not is_null(step):
        t = step[0]
    if is_null(hyper):
        groups = 1
    table, ready = shared_table{phase}(), shared_flags{phase}()
    for page in range(0, groups, ROWS):
        prepare_rows(page, groups, hyper, {fields}, {one_step}, table, ready)
        sweep{phase}(page, size, segments, offsets, which, groups, hyper, {fields}, t, {norms}{buffers}, table, ready,
                     vectors)
        barrier()
"""

# A vector of WIDTH elements, 128 bits, at a time; one by one where a vector crosses a border of segments or of the
# buffers, or buffers are not aligned to 16 bytes.

VECTOR = """

def elements{phase}({buffers}, h{given}):
    {elements}


def vector{phase}(at, {buffers}, h{given}):
    {lifted} = {lift}
    elements{phase}({lifted}, h{given})
    {lower}
"""

DENSE = """

def beyond{phase}(i, last, width, stride):
    # The first of a thread's elements from i on that is not below last.
    unit = i - (i & (width - 1))
    while unit + width <= last:
        unit += stride
    return max(unit, last)


def sweep{phase}(page, size, segments, offsets, which, groups, hyper, {fields}, t, {norms}{buffers}, table, ready,
                 vectors):
    width = WIDTH if vectors != 0 else 1
    stride = width * threads() * blocks()
    i = width * (threads() * block() + thread())
    while i < size:
        s, last = segment_of(i, size, segments, offsets, hyper)
        group = group_of(s, which, hyper)
        if not has_row(group, page, groups, ready):
            i = beyond{phase}(i, last, width, stride)
            continue
        h = load(table, group - page)
        {segment_ratio}
        if width == WIDTH and i & (WIDTH - 1) == 0:
            while i + WIDTH <= last:
                vector{phase}(i, {buffers}, h{given})
                i += stride
        while i < last:
            {element}
            i += 1
            if i & (width - 1) == 0:
                i += stride - width
                if width == WIDTH:
                    break
"""

# A thread takes four lanes of a tile, 16 elements in four runs 64 apart: four counters give their numbers and no
# others. Tiles lie as the first group's offset has them; elements of a group that has them elsewhere, or that vectors
# cannot take, each draw their own.

NOISY = """

def start_of(unit, shift):
    return unit // UNITS * TILE - shift + RUN * (unit & (UNITS - 1))


def draw(noise, counter, seed, t):
    # Number k of a thread stands at noise[THREADS * k], where no two threads' numbers meet in one bank.
    for lane in range(RUN):
        k = thread() + THREADS * lane
        noise[k], noise[k + NEXT], noise[k + 2 * NEXT], noise[k + 3 * NEXT] = normals(counter + lane, seed, t)


def runs(start, {buffers}, h, seed, t, offset):
    noise, place = shared_noise(), offset + start
    draw(noise, place // TILE * LANES + (place & (LANES - 1)), seed, t)
    for word in range(4):
        for k in range(0, RUN, WIDTH):
            vector(start + LANES * word + k, {buffers}, h, noise, thread() + NEXT * word + THREADS * k)


def single(i, page, size, segments, offsets, which, groups, hyper, {fields}, t, {buffers}, table, ready):
    s, last = segment_of(i, size, segments, offsets, hyper)
    group = group_of(s, which, hyper)
    if i < last and has_row(group, page, groups, ready):
        h, own = load(table, group - page), values_of(group, hyper, {fields})
        extra = T(normal(own.offset + i, own.seed, t))
        {element}


def sweep{phase}(page, size, segments, offsets, which, groups, hyper, {fields}, t, {buffers}, table, ready, vectors):
    shift = values_of(0, hyper, {fields}).offset & (TILE - 1)
    units, stride = (size + shift + TILE - 1) // TILE * UNITS, threads() * blocks()
    unit = threads() * block() + thread()
    while unit < units:
        start = start_of(unit, shift)
        s, last = segment_of(max(start, 0), size, segments, offsets, hyper)
        group = group_of(s, which, hyper)
        if has_row(group, page, groups, ready):
            h, own = load(table, group - page), values_of(group, hyper, {fields})
            if vectors != 0 and shift & (RUN - 1) == 0 and (own.offset - shift) & (TILE - 1) == 0:
                while start >= 0 and start + 3 * LANES + RUN <= last:
                    runs(start, {buffers}, h, own.seed, t, own.offset)
                    unit += stride
                    start = start_of(unit, shift)
        else:
            while start >= 0 and start + 3 * LANES + RUN <= last:
                unit += stride
                start = start_of(unit, shift)
        if start < last or start >= size:
            for e in range(4 * RUN):
                i = start + e // RUN * LANES + (e & (RUN - 1))
                if i >= 0 and i < size:
                    single(i, page, size, segments, offsets, which, groups, hyper, {fields}, t, {buffers}, table, ready)
            unit += stride
"""

# Partial sums: each 64 threads take a block of 4,096 elements, one lane a thread. Then one block of threads for each
# segment adds the segment's partial sums in their order and puts its ratio in the first one's place.

NORMS = """

def segment_of_sum(place, segments, offsets):
    # The last segment whose partial sums begin at or before this place among all.
    low, high = 0, segments
    while high - low > 1:
        middle = (low + high) // 2
        if (offsets[middle] >> BLOCK_BITS) + middle <= place:
            low = middle
        else:
            high = middle
    return low


def sum_lane(i, last, {buffers}, h):
    a = b = 0.0
    while i + 3 * LANES < last:
        {measure_four}
    while i < last:
        {measure_one}
    return a, b


def add_lanes(a, b, lane):
    barrier()
    half = LANES // 2
    while half > 0:
        if lane < half:
            a[thread()] += a[thread() + half]
            b[thread()] += b[thread() + half]
        barrier()
        half //= 2


def sweep_norms(page, size, segments, offsets, which, groups, hyper, {fields}, t, norms, {buffers}, table, ready,
                vectors):
    a, b = shared_a_norms(), shared_b_norms()
    teams, team, lane = threads() // LANES, thread() // LANES, thread() & (LANES - 1)
    sums = (size >> BLOCK_BITS) + segments
    base = block() * teams
    while base < sums:
        place, mine = base + team, False
        a[thread()] = b[thread()] = 0.0
        if place < sums:
            s = segment_of_sum(place, segments, offsets)
            first = offsets[s] + ((place - s - (offsets[s] >> BLOCK_BITS)) << BLOCK_BITS)
            last = min(first + BLOCK, offsets[s + 1])
            group = group_of(s, which, hyper)
            mine = first < last and has_row(group, page, groups, ready)
            if mine:
                a[thread()], b[thread()] = sum_lane(first + lane, last, {buffers}, load(table, group - page))
        add_lanes(a, b, lane)
        if mine and lane == 0:
            norms[2 * place], norms[2 * place + 1] = a[thread()], b[thread()]
        base += blocks() * teams
"""

TRUST = """

def sum_blocks(count, first, norms, a, b):
    # Threads fetch a piece of the partial sums, the first one adds it.
    x = y = 0.0
    for start in range(0, count, PIECE):
        k, end = thread(), min(PIECE, count - start)
        while k < end:
            a[k], b[k] = norms[first + 2 * (start + k)], norms[first + 2 * (start + k) + 1]
            k += threads()
        barrier()
        if thread() == 0:
            for j in range(end):
                x += a[j]
                y += b[j]
        barrier()
    return x, y


def kernel_trust(size, segments, offsets, which, groups, hyper, {fields}, step, t, norms, {buffers}, vectors):
    unaliased()
    if not is_null(step):
        t = step[0]
    if is_null(hyper):
        groups = 1
    s = block()
    while s < segments:
        first = 2 * ((offsets[s] >> BLOCK_BITS) + s)
        count = (offsets[s + 1] - offsets[s] + BLOCK - 1) >> BLOCK_BITS
        group = group_of(s, which, hyper)
        if group < 0 or group >= groups:                      # a frozen segment has no partial sums
            count = 0
        x, y = sum_blocks(count, first, norms, shared_a_trust(), shared_b_trust())
        if thread() == 0 and count > 0:
            values = values_of(group, hyper, {fields})
            if usable(values, t):
                norms[first] = T(trust(math.sqrt(x), math.sqrt(y), values))
        s += blocks()
"""
