"""The published constants of CornerNet-Saccade's placement."""

REFERENCE_SHARE = 0.7
"""With random cropping, the share of draws that use a reference box."""

CENTRE_SPREAD = 14
"""A centred crop lies at most this many pixels off the reference's centre."""

LENGTH_CLASSES = ((96.0, (96, 254)), (32.0, (32, 96)), (-1.0, (16, 32)))
"""(longer than, target length from … to) in pixels, largest class first."""


def length_range(longest: float) -> tuple[int, int]:
    """Return the least and the largest target length of a box whose longer side has `longest` pixels."""
    return next(target for above, target in LENGTH_CLASSES if longest > above)
