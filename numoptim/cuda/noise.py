"""random.py's normal numbers by the counter and by the element, for threads that each draw their own."""
import numpy as np

from numoptim.random import HALF, LANES, LOW, TILE, box_muller, philox


def words(counter, seed, step):
    counter, seed, step = np.uint64(counter), np.uint64(seed), np.uint64(step)
    return philox(counter & LOW, counter >> HALF, step & LOW, step >> HALF, seed & LOW, seed >> HALF)


def normals(counter, seed, step):
    """The four numbers of a counter: words 0 ... 3 of one lane."""
    x0, x1, x2, x3 = words(counter, seed, step)
    a, b = box_muller(x0, x1)
    c, d = box_muller(x2, x3)
    return a, b, c, d


def normal(element, seed, step):
    """The number of one element."""
    x0, x1, x2, x3 = words(element // TILE * LANES + (element & (LANES - 1)), seed, step)
    word = (element & (TILE - 1)) // LANES
    a, b = box_muller(x0 if word < 2 else x2, x1 if word < 2 else x3)
    return b if word & 1 != 0 else a
