"""Categories as pages name them."""

from collections import Counter

from sampler.errors import InvalidRequestError
from sampler.wire.spec import ServiceSpec


def category_number(spec: ServiceSpec, text: str | None) -> int | None:
    """Return the number k of a category, 1…C, given by its COCO id or else its name; None for None.

    Raises:
        InvalidRequestError: The dataset has no such category.
    """
    if text is None:
        return None
    for texts in (_ids(spec), spec.category_names):
        if text in texts:
            return texts.index(text) + 1
    examples = ", ".join(spec.category_names[:3])
    raise InvalidRequestError("category", text, f"the name or COCO id of a category of the dataset, such as {examples}")


def category_choices(spec: ServiceSpec) -> list[tuple[str, str]]:
    """Return value and label of each category for a form: its name, or its id if the name could mean another one."""
    ids, names = _ids(spec), spec.category_names
    times = Counter((*ids, *names))
    return [
        (name, name) if times[name] == 1 else (identity, f"{name} ({identity})")
        for name, identity in zip(names, ids, strict=True)
    ]


def _ids(spec: ServiceSpec) -> tuple[str, ...]:
    return tuple(map(str, spec.category_ids))
