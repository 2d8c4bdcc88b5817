"""Queries of links between pages, and the parameters that many of them have."""

from collections.abc import Mapping
from urllib.parse import quote_plus

from pydantic import BaseModel

from sampler.version import VERSION
from sampler.wire.spec import ServiceSpec


def query(values: Mapping[str, object]) -> str:
    """Return a query with its question mark, "" if it is empty. Values that are None are left out."""
    parts = [f"{_quoted(name)}={_quoted(_text(value))}" for name, value in values.items() if value is not None]
    return f"?{'&'.join(parts)}" if parts else ""


def _quoted(text: str) -> str:
    # Most texts need no quotes. A page has hundreds of them, and looking is faster than quoting.
    return text if text.isascii() and (text.isalnum() or text.isidentifier()) else quote_plus(text)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def chosen(parameters: BaseModel) -> dict[str, object]:
    """Return the parameters that differ from their defaults."""
    return parameters.model_dump(exclude_defaults=True)


def named(spec: ServiceSpec) -> dict[str, object]:
    """Return the parameter that names a dataset."""
    return {"dataset": spec.dataset_name}


def pins(spec: ServiceSpec) -> dict[str, object]:
    """Return the parameters with which a browser may cache a view for good: the digests, and the running version."""
    return {"digest": spec.digest, "pixels": spec.pixels, "version": VERSION}


def key_parameters(seed: int, epoch: int, *, augment: bool) -> dict[str, object]:
    """Return the parameters of a sample whose index is in the path.

    All pages write them in the same way, so that a browser has each picture in its cache once.
    """
    return {"seed": seed, "epoch": epoch, "augment": augment}
