"""The links between pages that every page has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service.explorer.shell.links import query


@dataclass(frozen=True, slots=True)
class Entry:
    """A page in the navigation.

    Attributes:
        name: What people call it.
        path: Where it begins.
        below: The beginning of the paths of all its pages, or several beginnings.
        keeps: The parameters that a link to it takes from the page that has the link.
    """

    name: str
    path: str
    below: str | tuple[str, ...]
    keeps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the navigation, as a template shows it."""

    name: str
    target: str
    is_current: bool


ENTRIES = (
    Entry("Steps", "/steps/0", "/steps/", ("dataset", "seed")),
    Entry("Images", "/images", "/images", ("dataset",)),
    Entry("Sample", "/explore/0", "/explore/", ("dataset", "seed")),
    Entry("Compare", "/compare", "/compare", ("dataset", "seed")),
    Entry("What if", "/what-if", "/what-if", ("dataset", "seed")),
    Entry("Statistics", "/stats", "/stats", ("dataset", "seed")),
    Entry("Status", "/status", "/status"),
    Entry("API", "/api", ("/api", "/docs", "/redoc")),
)


def links(root: str, path: str, parameters: Mapping[str, str]) -> Iterator[Link]:
    """Yield the links of a page.

    Args:
        root: The path under which a proxy serves the server.
        path: That of the page, below `root`.
        parameters: Those of the page, which are valid.
    """
    for entry in ENTRIES:
        kept = query({name: parameters.get(f"left_{name}", parameters.get(name)) for name in entry.keeps})
        yield Link(entry.name, f"{root}{entry.path}{kept}", path.startswith(entry.below))
