"""What test_fuzz runs: calls with good and bad arguments, and what each must do by the header's text."""
import random
from collections import Counter

import numpy as np
from library import FFI, LEVELS, LIB, NULL, entry, pointer
from reference import BY_NAME, FLOAT, counts, held, norms_for, records, same_bits, step, values, whole_ones

from numoptim.aot.header import entries
from numoptim.kernels import misfit

GUARD = 64                  # elements before and after each buffer that nobody may touch
HUGE = 2**62
MOST = 2**60                # sizes, offsets and counts are below
ENDS = (-2**63, -HUGE, -1, MOST, HUGE, 2**63 - 1)
FROZEN = -1
BAD_STEPS = (0, -1, -HUGE)
STEPS = (1, 1, 2, 3, 1000, 2**40, HUGE, 2**63 - 1)
CHECKED = 0.02              # part of the good calls that are compared with the rule on scalars


class Case:
    """One call: its arguments, and the statuses it may return."""

    def __init__(self, rng):
        self.rng = rng
        self.rule = rng.choice(list(BY_NAME.values()))
        self.dtype = rng.choice(list(FLOAT))
        self.suffix = rng.choice(entries(self.rule))
        self.ranged = self.suffix.startswith(("_range", "_norms", "_advance"))
        self.by_plan = self.suffix != "" and rng.random() < 0.5
        self.allowed, self.doubtful = set(), set()           # instead of 0; and beside it
        self.size = rng.choice((0, 0, 1, 2, 7, 33, rng.randrange(200)))
        self.t = rng.choice(STEPS)
        if rng.random() < 0.08 and self.suffix != "_init":
            self.t = rng.choice(BAD_STEPS)
            self.allowed.add(-3)
        self._choose_segments()
        self._choose_hyper()
        self._choose_buffers()

    def _choose_segments(self):
        rng, size = self.rng, self.size
        inner = sorted(rng.randrange(size + 1) for _ in range(rng.randrange(4)))
        self.offsets = np.array([0, *inner, size])
        self.groups = rng.choice((1, 2, 20))
        frozen = rng.choice((0.0, 0.0, 0.3, 1.0))
        self.which = np.array([FROZEN if rng.random() < frozen else rng.randrange(self.groups)
                               for _ in self.offsets[1:]])
        self.first = rng.randrange(size + 1)
        self.count = rng.randrange(size - self.first + 1)
        self.segments = len(self.which)
        self.elements_frozen = np.repeat(self.which == FROZEN, np.diff(self.offsets))
        if self.suffix != "_init" and rng.random() < 0.1:
            self._spoil_offsets()

    def _spoil_offsets(self):
        """One number of the table that decreases, is negative, or beyond the last, and perhaps another."""
        for _ in range(self.rng.choice((1, 1, 2))):
            k = self.rng.randrange(self.segments + (self.suffix == ""))
            before = int(self.offsets[k - 1]) if k else 0
            bad = self.rng.choice((*ENDS, max(before - 1, -2**63), self.size + 1))
            self.offsets[k] = bad if k < self.segments else min(bad, -1)      # memory ends where the last one says
        if self.suffix != "":
            self.doubtful.add(-5)                            # the range may not come to it
        elif self.rule.layerwise:
            self.allowed.add(-5)

    def _choose_hyper(self):
        rng, rule = self.rng, self.rule
        if self.suffix in ("", "_init"):
            self.groups = 1
        self.table = [values(rule, wd=rng.choice((0.0, 0.1)), learning_rate=rng.choice((0.0, 0.05)),
                             clip_gradient=rng.choice((0.5, np.inf)), offset=rng.choice((0, 3, 10**18)))
                      for _ in range(self.groups)]
        self.hyper = records(rule, self.table)
        if rng.random() < 0.1:
            key = rng.choice(list(rule.fields))
            group, (default, _) = rng.randrange(self.groups), rule.fields[key]
            bad = rng.choice([-1, -HUGE, 2**63 - 1] if isinstance(default, int) else
                             [np.nan, np.inf, -np.inf, -1.0, 1e300, 1e-300, -1e-300, 1.0 + 1e-15, 1.0 - 1e-15, -0.0])
            self.hyper[group][key] = self.table[group][key] = bad
            if misfit(rule, self.hyper[group], FLOAT[self.dtype]):
                self.allowed.add(-4)
        if (self.which == FROZEN).all() and -4 not in self.allowed and rng.random() < 0.5:
            self.groups = 0
        info = np.finfo(FLOAT[self.dtype])
        if self.suffix == "_init" and rule.needs_rate and (
                self.table[0]["learning_rate"] * float(info.max) * float(info.eps) < 1):
            self.allowed.add(-4)                            # it would divide by the rate

    def frozen(self):
        """Which numbers of each buffer are frozen segments'; those over all where every segment is."""
        frozen = self.which == FROZEN
        of = {"element": self.elements_frozen, "segment": frozen, "all": np.array([frozen.all()])}
        return [self.elements_frozen] * 2 + [of[slot.over] for slot in self.rule.slots]

    def _choose_buffers(self):
        rng, scalar = self.rng, FLOAT[self.dtype]
        self.whole = whole_ones(self.rule)
        self.counts = counts(self.rule, self.size, len(self.which))
        self.memory = [np.random.default_rng(rng.randrange(10**9)).standard_normal(count + 2 * GUARD)
                       .astype(np.float64 if k in self.whole else scalar) for k, count in enumerate(self.counts)]
        self.memory[2:] = [held(slot, x) for slot, x in zip(self.rule.slots, self.memory[2:], strict=True)]
        if self.ranged:
            for memory, frozen in zip(self.memory, self.frozen(), strict=True):
                memory[GUARD:-GUARD][frozen] = np.nan
        self.norms = norms_for(self.rule, [0, self.size + 4096 * self.segments])
        self.norms[:] = 1.0
        first = self.first if self.ranged else 0
        self.addresses = {k: pointer(m[GUARD + (0 if k in self.whole else first):]) for k, m in enumerate(self.memory)}

    def spoil(self):
        """Perhaps make one more argument bad; what the call may then return."""
        rng, ranged = self.rng, self.ranged
        empty = self.count == 0 if ranged else self.size == 0
        self.null = rng.choice(("hyper", "buffer", "norms", "offsets", "which")) if rng.random() < 0.12 else ""
        self.scalar = rng.choice(("first", "count", "segments", "groups", "size", "far")) if rng.random() < 0.12 else ""
        if self.null == "buffer":
            elements = [k for k in range(len(self.memory)) if k not in self.whole]
            read = {"_init": [0, *elements[2:]], "_advance": self.whole}
            self.addresses[rng.choice(read.get(self.suffix, range(len(self.memory))))] = NULL
        if self.suffix == "" and self.rule.layerwise:
            empty = self.segments == 0
        known = {"hyper": True, "buffer": not empty, "norms": self.rule.layerwise and ranged and not empty,
                 "offsets": not empty and (ranged or (self.suffix == "" and self.rule.layerwise)),
                 "which": not empty and ranged}
        if self.null and known[self.null]:
            self.allowed.add(-1)
        self._spoil_scalar(ranged, empty)

    def _spoil_scalar(self, ranged, empty):
        bad = self.rng.choice(ENDS)
        if self.scalar in ("first", "count", "groups") and ranged:
            setattr(self, self.scalar, bad)
            self.allowed.add(-2)
        elif self.scalar == "segments" and (ranged or (self.suffix == "" and self.rule.layerwise)):
            self.segments = bad
            self.allowed.add(-2)
        elif self.scalar == "size" and not ranged and not (self.suffix == "" and self.rule.layerwise):
            self.size_argument = bad
            self.allowed.add(-2)
        elif self.scalar == "far" and ranged and not empty:
            what = self.rng.randrange(5)
            if what == 0:
                self.first = self.rng.choice((MOST - 1, self.size - self.count + 1))
            elif what == 1:
                self.count = self.rng.choice((MOST - 1, self.size - self.first + 1))
            elif what == 2:
                self.which[:] = self.rng.choice((-2, self.groups, *ENDS[:2], *ENDS[-3:]))
            elif what == 3:
                self.offsets[0] = self.rng.choice((*ENDS, 1))
            else:
                self.offsets[-1] = self.rng.choice((*ENDS[:3], self.first + self.count - 1))
            self.allowed.add(-5)

    def call(self):
        self.size_argument = self.size
        self.spoil()
        tables = {name: NULL if self.null == name else pointer(getattr(self, name))
                  for name in ("hyper", "norms", "offsets", "which")}
        buffers = list(self.addresses.values())
        if self.by_plan:
            return self._call_plan(tables, buffers)
        f = getattr(LIB, f"numoptim_{self.rule.name}_{self.dtype}{self.suffix}")
        if self.suffix == "_init":
            slots = [buffer for k, buffer in enumerate(buffers) if k > 1 and k not in self.whole]
            return f(self.size_argument, buffers[0], *slots, tables["hyper"])
        if self.suffix == "":
            head = [self.segments, tables["offsets"]] if self.rule.layerwise else [self.size_argument]
            return f(*head, *buffers, tables["hyper"], self.t)
        norms = [tables["norms"]] if self.rule.layerwise else []
        return f(self.first, self.count, self.segments, tables["offsets"], tables["which"], self.groups,
                 tables["hyper"], *norms, *buffers, self.t)

    def _call_plan(self, tables, buffers):
        plan = FFI.new("numoptim_plan *")
        plan.first, plan.segments, plan.groups = self.first, self.segments, self.groups
        plan.count = self.size_argument if self.suffix == "_init" else self.count
        plan.hyper = tables["hyper"]
        plan.norms = FFI.cast("double *", tables["norms"])
        plan.offsets, plan.which = (FFI.cast("int64_t *", tables[name]) for name in ("offsets", "which"))
        for k, address in enumerate(buffers):
            plan.buffers[k] = address
        return entry(self.rule, self.suffix[1:], self.dtype)(plan, self.t)


def check(case, before, norms, status):
    """The statuses, the guards, and on some calls the numbers."""
    shown = ("first", "count", "size", "segments", "offsets", "which", "groups", "table", "t", "null", "scalar")
    said = f"{case.rule.name}_{case.dtype}{case.suffix} plan={case.by_plan} { {k: getattr(case, k) for k in shown} }"
    allowed = case.doubtful | (case.allowed or {0})
    assert status in allowed, f"status {status}, allowed {allowed}: {said}"
    lo, hi = (case.first, case.first + case.count) if case.ranged else (0, case.size)
    for k, (old, new) in enumerate(zip(before, case.memory, strict=True)):
        same = (old.view(np.uint8) == new.view(np.uint8)).reshape(len(old), -1).all(axis=1)
        inside = same[GUARD:-GUARD]
        if status == 0:
            inside |= may_write(case, k)
        assert same.all(), f"buffer {k} written at {np.flatnonzero(~same) - GUARD}: {said}"
    measured = status == 0 and case.suffix.startswith("_norms") and not case.elements_frozen[lo:hi].all()
    assert measured or (norms == case.norms).all(), said
    whole_range = not case.ranged or (case.suffix == "_range" and not case.rule.layerwise)
    plain = case.suffix != "_init" and case.t < 2**40 and not case.doubtful
    if status == 0 and whole_range and plain and case.rng.random() < CHECKED:
        expected = [b[GUARD:-GUARD].copy() for b in before]
        segmented = case.ranged or case.rule.layerwise
        step(case.rule, expected, case.table, case.t, case.offsets if segmented else None,
             case.which if case.ranged else np.zeros(len(case.which), int) if segmented else None, range(lo, hi))
        for k, (a, b) in enumerate(zip(expected, case.memory, strict=True)):
            if k in case.whole and case.suffix == "_range":
                continue                                    # it leaves them to _advance
            wanted = slice(None) if k in case.whole else slice(lo, hi)
            assert same_bits(a[wanted], b[GUARD:-GUARD][wanted]), said
        return 1
    return 0


def may_write(case, k):
    """Which numbers of buffer k a good call may write."""
    whole = k in case.whole
    if k == 1 or case.suffix.startswith("_norms") or (case.suffix == "_init" and (k == 0 or whole)):
        return False
    if case.suffix in ("", "_init"):
        return True
    if whole != (case.suffix == "_advance"):
        return False
    inside = case.first == 0 or np.arange(case.counts[k]) < 0
    if not whole:
        elements = np.arange(case.size)
        inside = (case.first <= elements) & (elements < case.first + case.count)
    return inside & ~case.frozen()[k]


def run(seed, calls):
    """Make the calls; prints how many returned each status."""
    rng, statuses, compared = random.Random(seed), Counter(), 0
    for k in range(calls):
        if k % 1000 == 0:
            LIB.numoptim_set_isa(rng.choice(LEVELS))
        case = Case(rng)
        before, norms = [m.copy() for m in case.memory], case.norms.copy()
        status = case.call()
        statuses[status] += 1
        compared += check(case, before, norms, status)
    assert compared > calls / 500, f"only {compared} calls were compared with the rules"
    for status, count in sorted(statuses.items()):
        print(status, count)
