"""Distributions, each computed from one integer of 64 random bits, with the same result on every machine."""

from sampler.rng.exact_math import normal_quantile


def uniform(bits: int, low: float = 0.0, high: float = 1.0) -> float:
    """Return a float in [low, high), one of 2⁵³ equally spaced values."""
    return low + (high - low) * ((bits >> 11) * 2.0**-53)


def integer(bits: int, low: int, high: int) -> int:
    """Return an integer from low to high, both included. The bias is at most (high − low + 1) / 2⁶⁴."""
    return low + ((bits * (high - low + 1)) >> 64)


def coin_flip(bits: int) -> bool:
    """Return True with probability ½."""
    return bool(bits >> 63)


def normal(bits: int, std: float) -> float:
    """Return a normal variable of mean 0 and standard deviation `std`, by inversion."""
    # 52 bits plus one half are exact in a float64. With one more bit, the largest values would round to probability 1.
    return std * normal_quantile(((bits >> 12) + 0.5) * 2.0**-52)
