"""Reading the arithmetic of a plan as a person with a pocket calculator does."""

import re

POWERS = {"10⁶": 1e6, "10⁹": 1e9}
_NUMBER = re.compile(r"10[⁶⁹]|\d[\d,]*(?:\.\d+)?")


def parsed(text: str) -> float:
    """Return the number at the start of a text."""
    found = _NUMBER.match(text)
    assert found is not None, text
    return POWERS.get(found[0]) or float(found[0].replace(",", ""))


def evaluated(formula: str) -> float:
    """Return what a formula gives, computed from its text."""
    text = formula.removesuffix(", rounded up")
    if text.startswith("largest of "):
        return max(parsed(term) for term in text.removeprefix("largest of ").split(", "))
    first, *rest = re.split(r" ([+×÷]) ", text)
    value = parsed(first)
    for operator, term in zip(rest[::2], rest[1::2], strict=True):
        match operator:
            case "+":
                value += parsed(term)
            case "×":
                value *= parsed(term)
            case "÷":
                value /= parsed(term)
    return value
