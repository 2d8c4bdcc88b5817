"""Changes of values as JSON, TOML and msgpack have them: trees of dicts, lists and scalars."""

import copy
from random import Random
from typing import Any

_SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 127, 65535, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 53) + 1, (1 << 63) - 1, 1 << 63,
    (1 << 64) - 1, -(1 << 63), 0.0, -0.0, 0.5, 1.5, -1e-9, 1e-320, 1e17, 1e38, 1e308, float("nan"), float("inf"),
    float("-inf"), "", "a", "0", "1e9", "\0", "é", "\u202e", "../x", "/etc/passwd", "a" * 300, "9" * 400, "cornernet",
)  # fmt: skip
"""Values that readers confuse, overflow with or forget."""

_HUGE = (10**30, 10**400, -(10**30))
"""Integers that some formats cannot hold."""

_MOST_COPIES = 2000


def mutate_value(value: Any, rng: Random, most: int = 3, huge: bool = True) -> Any:
    """Return a copy of a tree with one to `most` random changes. huge: also with integers beyond 64 bits."""
    changed = copy.deepcopy(value)
    for _ in range(rng.randint(1, most)):
        changed = _change(changed, rng, huge)
    return changed


def strange_value(rng: Random, huge: bool = True) -> Any:
    """Return a value that a reader may not expect."""
    kind = rng.randrange(12)
    if kind == 0:
        return []
    if kind == 1:
        return {}
    if kind == 2:
        return [strange_value(rng, huge) for _ in range(rng.randrange(4))]
    if kind == 3:
        return {rng.choice(("", "a", "id", "type")): strange_value(rng, huge)}
    if kind == 4 and huge:
        return rng.choice(_HUGE)
    return rng.choice(_SCALARS)


def _change(value: Any, rng: Random, huge: bool) -> Any:
    """Change one place of a tree: mostly deep inside."""
    if isinstance(value, dict) and value and rng.random() < 0.95:
        name = rng.choice(list(value))
        if rng.random() < 0.75:
            value[name] = _change(value[name], rng, huge)
        else:
            _change_dict(value, name, rng, huge)
        return value
    if isinstance(value, list) and value and rng.random() < 0.95:
        place = rng.randrange(len(value))
        if rng.random() < 0.75:
            value[place] = _change(value[place], rng, huge)
        else:
            _change_list(value, place, rng, huge)
        return value
    return _changed_scalar(value, rng, huge)


def _change_dict(value: dict[Any, Any], name: Any, rng: Random, huge: bool) -> None:
    kind = rng.randrange(5)
    if kind == 0:
        del value[name]
    elif kind == 1:
        value[rng.choice(("", "a", "more", "\0", "é", str(name).upper()))] = value.pop(name)
    elif kind == 2:
        value[rng.choice(("a", "more"))] = strange_value(rng, huge)
    elif kind == 3:
        value[name] = [value[name]]
    else:
        value[name] = value[rng.choice(list(value))]


def _change_list(value: list[Any], place: int, rng: Random, huge: bool) -> None:
    kind = rng.randrange(5)
    if kind == 0:
        del value[place]
    elif kind == 1:
        value.insert(place, copy.deepcopy(value[rng.randrange(len(value))]))
    elif kind == 2:
        value.insert(place, strange_value(rng, huge))
    elif kind == 3:
        value.reverse()
    elif len(value) < _MOST_COPIES:
        value += [value[place]] * rng.choice((1, 10, _MOST_COPIES))


def _changed_scalar(value: Any, rng: Random, huge: bool) -> Any:
    if isinstance(value, bool) or rng.random() < 0.5:
        return strange_value(rng, huge)
    if isinstance(value, int | float):
        return rng.choice(
            (value + 1, value - 1, -value, value * 2, float(value) if abs(value) < 2**1000 else 0.5, str(value))
        )
    if isinstance(value, str):
        return rng.choice((value + "x", value[:-1], value.upper(), value * 3, value.encode().hex()))
    return strange_value(rng, huge)
