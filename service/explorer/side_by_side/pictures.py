"""Where a browser finds the pictures of a side of a comparison."""

from service.explorer.shell.links import named, pins, query
from service.explorer.side_by_side.sides import SERVED, Side
from service.lifespan.state import ServedDataset


def layer_url(root: str, dataset: ServedDataset, index: int, side: Side, layer: str) -> str:
    """Return the URL of the picture of a layer."""
    return f"{_base(root, index, side)}/layers/{layer}{_query(dataset, side)}"


def thumbnail_url(root: str, dataset: ServedDataset, index: int, side: Side) -> str:
    """Return the URL of a small picture of a sample."""
    return f"{_base(root, index, side)}/thumbnail{_query(dataset, side)}"


def page_url(root: str, dataset: ServedDataset, index: int, side: Side) -> str:
    """Return the URL of the page of a sample; "" if it has none, because it is made with another config."""
    if not _is_served(side):
        return ""
    return f"{root}/explore/{index}{query(named(dataset.spec) | side.parameters())}"


def _base(root: str, index: int, side: Side) -> str:
    """Return the path of a sample. Pictures of served samples are those of other pages, and cached with them."""
    return f"{root}/{'explore' if _is_served(side) else 'compare'}/{index}"


def _is_served(side: Side) -> bool:
    return side.config == SERVED and not side.changes


def _query(dataset: ServedDataset, side: Side) -> str:
    """Return the query, so that a browser may cache the picture for good."""
    return query(named(dataset.spec) | side.parameters() | pins(dataset.spec))
