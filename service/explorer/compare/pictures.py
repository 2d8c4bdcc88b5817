"""The pictures of a sample, and where a browser finds them."""

from urllib.parse import urlencode

from service.explorer.compare.shown import BOXES, CROP
from service.explorer.compare.sides import Side
from service.lifespan.state import ServedDataset


def layer_names() -> dict[str, str]:
    """Return the layers of samples, in words, by name, from bottom to top."""
    return {CROP: "crop", BOXES: "boxes"}


def picture_url(root: str, dataset: ServedDataset, index: int, side: Side, layer: str) -> str:
    """Return the URL of the picture of a layer."""
    return f"{root}/compare/{index}/layers/{layer}?{_query(dataset, side)}"


def thumbnail_url(root: str, dataset: ServedDataset, index: int, side: Side) -> str:
    """Return the URL of a small picture of a sample."""
    return f"{root}/compare/{index}/thumbnail?{_query(dataset, side)}"


def _query(dataset: ServedDataset, side: Side) -> str:
    """Return the query, with the digests, so that a browser may cache the picture for good."""
    spec = dataset.spec
    named = {} if spec.dataset_name is None else {"dataset": spec.dataset_name}
    pinned = {"digest": spec.digest} | ({} if spec.pixels is None else {"pixels": spec.pixels})
    return urlencode({**named, **side.parameters(), **pinned})
