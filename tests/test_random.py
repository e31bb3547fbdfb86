"""Noise: Philox against published answers, the pinned map against Python integers, the distribution against theory."""
import math
from itertools import pairwise

import numba
import numpy as np
import pytest
from reference import plain, ranges, same_bits, values

import numoptim
from numoptim.kernels import random
from numoptim.rules import sgld

MASK = 2**32 - 1
KNOWN = [      # counter, key, output: the test vectors that Random123 is published with
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((MASK,) * 4, (MASK,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]
N = 2**21


def philox(counter, key):
    """Philox4x32-10 on Python integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def box_muller(x, y):
    """r*cos(a), r*sin(a) in float64, of the float32 u."""
    u = np.float32(np.float32(x >> 1) * np.float32(2.0**-31) + np.float32(2.0**-32))
    r, a = math.sqrt(-2 * math.log(u)), 2 * math.pi * y / 2**32
    return r * math.cos(a), r * math.sin(a)


def expected_normal(element, seed, t):
    """The map of random.py's docstring, word for word."""
    tile, place = divmod(element, 256)
    word, lane = divmod(place, 64)
    counter, key = 64 * tile + lane, seed % 2**64
    x = philox((counter & MASK, counter >> 32, t & MASK, t >> 32), (key & MASK, key >> 32))
    return box_muller(*x[:2])[word] if word < 2 else box_muller(*x[2:])[word - 2]


def draw(first, count, seed=5, t=1, dtype=np.float32):
    """Normal numbers as SGLD takes them: the new weights, where weight and gradient are 0, rate and temperature 1."""
    w, hyper = np.zeros(count, dtype), numoptim.hyper("sgld", learning_rate=1.0, seed=seed, offset=first)
    numoptim.kernel("sgld", dtype)(w, np.zeros_like(w), hyper, t)
    return w


@pytest.mark.parametrize("function", [philox, random.philox, numba.njit(random.philox)],
                         ids=["test", "plain", "compiled"])
@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_philox_known_answers(function, counter, key, output):
    if function is philox:
        assert philox(counter, key) == output
    else:
        assert tuple(map(int, function(*map(np.uint64, (*counter, *key))))) == output


@pytest.mark.parametrize("t", [1, 2**33 + 7])
@pytest.mark.parametrize("seed", [0, 77, -3, 2**63 - 1])
@pytest.mark.parametrize("first", [0, 250, 2**38 - 70, 10**18 - 300])
def test_map_from_element_to_normal(first, seed, t):
    expected = [expected_normal(first + i, seed, t) for i in range(300)]
    np.testing.assert_allclose(draw(first, 300, seed, t), expected, 0, 1e-6)


def test_noise_is_float32_for_float64_weights():
    assert np.array_equal(draw(100, 1000, dtype=np.float64), draw(100, 1000).astype(np.float64))


EDGES = [0, 1, 2, 2**29 - 1, 2**29, 2**30, 2**31 - 1, 2**31, 2**32 - 2**29, 2**32 - 129, 2**32 - 2, 2**32 - 1]


@pytest.mark.parametrize("x", EDGES)
def test_box_muller_at_the_edges(x):
    for y in EDGES:
        got = plain(random.box_muller, np.float32)(np.uint64(x), np.uint64(y))
        assert all(type(z) is np.float32 and abs(z) < 6.7 for z in got)
        np.testing.assert_allclose(got, box_muller(x, y), 0, 1e-6)


def test_moments_and_tails():
    x = draw(0, N).astype(np.float64)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs(np.mean(x**power) - moment) < 4 * math.sqrt(variance / N), power
    for bound in (0.01, 0.5, 1, 2, 3, 4, 5):
        for count in (np.sum(x > bound), np.sum(x < -bound)):
            expected = N * math.erfc(bound / math.sqrt(2)) / 2
            assert abs(count - expected) < 4 * math.sqrt(expected) + 1, bound


def test_kolmogorov_smirnov():
    n = 2**20
    cdf = np.array([0.5 + 0.5 * math.erf(x / math.sqrt(2)) for x in np.sort(draw(N, n)).tolist()])
    rank = np.arange(n + 1) / n
    assert max(np.max(cdf - rank[:-1]), np.max(rank[1:] - cdf)) * math.sqrt(n) < 1.95       # p = 0.001


@pytest.mark.parametrize("other", [
    *({"first": lag} for lag in (1, 2, 63, 64, 128, 192, 256)),
    {"t": 2}, {"t": 2**32 + 1}, {"seed": 6}, {"seed": 2**32 + 5},
], ids=str)
def test_neighbours_steps_and_seeds_are_independent(other):
    a, b = (draw(**{"first": 0, "count": N, **which}).astype(np.float64) for which in ({}, other))
    for f in (lambda x: x, lambda x: x * x, np.abs, np.sign):
        assert abs(np.corrcoef(f(a), f(b))[0, 1]) < 4.5 / math.sqrt(N)
    assert np.sum(a == b) < 40                                      # float32 values coincide now and then


def test_seed_and_step_are_not_interchangeable():
    assert np.sum(draw(0, 1000, seed=1, t=2) == draw(0, 1000, seed=2, t=1)) < 3


def test_same_noise_for_any_chunking():
    n, rng = 5000, np.random.default_rng(8)
    whole, parts = ([np.zeros(n, np.float32), rng.standard_normal(n).astype(np.float32)] for _ in range(2))
    parts[1][:] = whole[1]
    edges = [0, *np.sort(rng.integers(0, n, 40)).tolist(), n]
    table = [values(sgld.RULE)], 3, np.array([0, n]), np.zeros(1, np.int64)
    ranges(sgld.RULE, whole, *table, [(0, n)])
    ranges(sgld.RULE, parts, *table, [(lo, hi - lo) for lo, hi in pairwise(edges)][::-1])
    assert same_bits(*(buffers[0] for buffers in (whole, parts)))
    assert np.unique(whole[0]).size > 0.99 * n
