"""The loops of GPU kernels around a rule, as text; kernels/loops.py says what the placeholders are.

Every kernel of a rule has the same parameters. Its threads go through the buffers with a stride of the whole grid,
so that any grid computes the same bits; blocks of the norms kernel are multiples of 64 threads.

A step's constants stand in shared memory, one row for each of ROWS groups: threads prepare one row each, in float64,
and where there are more groups the buffers are gone through once for each page of them.
"""

GROUPS = """
def values_of(group, hyper, {fields}):
    # The kernel's own hyper-parameters, or those of one C struct in an array of them.
    if is_null(hyper):
        return V({fields})
    return V({words})


def usable(hyper, t):
    return t >= 1 and check_hyper(hyper) == 0 and {thawed}


def prepare_rows(page, groups, table, ready, hyper, {fields}, t):
    for row in range(thread(), min(groups - page, ROWS), threads()):
        values = values_of(page + row, hyper, {fields})
        ready[row] = np.int32(0)
        if usable(values, t):
            store(table, row, constants(t, values))
            ready[row] = np.int32(1)
    barrier()


def has_row(group, page, groups, ready):
    return page <= group and group < min(groups, page + ROWS) and ready[group - page] != 0


def group_of(s, groups, which, hyper):
    return 0 if is_null(hyper) else which[s]
"""

# {phase}: the name; {sweep}: what it does with one page of groups; {t}: the step, or 1 where it is to play no part.

KERNEL = """
def kernel{phase}(size, segments, offsets, which, groups, hyper, {fields}, step, t, {norms}{buffers}, vectors):
    unaliased()
    if not is_null(step):
        t = step[0]
    if is_null(hyper):
        groups = 1
    table, ready = shared_table(), shared_flags()
    for page in range(0, groups, ROWS):
        prepare_rows(page, groups, table, ready, hyper, {fields}, {t})
        {sweep}
        barrier()
"""

# Element by element where a quad of four crosses a border of segments or of the buffers, or is not aligned.

DENSE = """
def segment_of(i, size, segments, offsets, hyper):
    if {one_segment}:
        return 0, size
    s = first_segment(segments, offsets, i)
    return s, min(offsets[s + 1], size)


def four({buffers}, h{ratio}):
    {four}


def quad(at, {buffers}, h{ratio}):
    {lifted} = {lift}
    four({lifted}, h{ratio})
    {lower}


def beyond(i, last, width, stride):
    # The first of a thread's elements from i on that is not below last.
    unit = i - (i & (width - 1))
    while unit + width <= last:
        unit += stride
    return max(unit, last)


def sweep{phase}(page, size, segments, offsets, which, groups, hyper, {norms}{buffers}, table, ready, vectors):
    width = 4 if vectors != 0 else 1
    stride = width * threads() * blocks()
    i = width * (threads() * block() + thread())
    while i < size:
        s, last = segment_of(i, size, segments, offsets, hyper)
        group = group_of(s, groups, which, hyper)
        if not has_row(group, page, groups, ready):
            i = beyond(i, last, width, stride)
            continue
        h = load(table, group - page)
        {segment_ratio}
        if width == 4 and i & 3 == 0:
            while i + 4 <= last:
                quad(i, {buffers}, h{ratio})
                i += stride
        while i < last:
            {element}
            i += 1
            if i & (width - 1) == 0:
                i += stride - width
                if width == 4:
                    break
"""

SWEEP = "sweep{phase}(page, size, segments, offsets, which, groups, hyper, {norms}{buffers}, table, ready, vectors)"
