"""The pages that are measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageKind:
    """A page of which there are many.

    Attributes:
        name: In the table.
        template: Path and query. `{number}` makes it a page that the server has not made before.
    """

    name: str
    template: str

    def path(self, number: int) -> str:
        """Return the page of a number."""
        return self.template.format(number=number)


STEP = PageKind("batch of 48 samples", "/steps/{number}?seed=1&batch_size=48")
SAMPLE = PageKind("sample in layers", "/explore/2?seed={number}")
IMAGES = PageKind("first images with a person", "/images?category=person&min_boxes={number}")

KINDS = (
    STEP,
    PageKind("filter over 4,096 samples that none passes", "/steps/{number}00?seed=3&min_side=9999"),
    IMAGES,
    SAMPLE,
    PageKind("thumbnail", "/explore/3/thumbnail?seed={number}"),
    PageKind("picture of a sample", "/debug/samples/4.png?seed={number}"),
    PageKind("statistics of 2,000 samples", "/stats?seed={number}"),
    PageKind("status", "/status"),
)
