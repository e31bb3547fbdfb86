"""random.py's normal numbers by the counter and by the element, for threads that each draw their own."""
import numpy as np

from numoptim.kernels.random import HALF, LANES, MULTIPLIER0, MULTIPLIER1, TILE, WEYL0, WEYL1, box_muller

from .intrinsics import high_product, product, total, xor

FACTOR0, FACTOR1, STEP0, STEP1 = map(np.uint32, (MULTIPLIER0, MULTIPLIER1, WEYL0, WEYL1))


def philox(counter, step, seed):
    """random.philox in registers of 32 bits, which are what a GPU has: four words as uint32."""
    c0, c1, k0 = np.uint32(counter), np.uint32(counter >> HALF), np.uint32(seed)
    c2, c3, k1 = np.uint32(step), np.uint32(step >> HALF), np.uint32(seed >> HALF)
    for _ in range(10):
        high0, low0 = high_product(c0, FACTOR0), product(c0, FACTOR0)
        high1, low1 = high_product(c2, FACTOR1), product(c2, FACTOR1)
        c0, c1, c2, c3 = xor(xor(high1, c1), k0), low1, xor(xor(high0, c3), k1), low0
        k0, k1 = total(k0, STEP0), total(k1, STEP1)
    return c0, c1, c2, c3


def normals(counter, seed, step):
    """The four numbers of a counter: words 0 ... 3 of one lane."""
    x0, x1, x2, x3 = philox(np.uint64(counter), np.uint64(step), np.uint64(seed))
    a, b = box_muller(np.uint64(x0), np.uint64(x1))
    c, d = box_muller(np.uint64(x2), np.uint64(x3))
    return a, b, c, d


def normal(element, seed, step):
    """The number of one element."""
    counter, word = element // TILE * LANES + (element & (LANES - 1)), (element & (TILE - 1)) // LANES
    x0, x1, x2, x3 = philox(np.uint64(counter), np.uint64(step), np.uint64(seed))
    a, b = box_muller(np.uint64(x0 if word < 2 else x2), np.uint64(x1 if word < 2 else x3))
    return b if word & 1 != 0 else a
