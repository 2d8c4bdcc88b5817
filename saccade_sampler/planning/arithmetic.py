"""Computations that are shown as they are made: the result of a line comes from the numbers that it prints."""

import math
from dataclasses import dataclass
from functools import reduce
from typing import Literal

Operator = Literal["+", "×", "÷", ","]
"""A line has only + , only × and ÷, or only commas, which stand for the largest. So it is read from left to right."""

Factor = tuple[Literal["×", "÷"], "Quantity"]

ONE = {name: name.removesuffix("s") for name in ("cores", "hosts", "images", "jobs", "trainers", "workers")}
"""Units of exactly one."""

POWERS = {1e6: "10⁶", 1e9: "10⁹"}

ROUNDING = 1e-9
"""Relative error of floating-point numbers, which must not need another host."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, such as 0.81 ms."""

    value: float
    unit: str

    def __str__(self) -> str:
        unit = ONE.get(self.unit, self.unit) if self.value == 1 else self.unit
        return f"{number(self.value)} {unit}"


@dataclass(frozen=True, slots=True)
class Line:
    """A named result and how it is computed.

    Attributes:
        name: What is computed.
        unit: Unit of the result.
        first: The first quantity.
        others: The others, each with the operator before it.
        rounded_up: Whether the result is rounded up to a whole number.
    """

    name: str
    unit: str
    first: Quantity
    others: tuple[tuple[Operator, Quantity], ...]
    rounded_up: bool = False

    @property
    def value(self) -> float:
        """The result."""
        value = reduce(_apply, self.others, self.first.value)
        return float(math.ceil(value * (1 - ROUNDING))) if self.rounded_up else value

    @property
    def result(self) -> Quantity:
        """The result with its unit."""
        return Quantity(self.value, self.unit)

    @property
    def formula(self) -> str:
        """The computation as text."""
        text = str(self.first)
        for operator, quantity in self.others:
            text += f"{'' if operator == ',' else ' '}{operator} {quantity}"
        if any(operator == "," for operator, _ in self.others):
            text = f"largest of {text}"
        return f"{text}, rounded up" if self.rounded_up else text


def product(name: str, unit: str, first: Quantity, *others: Factor) -> Line:
    """Return a line that multiplies and divides."""
    return Line(name, unit, first, others)


def total(name: str, unit: str, *quantities: Quantity) -> Line:
    """Return a line that adds."""
    first, *others = quantities
    return Line(name, unit, first, tuple(("+", quantity) for quantity in others))


def largest(name: str, unit: str, *quantities: Quantity, rounded_up: bool = False) -> Line:
    """Return a line that takes the largest."""
    first, *others = quantities
    return Line(name, unit, first, tuple((",", quantity) for quantity in others), rounded_up)


def number(value: float) -> str:
    """Return a number with four significant digits, or all digits of its whole part if those are more."""
    if value in POWERS:
        return POWERS[value]
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    return f"{value:.8f}".rstrip("0").rstrip(".") if "e" in text else text


def _apply(value: float, term: tuple[Operator, Quantity]) -> float:
    operator, quantity = term
    match operator:
        case "+":
            return value + quantity.value
        case "×":
            return value * quantity.value
        case "÷":
            return value / quantity.value
        case ",":
            return max(value, quantity.value)
