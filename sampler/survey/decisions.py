"""The random decisions of recipes, compared with the laws that they are drawn from.

A decision is judged by where each draw lies in its own law: the probability of a smaller draw. If the draws follow the
law, these are uniform on [0, 1], though each sample has other boxes and so another law. A draw that is one of several
values stands for a range of probabilities; it is placed in this range by a fixed sequence.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sampler.config_schema import SamplerConfig
from sampler.families.placement_theory import DrawnPlacements, Law, PlacementTheory
from sampler.families.registry import family_of
from sampler.recipe import JITTER_STEPS
from sampler.sample.recipes import ORDERS
from sampler.survey.goodness_of_fit import Fit, compare_counts, compare_uniform
from sampler.survey.histograms import Histogram, octaves
from sampler.survey.survey import Survey

FEW_VALUES = 64
"""Up to this many different scales are counted one by one."""

BINS = 16

PLACE = "place among all possible ones"
"""Unit of a decision whose values are shown by their places in their laws."""

GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of it, modulo 1, are spread evenly however many there are."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One random decision of all samples.

    Attributes:
        name: What is decided.
        unit: What the values are, if the name does not say it.
        rule: The law, in words.
        drawn: How often each value was drawn.
        expected: How often the law says, for the bars of `drawn`.
        fit: Whether the draws follow the law.
    """

    name: str
    unit: str
    rule: str
    drawn: Histogram
    expected: tuple[float, ...]
    fit: Fit


def compare_decisions(survey: Survey, config: SamplerConfig) -> tuple[Decision, ...]:
    """Return each random decision of a survey with augmentation. Those whose law is not known are left out."""
    theory = family_of(config).placement_theory(config)
    placements = () if theory is None else _placements(survey, theory)
    return (*placements, _flip(survey), *_jitter(survey, config), *_lighting(survey, config))


def _placements(survey: Survey, theory: PlacementTheory) -> Iterator[Decision]:
    drawn = DrawnPlacements(
        survey.sizes, survey.scales, survey.centers, survey.samples, survey.originals, survey.reference
    )
    yield _scale(survey.scales, theory.scale_rule, theory.scale_law(drawn))
    law, centers = theory.center_law(drawn), survey.centers.astype(np.float64)
    smaller, at_most = law(centers - 1), law(centers)
    for axis, name in enumerate(("centre, y", "centre, x")):
        free = ~np.isnan(at_most[:, axis])
        if free.any():
            places = _spread(smaller[free, axis], at_most[free, axis])
            yield _uniform(name, PLACE, theory.center_rule, places, (0.0, 1.0), places)


def _scale(scales: NDArray[np.float64], rule: str, law: Law) -> Decision:
    # Scales are a little rounded: a value counts as reached a millionth before it.
    smaller, at_most = law(scales * (1 - 1e-6)), law(scales * (1 + 1e-6))
    fit = compare_uniform(_spread(smaller, at_most))
    distinct, counts = np.unique(scales, return_counts=True)
    if len(distinct) <= FEW_VALUES:
        below = [law(np.full(len(scales), one)).sum() for one in (distinct * (1 - 1e-6)).tolist()]
        upto = [law(np.full(len(scales), one)).sum() for one in (distinct * (1 + 1e-6)).tolist()]
        labels = tuple(f"{one:.4g}" for one in distinct.tolist())
        histogram = Histogram(labels, tuple(counts.tolist()))
        return Decision("scale", "", rule, histogram, tuple((np.array(upto) - below).tolist()), fit)
    edges = octaves(scales)
    between = [law(np.full(len(scales), edge)).sum() for edge in edges[1:-1].tolist()]
    reached = np.array([0.0, *between, len(scales)])  # the outer bars have everything beyond them
    return Decision("scale", "", rule, Histogram.of(scales, edges), tuple(np.diff(reached).tolist()), fit)


def _flip(survey: Survey) -> Decision:
    return _choice("flip", ("no", "yes"), survey.flips.astype(np.intp))


def _jitter(survey: Survey, config: SamplerConfig) -> Iterator[Decision]:
    if not config.rand_color:
        return
    orders = [", ".join(JITTER_STEPS[step] for step in order) for order in ORDERS]
    yield _choice("order of the jitter", orders, survey.orders.astype(np.intp))
    if config.jitter:
        low, high = 1 - config.jitter, 1 + config.jitter
        for column, step in enumerate(JITTER_STEPS):
            gains = survey.gains[:, column]
            rule = f"uniform from {low:g} to {high:g}"
            yield _uniform(step, "gain", rule, gains, (low, high), (gains - low) / (high - low))


def _lighting(survey: Survey, config: SamplerConfig) -> Iterator[Decision]:
    std = config.lighting_std
    if not (config.rand_color and config.lighting and std):
        return
    for column in range(3):
        weights = survey.lighting[:, column]
        edges = np.linspace(-4 * std, 4 * std, BINS + 1)
        law = _normal(edges / std)
        law[[0, -1]] = 0, 1  # so that the outer bins have the tails
        yield Decision(
            f"lighting {column + 1}",
            "weight",
            f"normal with mean 0 and standard deviation {std:g}",
            Histogram.of(weights, edges),
            tuple((np.diff(law) * len(weights)).tolist()),
            compare_uniform(_normal(weights / std)),
        )


def _choice(name: str, labels: Sequence[str], drawn: NDArray[np.intp]) -> Decision:
    counts = np.bincount(drawn, minlength=len(labels))
    expected = np.full(len(labels), len(drawn) / len(labels))
    return Decision(
        name,
        "",
        "each is equally likely",
        Histogram(tuple(labels), tuple(counts.tolist())),
        tuple(expected.tolist()),
        compare_counts(counts, expected),
    )


def _uniform(
    name: str,
    unit: str,
    rule: str,
    values: NDArray[np.float64],
    bounds: tuple[float, float],
    places: NDArray[np.float64],
) -> Decision:
    """Return a decision whose values are uniform within bounds. places: (n,) their places in their law."""
    histogram = Histogram.of(values, np.linspace(*bounds, BINS + 1))
    return Decision(name, unit, rule, histogram, (len(values) / BINS,) * BINS, compare_uniform(places))


def _spread(smaller: NDArray[np.float64], at_most: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) places in [0, 1], each between the probabilities of a smaller draw and of at most this draw."""
    share = np.arange(1, len(smaller) + 1) * GOLDEN % 1
    return smaller + share * (at_most - smaller)


def _normal(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distribution function of the standard normal."""
    return np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in values.tolist()])
