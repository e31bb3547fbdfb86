"""Rules that divide by the learning rate: as it falls to 0 they come to rest before its reciprocal overflows."""
import numpy as np
import pytest
from reference import FLOAT, arrays, each_dtype, plan, planned, ranges, records, same_bits, values, whole

from numoptim import Rule
from numoptim.kernels import least_rate
from numoptim.rules import RULES


def update(w, g, z, h):
    z = g / h.learning_rate                                 # without prepare
    return w - h.learning_rate * (h.learning_rate * z), z


OWN = Rule("reciprocal", update, ("z",), {"learning_rate": (0.1, "[0, inf)")}, needs_rate=True)
NEEDING = [*(rule for rule in RULES if rule.needs_rate), OWN]
SIZE, OFFSETS = 60, np.array([0, 60])

needing = pytest.mark.parametrize("rule", NEEDING, ids=lambda rule: rule.name)


def begin(rule, dtype):
    w = np.random.default_rng(3).uniform(-30, 30, SIZE).astype(FLOAT[dtype])
    return [w, *(np.zeros_like(w) for _ in range(1 + len(rule.slots)))]


def halved(dtype):
    """Rates down to the smallest number of the element type, further to that of float64, and 0."""
    rate = 0.25
    while rate > 0:
        yield rate
        rate *= 0.5 if rate >= np.finfo(FLOAT[dtype]).smallest_subnormal else 2.0**-60
    yield from (0.0, -0.0, 0.0)


@each_dtype
@needing
def test_a_halving_schedule_down_to_0(rule, dtype):
    rng, least, moved = np.random.default_rng(4), least_rate(np.dtype(FLOAT[dtype])), []
    everywhere = [begin(rule, dtype) for _ in range(3)]
    for t, rate in enumerate(halved(dtype), 1):
        group = values(rule, learning_rate=rate, clip_gradient=np.inf)
        before, g = [b.copy() for b in everywhere[0]], 20 * rng.standard_normal(SIZE)
        for buffers in (before, *everywhere):
            buffers[1][:] = g
        assert whole(rule, everywhere[0], group, t, OFFSETS) == 0
        ranges(rule, everywhere[1], [group], t, OFFSETS, np.zeros(1, np.int64), [(7, SIZE - 7), (0, 7)])
        arrays(rule, everywhere[2], group, t, OFFSETS)
        for name, old, *new in zip(("w", "g", *rule.slots), before, *everywhere, strict=True):
            assert same_bits(new[0], new[1]) and same_bits(new[0], new[2]), (name, rate)
            assert np.isfinite(new[0]).all(), (name, rate)
            assert rate >= least or same_bits(new[0], old), (name, rate)
        moved.append((rate, not all(same_bits(a, b) for a, b in zip(before, everywhere[0], strict=True))))
    assert all(moves == (rate >= least) for rate, moves in moved)
    assert sum(moves for _, moves in moved) > 90 and sum(not moves for _, moves in moved) > 20


@each_dtype
@pytest.mark.parametrize("rule", [rule for rule in NEEDING if rule.init], ids=lambda rule: rule.name)
def test_slots_do_not_begin_at_such_a_rate(rule, dtype):
    least, w = least_rate(np.dtype(FLOAT[dtype])), np.array([30.0, 0.0, -30.0], FLOAT[dtype])
    for rate, status in ((least, 0), (np.nextafter(least, 0), -4), (5e-324, -4), (0.0, -4), (-0.0, -4)):
        slots = [np.full_like(w, 7) for _ in rule.slots]
        hyper = records(rule, [values(rule, learning_rate=rate)])
        made = plan(0, 3, np.array([0, 3]), None, hyper, [w, None, *slots])
        assert planned(rule, "init", made, 1, w.dtype) == status
        assert all(np.isfinite(slot).all() and (slot == 7).all() == (status != 0) for slot in slots)


def test_the_least_rates_are_those_of_the_documents():
    assert 2.4e-32 < least_rate(np.dtype(np.float32)) < 2.5e-32
    assert 2.4e-293 < least_rate(np.dtype(np.float64)) < 2.6e-293
    assert all(np.isfinite(dtype(1 / least_rate(np.dtype(dtype)))) for dtype in FLOAT.values())
