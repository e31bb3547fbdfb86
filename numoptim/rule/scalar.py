"""What rules may call beside math.sqrt and math.copysign: functions whose bits are the same everywhere.

NaN goes through clip, maximum and sign as NaN. In a function of elements, numbers and ``float()`` are of their type.
"""

def clip(x: float, low: float, high: float) -> float:
    x = low if x < low else x
    return high if x > high else x


def maximum(a: float, b: float) -> float:
    return a if a > b or a != a else b


def sign(x: float) -> float:
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else x


def power(b: float, n: int) -> float:
    """b**n for an integer n >= 0 by squaring; its relative error grows as n * 2**-53."""
    r = 1.0
    while n > 0:
        # Every step has another n, so that a branch would be foretold wrongly; what floats decide needs none.
        r *= b if 0.5 * float(n & 1) > 0.25 else 1.0
        b *= b
        n >>= 1
    return r


def exp(x: float) -> float:
    """e**x, in float64 for -700 < x < 700 to 1e-15: e**r * 2**k with abs(r) <= log(2)/2, r split in two words."""
    k = int(abs(x) * 1.4426950408889634 + 0.5)
    k = -k if x < 0.0 else k
    r = (x - float(k) * 0.6931471803691238) - float(k) * 1.9082149292705877e-10
    s = 1.0
    for i in range(14, 0, -1):
        s = 1.0 + s * (r / float(i))
    return s * power(2.0, k) if k >= 0 else s / power(2.0, -k)


def log(x: float) -> float:
    """Logarithm of a positive finite x, in float64 to 1e-15: 2 atanh((m - 1)/(m + 1)) + k log(2), x = m * 2**k."""
    k = 0
    while x > 1.4142135623730951:
        x *= 0.5
        k += 1
    while x < 0.7071067811865476:
        x *= 2.0
        k -= 1
    r = (x - 1.0) / (x + 1.0)
    s = 0.0
    for i in range(27, 0, -2):
        s = s * r * r + 1.0 / float(i)
    return 2.0 * r * s + float(k) * 0.6931471805599453
