"""Where a server's pixels come from before an image file is decoded: a decoded store, or a cache its workers share."""

import logging
from dataclasses import dataclass
from pathlib import Path

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.reader import DecodedStore, StoreError, file_state, find_store
from sampler.dataset.images.image_cache import PixelCache
from service.settings import Settings

log = logging.getLogger("saccade_sampler")

COMPARED = 64
"""Image files that a server compares with what the store has recorded of them when it starts: a look, not a proof."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What there is: the folder of a store, a cache, or neither."""

    store: Path | None = None
    cache: PixelCache | None = None

    @property
    def address(self) -> str | None:
        """Where workers open the cache."""
        return None if self.cache is None else self.cache.address


def find_decoded(settings: Settings, dataset: Dataset) -> Decoded:
    """Return the store of a dataset if it can be used, a cache otherwise if one is wanted, and log which it is.

    A store is not used when files that it was made from are seen to be others now: wrong pixels are worse than slow
    ones.
    """
    try:
        store = find_store(settings.cache_dir, dataset.digest, len(dataset), dataset.images_dir)
    except StoreError as error:
        log.warning("decoded store: not used: %s", error)
        return Decoded(cache=_cache(settings, dataset))
    if store is None:
        if settings.annotations is not None:  # the demo is served as it is
            log.info("decoded store: none; python -m sampler decode makes one, and samples then need no JPEG any more")
        return Decoded(cache=_cache(settings, dataset))
    changed = _changed(store, dataset)
    if changed:
        log.warning(
            "decoded store: not used: %d of %d image files compared have changed since they were decoded, such as %s; "
            "python -m sampler decode brings %s up to date",
            len(changed), min(COMPARED, len(dataset) - store.absent), dataset.path(changed[0]), store.folder,
        )  # fmt: skip
        return Decoded(cache=_cache(settings, dataset))
    absent = f", {store.absent} images absent" if store.absent else ""
    log.info("decoded store: %d images, %.1f MB%s, in %s", len(dataset), store.nbytes / 1e6, absent, store.folder)
    return Decoded(store.folder)


def _changed(store: DecodedStore, dataset: Dataset) -> list[int]:
    """Images among some whose file has another size or time than when it was decoded, or is gone."""
    recorded = store.recorded(COMPARED)
    return [index for index, size, time in recorded if file_state(dataset.path(index)) != (size, time)]


def _cache(settings: Settings, dataset: Dataset) -> PixelCache | None:
    if settings.decoded_cache_mb == 0:
        return None
    try:
        cache = PixelCache.create(settings.decoded_cache_mb, len(dataset))
    except OSError as error:
        log.warning("decoded cache: not used: %s", error)
        return None
    log.info("decoded cache: %d MB, shared by all workers", settings.decoded_cache_mb)
    return cache
