"""Standard normal numbers as a pure function of (seed, step, element).

Source
    Philox4x32-10: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    https://doi.org/10.1145/2063384.2063405
    Box & Muller, "A note on the generation of random normal deviates", 1958.

The map, fixed for good (element, seed and step are int64; each word is 32 bits):
    tile, place = element // 256, element % 256
    word, lane  = place // 64, place % 64
    counter     = 64*tile + lane                  64 bits, little end first; then the 64 bits of step
    x0, x1, x2, x3 = philox(counter, step, key=seed)
    words 0, 1 = r*cos(a), r*sin(a) of (x0, x1); words 2, 3 likewise of (x2, x3), where
    r = sqrt(-2 log(u)), u = (x >> 1) * 2**-31 + 2**-32 of the first word, a = 2 pi x * 2**-32 of the second

Everything after the integers is float32 arithmetic, also for float64 weights; abs(normal) < 6.7.
Four words of a counter lie 64 elements apart, so that a compiler fills 64 counters side by side.
"""
import math

import numpy as np

TILE = 256
LANES = 64
MULTIPLIER0, MULTIPLIER1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL0, WEYL1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
ONE, EIGHTH_TURN, QUARTER, IN_QUARTER = np.uint64(1), np.uint64(0x20000000), np.uint64(30), np.uint64(0x3FFFFFFF)


def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds on four 32-bit words held in uint64: a vector unit multiplies those without widening."""
    for _ in range(10):
        p0 = (c0 & LOW) * MULTIPLIER0
        p1 = (c2 & LOW) * MULTIPLIER1
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0 = (k0 + WEYL0) & LOW
        k1 = (k1 + WEYL1) & LOW
    return c0, c1, c2, c3


def log(x):
    """Natural logarithm of a normal float32 in (0, 1], 0.8 ulp (the polynomial of Cephes' logf)."""
    bits = np.int32(np.float32(x).view(np.int32) - np.int32(0x3F3504F3))
    exponent = np.float32(np.int32(bits >> np.int32(23)))
    z = np.int32(np.int32(bits & np.int32(0x7FFFFF)) + np.int32(0x3F3504F3)).view(np.float32) - 1.0
    y = z * z
    p = 7.0376836292e-2 * z - 1.1514610310e-1
    p = p * z + 1.1676998740e-1
    p = p * z - 1.2420140846e-1
    p = p * z + 1.4249322787e-1
    p = p * z - 1.6668057665e-1
    p = p * z + 2.0000714765e-1
    p = p * z - 2.4999993993e-1
    p = p * z + 3.3333331174e-1
    return z + (p * z * y + exponent * -2.12194440e-4 - 0.5 * y) + exponent * 0.693359375


def sincos(x):
    """Sine and cosine of 2 pi x / 2**32, absolute error 1e-7 (Cephes' sinf and cosf on an eighth of a turn)."""
    t = (x + EIGHTH_TURN) & LOW
    quarter = np.int32(t >> QUARTER)
    r = np.float32(np.int32(np.int32(t & IN_QUARTER) - np.int32(0x20000000))) * 1.4629180792671596e-09
    z = r * r
    s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r
    c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0
    odd = (quarter & np.int32(1)) != 0
    a, b = (c, s) if odd else (s, c)
    return -a if (quarter & np.int32(2)) != 0 else a, -b if ((quarter + np.int32(1)) & np.int32(2)) != 0 else b


def box_muller(x, y):
    """Two independent standard normal float32 from two 32-bit words."""
    u = np.float32(np.int32(x >> ONE)) * 4.656612873077393e-10 + 2.3283064365386963e-10
    r = math.sqrt(-2.0 * log(u))
    s, c = sincos(y)
    return r * c, r * s


def fill(normals, words, tile, seed, step):
    """Write the 256 normal numbers of a tile; ``words`` is scratch for 256 uint32."""
    seed, step, first = np.uint64(seed), np.uint64(step), np.uint64(tile) * np.uint64(LANES)
    for lane in range(LANES):
        counter = first + np.uint64(lane)
        x0, x1, x2, x3 = philox(counter & LOW, counter >> HALF, step & LOW, step >> HALF, seed & LOW, seed >> HALF)
        words[lane], words[64 + lane] = np.uint32(x0), np.uint32(x1)
        words[128 + lane], words[192 + lane] = np.uint32(x2), np.uint32(x3)
    # A second loop: integers and floats are each vectorised at their own best width.
    for pair in range(2):
        for lane in range(LANES):
            k = 128 * pair + lane
            normals[k], normals[64 + k] = box_muller(np.uint64(words[k]), np.uint64(words[64 + k]))
