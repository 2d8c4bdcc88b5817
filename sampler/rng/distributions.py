"""Distributions computed from single 64-bit words, one word a draw, the same on every machine."""

from sampler.rng.exact_math import normal_quantile


def uniform(word: int) -> float:
    """Return a float in [0, 1), a multiple of 2⁻⁵³."""
    return (word >> 11) * 2.0**-53


def integer(word: int, low: int, high: int) -> int:
    """Return an integer from low to high, both included. The bias is at most (high − low + 1) / 2⁶⁴."""
    return low + ((word * (high - low + 1)) >> 64)


def fair(word: int) -> bool:
    """Return True for half of all words."""
    return bool(word >> 63)


def between(word: int, low: float, high: float) -> float:
    """Return a float in [low, high)."""
    return low + (high - low) * uniform(word)


def normal(word: int, std: float) -> float:
    """Return a normal variable of mean 0 and standard deviation `std`, by inversion."""
    # 52 bits and a half are exact in a float64; with one bit more the largest words would round up to probability 1.
    return std * normal_quantile(((word >> 12) + 0.5) * 2.0**-52)
