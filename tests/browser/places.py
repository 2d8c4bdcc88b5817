"""The pages of a server, for tests that hold for each of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A page.

    Attributes:
        name: Of its screenshots.
        path: Path and query, of a server of the datasets demo and scenes.
        status: Of its response.
        variant: Whether it is another state of a page, for which one look is enough.
        outside: CSS selector of a part that axe leaves out. It takes minutes for what ReDoc draws.
    """

    name: str
    path: str
    status: int = 200
    variant: bool = False
    outside: str | None = None


PLACES = (
    Place("step", "/steps/95?seed=7"),
    Place("matches", "/steps/0?seed=7&category=person&state=ignored", variant=True),
    Place("no-match", "/steps/0?dataset=scenes&min_side=4000", variant=True),
    Place("images", "/images"),
    Place("images-found", "/images?category=person&min_boxes=2", variant=True),
    Place("sample", "/explore/5?seed=7"),
    Place("sample-found", "/explore/5?seed=7&search=step%3D0%26seed%3D7%26state%3Dignored", variant=True),
    Place("sample-of-a-small-dataset", "/explore/3?dataset=scenes&augment=false", variant=True),
    Place("compare", "/compare?index=5&seed=7"),
    Place("what-if", "/what-if?index=5&seed=7&min_scale=32"),
    Place("what-if-of-an-invalid-value", "/what-if?index=5&seed=7&gaussian_iou=7", variant=True),
    Place("status", "/status"),
    Place("statistics", "/stats?seed=7"),
    Place("statistics-without-augmentation", "/stats?dataset=scenes&samples=30&augment=false", variant=True),
    Place("api", "/api"),
    Place("swagger", "/docs"),
    Place("redoc", "/redoc", outside="#viewer"),
    Place("no-such-page", "/nowhere", status=404),
    Place("no-such-sample", "/explore/5?seed=seven", status=422, variant=True),
)
