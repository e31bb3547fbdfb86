"""What single PTX instructions must compute, from Python's integers and fractions and NumPy's floats.

A case is an opcode, the types of its destination and operands, and a function of the operands' values; integers are
Python's, floats NumPy scalars, predicates booleans. Operands are taken from POOLS, all against all.
"""
import itertools
import math
from fractions import Fraction

import numpy as np

DTYPES = {"f32": np.dtype("f4"), "f64": np.dtype("f8"), "pred": np.dtype("u4"),
          **{f"{kind}{n}": np.dtype(f"{image}{n // 8}") for kind, image in ("si", "uu", "bu") for n in (8, 16, 32, 64)}}
PRECISION = {"f32": (24, -149), "f64": (53, -1074)}             # bits of a significand, exponent of the least number


def floats(kind):
    info, dtype = np.finfo(DTYPES[kind]), DTYPES[kind].type
    tiny, one = dtype(info.tiny), dtype(1)
    found = [dtype(x) for x in (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 0.1, 1 / 3, math.pi, 127.5, 255.5, 2.0**31, 2.0**32,
                                2.0**53, 2.0**63, 2.0**64, 1e30, np.inf, np.nan)]
    found += [tiny, info.smallest_subnormal, tiny / 2, info.max, np.nextafter(one, dtype(2)),
              *(np.nextafter(dtype(x), dtype(0)) for x in (1.0, 2.0**31, 2.0**63))]
    return found + [-x for x in found]


def integers(kind):
    n, signed = int(kind[1:]), kind[0] == "s"
    low, high = (-(1 << n - 1), (1 << n - 1) - 1) if signed else (0, (1 << n) - 1)
    found = {low, low + 1, high, high - 1, 0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 100, 0x1234567890ABCDEF & high,
             0xA5 << n // 4 & high, (1 << 24) + 1 & high, (1 << 53) + 1 & high, (1 << 63) + 1025 & high,
             *((-1, -2, -7, -100) if signed else ())}
    return sorted(found)


POOLS = {**{kind: floats(kind) for kind in PRECISION}, "pred": [False, True],
         **{kind: integers(kind) for kind in DTYPES if kind[0] in "sub" and kind[1:].isdigit()}}


def rounded(x, kind, mode="rn"):
    """A fraction as a float of the kind; zero and overflow as IEEE 754 has them (the sign of a zero: plus)."""
    precision, least = PRECISION[kind]
    dtype, info = DTYPES[kind].type, np.finfo(DTYPES[kind])
    if x == 0:
        return dtype(0)
    size = abs(x)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > size
    unit = Fraction(2) ** max(exponent - precision + 1, least)
    whole, rest = divmod(size / unit, 1)
    away = {"rn": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1), "rz": False, "rm": rest > 0 > x,
            "rp": rest > 0 and x > 0}[mode]
    size = (whole + away) * unit
    if size > Fraction(float(info.max)):
        infinite = mode == "rn" or (mode == "rp" and x > 0) or (mode == "rm" and x < 0)
        size = math.inf if infinite else float(info.max)
    return dtype(float(size) if x > 0 else -float(size))


def fused(kind):
    """a * b + c, rounded once."""
    def value(a, b, c):
        if not all(map(math.isfinite, (a, b, c))):
            return a * b + c if math.isfinite(c) or not (math.isfinite(a) and math.isfinite(b)) else c
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        return rounded(exact, kind) if exact else DTYPES[kind].type(a * b + c if 0 in (a, b) else 0.0)
    return value


def extremum(better, nan):
    def value(a, b):
        if np.isnan(a) or np.isnan(b):
            return type(a)(np.nan) if nan or (np.isnan(a) and np.isnan(b)) else b if np.isnan(a) else a
        return better((a, b), key=lambda x: (x, not np.signbit(x)))
    return value


def wrap(x, kind):
    n = int(kind[1:])
    x &= (1 << n) - 1
    return x - (1 << n) if kind[0] == "s" and x >> n - 1 else x


def clamp(x, kind):
    n, signed = int(kind[1:]), kind[0] == "s"
    return min(max(x, -(1 << n - 1) if signed else 0), (1 << n - signed) - 1)


def to_integer(kind, source, mode):
    """cvt of a float, PTX ISA 9.0: clamped; a NaN gives 0, or the highest bit alone where 64-bit types are involved."""
    rule = {"rni": lambda x: round(Fraction(x)), "rzi": math.trunc, "rmi": math.floor, "rpi": math.ceil}[mode]

    def value(a):
        if np.isnan(a):
            return 0 if source == "f32" and "64" not in kind else wrap(1 << int(kind[1:]) - 1, kind)
        return clamp(rule(float(a)) if np.isfinite(a) else (1 << 70) * (1 if a > 0 else -1), kind)
    return value


def divided(a, b):
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def unpack(a, n):
    return [a >> i & 1 for i in range(n)]


def number(digits):
    return sum(digit << i for i, digit in enumerate(digits))


def bfe(kind):
    """The ISA's loop over the bits."""
    n = int(kind[1:])

    def value(a, b, c):
        digits, position, length = unpack(a, n), b & 255, c & 255
        sign = 0 if kind[0] == "u" or not length else digits[min(position + length - 1, n - 1)]
        return wrap(number(digits[position + i] if i < length and position + i < n else sign for i in range(n)), kind)
    return value


def bfi(n):
    def value(a, b, c, d):
        source, target, position, length = unpack(a, n), unpack(b, n), c & 255, d & 255
        for i in range(min(length, n - position)):
            target[position + i] = source[i]
        return number(target)
    return value


def bfind(kind, shiftamt):
    n = int(kind[1:])

    def value(a):
        top = (~a if a < 0 else a).bit_length() - 1
        return 0xFFFFFFFF if top < 0 else n - 1 - top if shiftamt else top
    return value


def permute(a, b, c):
    source, result = (b << 32 | a).to_bytes(8, "little"), []
    for i in range(4):
        byte, sign = source[c >> 4 * i & 7], c >> 4 * i & 8
        result.append((255 if byte & 128 else 0) if sign else byte)
    return int.from_bytes(bytes(result), "little")


def look_up(a, b, c, d):
    digits = zip(unpack(a, 32), unpack(b, 32), unpack(c, 32), strict=True)
    return number(d >> (4 * x + 2 * y + z) & 1 for x, y, z in digits)


def compared(test, logic=None):
    """setp, in terms of equal, less and unordered."""
    def value(a, b, c=False):
        either = isinstance(a, np.floating) and bool(np.isnan(a) or np.isnan(b))
        name = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}.get(test, test)
        if name in ("num", "nan"):
            holds = either == (name == "nan")
        else:
            ordered = {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}[name[:2]]
            holds = len(name) == 3 if either else bool(ordered)
        return {None: holds, "and": holds and c, "or": holds or c, "xor": holds != c}[logic]
    return value


def classified(test):
    def value(a):
        tiny = np.finfo(a).tiny
        return bool({"finite": np.isfinite(a), "infinite": np.isinf(a), "number": not np.isnan(a),
                     "notanumber": np.isnan(a), "normal": np.isfinite(a) and abs(a) >= tiny,
                     "subnormal": 0 < abs(a) < tiny}[test])
    return value


def float_cases():
    for t in PRECISION:
        dtype = DTYPES[t].type
        yield f"add.rn.{t}", [t] * 3, lambda a, b: a + b
        yield f"sub.rn.{t}", [t] * 3, lambda a, b: a - b
        yield f"mul.rn.{t}", [t] * 3, lambda a, b: a * b
        yield f"div.rn.{t}", [t] * 3, lambda a, b: a / b
        yield f"rcp.rn.{t}", [t] * 2, lambda a, dtype=dtype: dtype(1) / a
        yield f"sqrt.rn.{t}", [t] * 2, np.sqrt
        yield f"abs.{t}", [t] * 2, np.abs
        yield f"neg.{t}", [t] * 2, np.negative
        yield f"copysign.{t}", [t] * 3, lambda a, b: np.copysign(b, a)
        for name in ("fma", "mad"):
            yield f"{name}.rn.{t}", [t] * 4, fused(t)
        for name, better in (("min", min), ("max", max)):
            yield f"{name}.{t}", [t] * 3, extremum(better, False)
            yield f"{name}.NaN.{t}", [t] * 3, extremum(better, True)
        for test in ("finite", "infinite", "number", "notanumber", "normal", "subnormal"):
            yield f"testp.{test}.{t}", ["pred", t], classified(test)
        for test in ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"]:
            yield f"setp.{test}.{t}", ["pred", t, t], compared(test)


def integer_cases():
    for t in ("s16", "u16", "s32", "u32", "s64", "u64"):
        n, wide = int(t[1:]), f"{t[0]}{2 * int(t[1:])}"
        yield f"add.{t}", [t] * 3, lambda a, b, t=t: wrap(a + b, t)
        yield f"sub.{t}", [t] * 3, lambda a, b, t=t: wrap(a - b, t)
        yield f"mul.lo.{t}", [t] * 3, lambda a, b, t=t: wrap(a * b, t)
        yield f"mul.hi.{t}", [t] * 3, lambda a, b, t=t, n=n: wrap(a * b >> n, t)
        yield f"mad.lo.{t}", [t] * 4, lambda a, b, c, t=t: wrap(a * b + c, t)
        yield f"mad.hi.{t}", [t] * 4, lambda a, b, c, t=t, n=n: wrap((a * b >> n) + c, t)
        if n < 64:
            yield f"mul.wide.{t}", [wide, t, t], lambda a, b: a * b
            yield f"mad.wide.{t}", [wide, t, t, wide], lambda a, b, c, wide=wide: wrap(a * b + c, wide)
        yield f"div.{t}", [t] * 3, lambda a, b, t=t: wrap(divided(a, b), t) if b else None
        yield f"rem.{t}", [t] * 3, lambda a, b, t=t: a - b * divided(a, b) if b else None
        yield f"min.{t}", [t] * 3, min
        yield f"max.{t}", [t] * 3, max
        yield f"shr.{t}", [t, t, "u32"], lambda a, b: a >> b
        if t[0] == "s":
            yield f"abs.{t}", [t] * 2, lambda a, t=t: wrap(abs(a), t)
            yield f"neg.{t}", [t] * 2, lambda a, t=t: wrap(-a, t)
        for test in ("eq ne lt le gt ge" + " lo ls hi hs" * (t[0] == "u")).split():
            yield f"setp.{test}.{t}", ["pred", t, t], compared(test)
        if n > 16:
            yield f"bfind.{t}", ["u32", t], bfind(t, False)
            yield f"bfind.shiftamt.{t}", ["u32", t], bfind(t, True)
            yield f"bfe.{t}", [t, t, "u32", "u32"], bfe(t)


def bit_cases():
    for n in (16, 32, 64):
        t, ones = f"b{n}", (1 << n) - 1
        yield f"and.{t}", [t] * 3, lambda a, b: a & b
        yield f"or.{t}", [t] * 3, lambda a, b: a | b
        yield f"xor.{t}", [t] * 3, lambda a, b: a ^ b
        yield f"not.{t}", [t] * 2, lambda a, ones=ones: ones ^ a
        yield f"cnot.{t}", [t] * 2, lambda a: int(not a)
        yield f"shl.{t}", [t, t, "u32"], lambda a, b, ones=ones: a << min(b, 64) & ones
        yield f"shr.{t}", [t, t, "u32"], lambda a, b: a >> b
        yield f"setp.ne.{t}", ["pred", t, t], compared("ne")
        yield f"mov.{t}", [t, t], lambda a: a
        yield f"selp.{t}", [t, t, t, "pred"], lambda a, b, c: a if c else b
        if n > 16:
            yield f"popc.{t}", ["u32", t], lambda a: a.bit_count()
            yield f"clz.{t}", ["u32", t], lambda a, n=n: n - a.bit_length()
            yield f"brev.{t}", [t, t], lambda a, n=n: number(reversed(unpack(a, n)))
            yield f"bfi.{t}", [t, t, t, "u32", "u32"], bfi(n)
    for name, value in (("and", lambda a, b: a and b), ("or", lambda a, b: a or b), ("xor", lambda a, b: a != b)):
        yield f"{name}.pred", ["pred"] * 3, value
        yield f"setp.ltu.{name}.f32", ["pred", "f32", "f32", "pred"], compared("ltu", name)
        yield f"setp.ge.{name}.s32", ["pred", "s32", "s32", "pred"], compared("ge", name)
    yield "not.pred", ["pred"] * 2, lambda a: not a
    yield "mov.pred", ["pred"] * 2, lambda a: a
    yield "selp.f64", ["f64", "f64", "f64", "pred"], lambda a, b, c: a if c else b
    yield "mov.f32", ["f32", "f32"], lambda a: a
    yield "prmt.b32", ["b32"] * 4, permute
    yield "lop3.b32", ["b32", "b32", "b32", "b32", 0x96], look_up
    yield "lop3.b32", ["b32", "b32", "b32", "b32", 0xCA], look_up
    for side, ends in (("l", lambda a, b, by: (b << 32 | a) << by >> 32), ("r", lambda a, b, by: (b << 32 | a) >> by)):
        yield f"shf.{side}.wrap.b32", ["b32"] * 3 + ["u32"], lambda a, b, c, e=ends: e(a, b, c % 32) & 0xFFFFFFFF
        yield f"shf.{side}.clamp.b32", ["b32"] * 3 + ["u32"], lambda a, b, c, e=ends: e(a, b, min(c, 32)) & 0xFFFFFFFF
    yield "add.sat.s32", ["s32"] * 3, lambda a, b: clamp(a + b, "s32")
    yield "sub.sat.s32", ["s32"] * 3, lambda a, b: clamp(a - b, "s32")


def conversion_cases():
    whole = [f"{kind}{n}" for kind in "su" for n in (8, 16, 32, 64)]
    for d, s in itertools.product(whole, whole):
        yield f"cvt.{d}.{s}", [d, s], lambda a, d=d: wrap(a, d)
        yield f"cvt.sat.{d}.{s}", [d, s], lambda a, d=d: clamp(a, d)
    for t, i in itertools.product(PRECISION, whole):
        for mode in ("rni", "rzi", "rmi", "rpi"):
            yield f"cvt.{mode}.{i}.{t}", [i, t], to_integer(i, t, mode)
        for mode in ("rn", "rz", "rm", "rp"):
            yield f"cvt.{mode}.{t}.{i}", [t, i], lambda a, t=t, mode=mode: rounded(Fraction(a), t, mode)
    for mode in ("rn", "rz", "rm", "rp"):
        yield f"cvt.{mode}.f32.f64", ["f32", "f64"], lambda a, mode=mode: (
            np.copysign(rounded(Fraction(float(a)), "f32", mode), np.float32(a)) if np.isfinite(a) else np.float32(a))
    yield "cvt.f64.f32", ["f64", "f32"], np.float64
    for mode, rule in (("rni", np.rint), ("rzi", np.trunc), ("rmi", np.floor), ("rpi", np.ceil)):
        yield f"cvt.{mode}.f32.f32", ["f32", "f32"], rule
        yield f"cvt.{mode}.f64.f64", ["f64", "f64"], rule


CASES = [*float_cases(), *integer_cases(), *bit_cases(), *conversion_cases()]
