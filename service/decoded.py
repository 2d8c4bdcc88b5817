"""Where a server's pixels come from before an image file is decoded: a decoded store, or a cache its workers share."""

import logging
from dataclasses import dataclass
from pathlib import Path

from sampler.dataset import Dataset
from sampler.decoded_store import StoreError, find_store
from sampler.pixel_cache import PixelCache
from service.metrics import Metrics
from service.settings import Settings

log = logging.getLogger("saccade_sampler")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What there is: the folder of a store, a cache, or neither."""

    store: Path | None = None
    cache: PixelCache | None = None

    @property
    def address(self) -> str | None:
        """Where workers open the cache."""
        return None if self.cache is None else self.cache.address

    def watch(self, metrics: Metrics) -> None:
        """Count what is found in the cache."""
        meaning = "Images that workers {} in the cache of decoded images"
        cache = self.cache
        metrics.watch_count(
            "sampler_decoded_cache_hits", meaning.format("found"), lambda: 0 if cache is None else cache.hits
        )
        metrics.watch_count(
            "sampler_decoded_cache_misses", meaning.format("did not find"), lambda: 0 if cache is None else cache.misses
        )


def find_decoded(settings: Settings, dataset: Dataset) -> Decoded:
    """Return the store of a dataset if it can be used, a cache otherwise if one is wanted, and log which it is."""
    try:
        store = find_store(settings.cache_dir, dataset.digest, len(dataset))
    except StoreError as error:
        log.warning("decoded store: not used: %s", error)
        return Decoded(cache=_cache(settings, dataset))
    if store is None:
        log.info("decoded store: none; python -m sampler decode makes one, and a sample needs no JPEG any more")
        return Decoded(cache=_cache(settings, dataset))
    absent = f", {store.absent} images absent" if store.absent else ""
    log.info("decoded store: %d images, %.1f MB%s, in %s", len(dataset), store.nbytes / 1e6, absent, store.folder)
    return Decoded(store.folder)


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
