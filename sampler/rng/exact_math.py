"""Elementary functions with bit-identical results on every CPU.

The exponential and logarithm of C libraries and of NumPy differ in the last bit between CPUs and versions. Samples must
not. IEEE 754 defines the results of +, −, ×, ÷ and √ exactly, so these functions use nothing else, in a fixed order.
They are accurate to a few units in the last place of float64.
"""

import math

import numpy as np
from numpy.typing import NDArray

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.693147180369123816490
"""ln 2 to 33 bits, so that k·LN2_HIGH is exact for every exponent k in range."""
LN2_LOW = 1.90821492927058770002e-10
"""ln 2 − LN2_HIGH."""

EXP_TERMS = tuple(1.0 / math.factorial(n) for n in range(14, -1, -1))
"""Taylor coefficients, highest first: for |r| ≤ ln 2 / 2 the first omitted term is below 1e-19."""

LOG_TERMS = tuple(1.0 / (2 * n + 1) for n in range(13, -1, -1))
"""Coefficients of artanh(s)/s in s²: for |s| ≤ 0.1716 the first omitted term is below 1e-22."""


def exp(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return e^x elementwise. x: float64 array of any shape, −700 … 700."""
    k = np.rint(x * LOG2_E)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    y = np.full_like(r, EXP_TERMS[0])
    for term in EXP_TERMS[1:]:
        y = y * r + term
    return np.ldexp(y, k.astype(np.int32))


def log(x: float) -> float:
    """Return the natural logarithm of a finite x > 0."""
    mantissa, exponent = math.frexp(x)
    if mantissa < math.sqrt(0.5):
        mantissa, exponent = mantissa * 2.0, exponent - 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    y = LOG_TERMS[0]
    for term in LOG_TERMS[1:]:
        y = y * z + term
    return exponent * LN2_HIGH + (exponent * LN2_LOW + 2.0 * s * y)


# Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 37 (1988):
# rational approximations of the normal quantile, relative error about 1e-16, numerator and denominator, highest first.
_CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
_SHOULDER = (
    (7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def normal_quantile(p: float) -> float:
    """Return x such that a standard normal variable lies below x with probability p, 0 < p < 1."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(_CENTRE, 0.180625 - q * q)
    r = math.sqrt(-log(min(p, 1.0 - p)))
    x = _ratio(_SHOULDER, r - 1.6) if r <= 5.0 else _ratio(_TAIL, r - 5.0)
    return math.copysign(x, q)


def _ratio(terms: tuple[tuple[float, ...], tuple[float, ...]], x: float) -> float:
    top, bottom = terms[0][0], terms[1][0]
    for a, b in zip(terms[0][1:], terms[1][1:], strict=True):
        top, bottom = top * x + a, bottom * x + b
    return top / bottom
