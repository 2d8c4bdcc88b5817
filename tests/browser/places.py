"""The pages of a server, for tests that hold for each of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A page.

    Attributes:
        name: Of its screenshots.
        path: Path and query, of a server of the datasets demo and scenes.
        status: Of its response.
    """

    name: str
    path: str
    status: int = 200


PLACES = (
    Place("step", "/steps/95?seed=7"),
    Place("matches", "/steps/0?dataset=scenes&batch_size=8&ignored=true"),
    Place("no-match", "/steps/0?dataset=scenes&min_side=4000"),
    Place("images", "/images"),
    Place("images-found", "/images?category=person&min_boxes=2"),
    Place("sample", "/explore/5?seed=7"),
    Place("sample-of-a-small-dataset", "/explore/3?dataset=scenes&augment=false"),
    Place("compare", "/compare?index=5&seed=7"),
    Place("what-if", "/what-if?index=5&seed=7&min_scale=32"),
    Place("what-if-of-an-invalid-value", "/what-if?index=5&seed=7&gaussian_iou=7"),
    Place("status", "/status"),
    Place("docs", "/docs"),
    Place("no-such-page", "/nowhere", status=404),
    Place("no-such-sample", "/explore/5?seed=seven", status=422),
)
