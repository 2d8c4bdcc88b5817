"""The strip of the page: one image across epochs, with what each epoch makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sampler.survey.survey import Survey
from service.explorer.compare.links import CompareLinks
from service.explorer.side_by_side.urls import VariantUrls
from service.words import count


@dataclass(frozen=True, slots=True)
class EpochTile:
    """An epoch of the strip.

    Attributes:
        epoch: Its number.
        picture: URL of the thumbnail of its sample.
        link: URL of the page with its sample on the right.
        facts: Scale, flip and numbers of boxes in words.
        is_left: Whether its sample is the one on the left.
        is_right: Whether its sample is the one on the right.
    """

    epoch: int
    picture: str
    link: str
    facts: str
    is_left: bool
    is_right: bool


def epoch_tiles(strip: Survey, links: CompareLinks, urls: VariantUrls) -> Iterator[EpochTile]:
    """Yield the epochs of the strip. strip: the samples of the image, one for each epoch."""
    objects, ignored = (strip.counts(boxes).tolist() for boxes in (strip.objects, strip.ignored))
    rows = zip(strip.epochs.tolist(), strip.scales.tolist(), strip.flips.tolist(), objects, ignored, strict=True)
    for epoch, *facts in rows:
        variant = replace(links.state.left, epoch=epoch, augment=True)
        yield EpochTile(
            epoch=epoch,
            picture=urls.thumbnail(variant),
            link=links.right(variant),
            facts=_in_words(*facts),
            is_left=variant == links.state.left,
            is_right=variant == links.state.right,
        )


def _in_words(scale: float, flip: bool, objects: int, ignored: int) -> str:
    facts = [f"scale {scale:.3g}", *(["flipped"] if flip else []), count(objects, "object")]
    return ", ".join(facts if not ignored else [*facts, f"{ignored} ignored"])
