"""The loops around a rule, as text: Numba compiles functions of fixed arity, and rules differ in slots.

Placeholders: ``{buffers}`` the parameters w, g and one ``s_<slot>`` each; ``{element}`` the lines that
update element i (text.element); ``{old}`` what a rule reads of it. Indices are unsigned: an index whose
sign LLVM cannot prove keeps a loop scalar.

A ``span`` updates elements first ... last - 1 of one segment under one set of constants: DENSE, or NOISY
for rules that take noise; NORMS is what layer-wise rules have beside it. All have the same entries: whole
buffers under one set of hyper-parameters, or any range of a flat buffer with its table of segments.
"""

DENSE = """
def span(first, last, {buffers}, h{ratio}):
    # Beside a rule's arithmetic a processor keeps too few loads in flight to reach the memory's speed:
    # ask for the lines ahead, two of each buffer at a time. The odd end first, so that constants stay in
    # registers once they are spread over vectors.
    shared(), unaliased()
    rest = np.uintp(last - first) & np.uintp(CHUNK - 1)       # which tells LLVM that it is short
    for j in range(rest):
        i = np.uintp(last) - rest + j
        {element}
    for c in range((last - first) // CHUNK):
        start = first + c * CHUNK
        {prefetch}
        for j in range(CHUNK):
            i = np.uintp(start) + np.uintp(j)
            {element}
"""

NOISY = """
def span(first, last, {buffers}, h, seed, t, origin):
    # Element i takes normal number origin + i, drawn a tile at a time.
    shared(), unaliased()
    normals, words = stack_normals(), stack_words()
    begin, end = origin + first, origin + last
    for tile in range(begin // TILE, (end + TILE - 1) // TILE):
        fill(normals, words, tile, seed, t)
        start = tile * TILE
        for e in range(max(begin, start), min(end, start + TILE)):
            i = np.uintp(e - origin)
            extra = T(normals[np.uintp(e - start)])
            {element}
"""

NORMS = """
def row(start, count, {buffers}, h, a, b):
    unaliased()
    for lane in range(count):
        i = start + np.uintp(lane)
        x, y = measure({old}, h)
        a[lane] += np.float64(x) * np.float64(x)
        b[lane] += np.float64(y) * np.float64(y)


def block(first, last, {buffers}, h):
    # 64 lanes and a fixed tree: one order of additions for every vector width.
    shared()
    a, b = stack_lanes(), stack_lanes()
    for lane in range(LANES):
        a[lane] = b[lane] = 0.0
    start, rows = np.uintp(first), (last - first) // LANES
    for r in range(rows):
        row(start + np.uintp(r * LANES), LANES, {buffers}, h, a, b)
    row(start + np.uintp(rows * LANES), last - first - rows * LANES, {buffers}, h, a, b)
    half = LANES // 2
    while half > 0:
        for lane in range(half):
            a[lane] += a[lane + half]
            b[lane] += b[lane + half]
        half //= 2
    return a[0], b[0]


def ratio_of_segment(first, last, {buffers}, h, hyper):
    a = b = 0.0
    for start in range(first, last, BLOCK):
        x, y = block(start, min(start + BLOCK, last), {buffers}, h)
        a += x
        b += y
    return T(trust(math.sqrt(a), math.sqrt(b), hyper))


def ratio_of_norms(norms, s, first, last, hyper):
    a = b = 0.0
    slot = 2 * (first // BLOCK + s)
    for start in range(first, last, BLOCK):
        a += norms[slot]
        b += norms[slot + 1]
        slot += 2
    return T(trust(math.sqrt(a), math.sqrt(b), hyper))


def entry_norms(lo, n, k, offsets, which, groups, hyper, norms, {buffers}, t):
    touched = check_range(lo, n, k, offsets, which, groups, hyper, {buffers}, t)
    if touched < 0 or n == 0:
        return touched
    if is_null(norms):
        return NULL
    for s in range(touched, k):
        first, last = offsets[s], offsets[s + 1]
        if first >= lo + n:
            break
        if which[s] == FROZEN:
            continue
        h = constants(t, record_at(hyper, which[s]))
        skipped = max(lo - first + BLOCK - 1, 0) // BLOCK         # blocks that begin before lo
        slot = 2 * (first // BLOCK + s + skipped)
        for start in range(first + skipped * BLOCK, min(last, lo + n), BLOCK):
            norms[slot], norms[slot + 1] = block(start - lo, min(start + BLOCK, last) - lo, {buffers}, h)
            slot += 2
    return 0
"""

CONSTANTS = """
def constants(t, hyper):
    {prepare}
    return H({values})


def check_hyper(hyper):
    return 0 if {conditions} else HYPER
"""

RANGE = """

# The same as functions of their own: less code.

def check_group(hyper):
    shared()
    return check_hyper(hyper)


def store_constants(table, row, t, hyper):
    shared()
    store(table, row, constants(t, hyper))


def check_range(lo, n, k, offsets, which, groups, hyper, {buffers}, t):
    {once}
    # A status, or the first segment that the range touches. Reads the table only where the range touches it.
    if not 0 <= lo | n | k | groups < MOST:                   # of the smallest and the largest: sums cannot wrap
        return SIZE
    if t < 1:
        return STEP
    if is_null(hyper):
        return NULL
    for group in range(groups):
        if check_group(record_at(hyper, group)) != 0:
            return HYPER
    if n == 0:
        return 0
    if is_null(offsets) or is_null(which) or {any_null}:
        return NULL
    if k == 0 or offsets[0] != 0 or offsets[k] < lo + n:
        return TABLE
    touched = first_segment(k, offsets, lo)
    for s in range(touched, k):
        if offsets[s] >= lo + n:
            break
        if not 0 <= offsets[s] <= offsets[s + 1] <= offsets[k] or not FROZEN <= which[s] < groups:
            return TABLE
    return touched
"""

TABLE = """

def first_segment(k, offsets, lo):
    # The last segment that begins at or before lo; of a bad table some segment.
    low, high = 0, k
    while high - low > 1:
        middle = (low + high) // 2
        if offsets[middle] <= lo:
            low = middle
        else:
            high = middle
    return low


def store(table, row, h):
    {store}


def load(table, row):
    return H({load})
"""

ENTRY_RANGE = """

def entry_range(lo, n, k, offsets, which, groups, hyper, {norms}{buffers}, t):
    touched = check_range(lo, n, k, offsets, which, groups, hyper, {buffers}, t)
    if touched < 0 or n == 0:
        return touched
    if {null_norms}:
        return NULL
    # The constants of the first ROWS groups are prepared once, however the segments alternate.
    table, prepared = stack_constants(), 0
    for s in range(touched, k):
        first, last = max(offsets[s], lo), min(offsets[s + 1], lo + n)
        if offsets[s] >= lo + n:
            break
        if which[s] == FROZEN:
            continue
        record, row = record_at(hyper, which[s]), min(which[s], ROWS)
        if (prepared >> row) & 1 == 0:
            store_constants(table, row, t, record)
            prepared |= (1 << row) & (2**ROWS - 1)
        h = load(table, row)
        if first < last and {thawed_record}:
            span(first - lo, last - lo, {buffers}, h{extra_range})
    return 0
"""

# The same with its arguments in a plan, the header's numoptim_plan: words of 8 bytes, addresses included.

PACKED = """
def plan_{phase}(words, t):
    return entry_{phase}(words[0], words[1], words[2], table_at(words[3]), table_at(words[4]), words[5],
                         hyper_at(words[6]), {norms_word}{unpacked}, t)
"""

# Whole buffers under one set of hyper-parameters: raw pointers return a status, arrays raise.

WHOLE = """
def entry({count}, {offsets}{buffers}, hyper, t):
    if not 0 <= {count} < MOST:
        return SIZE
    if t < 1:
        return STEP
    if is_null(hyper):
        return NULL
    if check_group(hyper) != 0:
        return HYPER
    if {count} == 0:
        return 0
    if {any_null}:
        return NULL
    {body}
    return 0
"""

SPAN = """\
if {thawed}:
    span(np.int64(0), size, {buffers}, constants(t, hyper){extra})
"""

SPANS = """\
for s in range(k):
    if offsets[s] < 0 or offsets[s + 1] < offsets[s]:
        return TABLE
h = constants(t, hyper)
for s in range(k):
    first, last = offsets[s], offsets[s + 1]
    ratio = ratio_of_segment(first, last, {buffers}, h, hyper)
    if first < last and {thawed}:
        span(first, last, {buffers}, h, ratio)
"""

ARRAYS = """
def entry_arrays({offsets}{buffers}, hyper, t):
    if {any_unequal}:
        raise ValueError("numoptim: weights, gradient and slots differ in size")
    {offsets_fit}
    status = entry({length}, {offsets_data}{data}, hyper, t)
    if status == HYPER:
        raise ValueError("numoptim: a hyper-parameter is NaN or out of range")
    if status == STEP:
        raise ValueError("numoptim: steps count from t = 1")
    if status != 0:
        raise ValueError("numoptim: offsets decrease or are negative")
"""

INIT = """
def entry_init(size, w, {slots}, hyper):
    if not 0 <= size < MOST:
        return SIZE
    if is_null(hyper):
        return NULL
    if check_group(hyper) != 0 or not ({thawed}):
        return HYPER
    if size == 0:
        return 0
    if is_null(w) or {null_slots}:
        return NULL
    h = constants(1, hyper)
    for i in range(np.uintp(size)):
        {new} = init(w[i], h)
        {stores}
    return 0


def plan_init(words, t):
    return entry_init(words[1], {unpacked_init}, hyper_at(words[6]))
"""
