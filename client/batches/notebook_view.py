"""Batches as notebooks show them."""

from collections import Counter
from collections.abc import Iterable
from html import escape

from client.batches.sample_view import SampleView, pictures_module
from client.errors import MissingExtraError
from sampler.drawing.colours import BOTTOM_RIGHT, IGNORED, OBJECT, TOP_LEFT

MOST_THUMBNAILS = 16
THUMBNAIL_SIDE = 160
"""In pixels."""
MOST_NAMES = 3
"""Names of categories below a thumbnail."""
LONGEST_NAME = 40

_GRID = "display:flex;flex-wrap:wrap;gap:8px"
_LEGEND = (
    (OBJECT, "object"),
    (IGNORED, "ignored box"),
    (TOP_LEFT, "top-left corner"),
    (BOTTOM_RIGHT, "bottom-right corner"),
)


def page(description: str, count: int, views: Iterable[SampleView]) -> str:
    """Return the HTML of a batch: its `repr`, and thumbnails of the first samples.

    It is 100–300 kB long for photographs, and less than 1 MB for any images.

    Args:
        description: `repr` of the batch.
        count: number of samples.
        views: of the first `MOST_THUMBNAILS` samples.
    """
    try:
        figures = "".join(map(_figure, views))
    except MissingExtraError as error:
        return plain(description, str(error))
    more = f"<p>and {count - MOST_THUMBNAILS} more samples</p>" if count > MOST_THUMBNAILS else ""
    legend = " ".join(f'<span style="color:rgb{colour}">■</span> {what}' for colour, what in _LEGEND)
    return f'<p><code>{escape(description)}</code></p><p>{legend}</p><div style="{_GRID}">{figures}</div>{more}'


def plain(description: str, reason: str) -> str:
    """Return the HTML of a batch without pictures. reason: why there are none."""
    return f"<pre>{escape(description)}\nno pictures: {escape(reason)}</pre>"


def _figure(view: SampleView) -> str:
    source, caption = pictures_module().thumbnail(view, THUMBNAIL_SIDE), escape(_caption(view))
    image = f'<img src="{source}" alt="{caption}" style="max-width:none">'
    style = f"margin:0;width:{THUMBNAIL_SIDE}px;font-size:11px;line-height:1.3;overflow-wrap:anywhere"
    return f'<figure style="{style}">{image}<figcaption>{caption}</figcaption></figure>'


def _caption(view: SampleView) -> str:
    """Return the image's index and the most frequent categories of the sample."""
    if not view.names:
        return f"index {view.key.index}"
    counts = Counter(view.names).most_common()
    names = [f"{name[:LONGEST_NAME]} × {count}" if count > 1 else name[:LONGEST_NAME] for name, count in counts]
    more = f", {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"index {view.key.index}: {', '.join(names[:MOST_NAMES])}{more}"
