"""Decoded images that a server's workers use instead of decoding files: decoded stores, or a shared image cache."""

import logging
from dataclasses import dataclass
from pathlib import Path

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.blocks import SharedBlockStates
from sampler.dataset.images.decoded_store.contents import StoreContents, find_folder
from sampler.dataset.images.decoded_store.format import image_states
from sampler.dataset.images.image_cache import ImageCache
from sampler.errors import StoreError
from service.settings.server import Settings

log = logging.getLogger("saccade_sampler")

COMPARED = 64
"""Number of image files that are compared with the store at startup: a spot check, not a proof."""


@dataclass(frozen=True, slots=True)
class ServedStore:
    """A decoded store that workers use.

    Attributes:
        folder: The folder of the store.
        inode: Identity of the file of pixels when the server started.
        states: Which blocks of pixels were checked since then; shared by all workers.
        absent: Number of images that are read from their files all the same.
    """

    folder: Path
    inode: int
    states: SharedBlockStates
    absent: int = 0


def find_decoded(title: str, cache_dir: Path, dataset: Dataset, *, wanted: bool = True) -> ServedStore | None:
    """Return the decoded store of a dataset if it is usable. Logs which one is used, or why none is.

    A store is not used if image files have visibly changed since: wrong pixels are worse than slow ones.

    Args:
        title: Names the dataset in the log.
        cache_dir: The cache folder.
        dataset: The dataset.
        wanted: Whether to suggest `decode` if there is no store.
    """
    store = _usable_store(title, cache_dir, dataset, wanted)
    if store is None:
        return None
    try:
        states = SharedBlockStates.create(store.blocks)
    except OSError as error:
        log.warning("%s: decoded store: not used: %s", title, error)
        return None
    absent = f"; the other {store.absent} are read from their files" if store.absent else ""
    log.info(
        "%s: decoded store: %d of %d images, %.1f MB, in %s%s",
        title, len(dataset) - store.absent, len(dataset), store.nbytes / 1e6, store.folder, absent,
    )  # fmt: skip
    others = 0 if dataset.hashes is None else store.from_other_files(dataset.hashes)
    if others:
        log.warning(
            "%s: decoded store: %d images were decoded from other files than those whose hashes are recorded and are "
            "read from their files; run `saccade-sampler decode` to update %s", title, others, store.folder,
        )  # fmt: skip
    return ServedStore(store.folder, store.inode, states, store.absent + others)


def _usable_store(title: str, cache_dir: Path, dataset: Dataset, wanted: bool) -> StoreContents | None:
    try:
        folder = find_folder(cache_dir, dataset.store_meta)
        store = None if folder is None else StoreContents.read(folder, dataset.store_meta)
    except StoreError as error:
        log.warning("%s: decoded store: not used: %s", title, error)
        return None
    if store is None:
        if wanted:
            log.info(
                "%s: decoded store: none; run `saccade-sampler decode` so that samples need no JPEG decoding", title
            )
        return None
    changed = _changed_images(store, dataset)
    if changed:
        log.warning(
            "%s: decoded store: not used: %d of %d compared image files have changed since they were decoded, such as "
            "%s; %s `saccade-sampler decode` to update %s",
            title, len(changed), min(COMPARED, len(dataset) - store.absent), changed[0],
            "run" if not dataset.images.is_remote else "run `saccade-sampler index --hash-images` and", store.folder,
        )  # fmt: skip
        return None
    return store


def _changed_images(store: StoreContents, dataset: Dataset) -> list[str]:
    """Return the paths of those compared images whose file is not the one that was decoded."""
    recorded = [(dataset.file_name(index), state) for index, state in store.recorded(COMPARED)]
    states = image_states(dataset.images, [name for name, _ in recorded])
    compared = zip(recorded, states, strict=True)
    return [dataset.images.describe(name) for (name, state), found in compared if found != state]


def create_cache(settings: Settings, images: int) -> ImageCache | None:
    """Return a cache for so many images, or None if the settings ask for none or there is no memory. Logs which."""
    if settings.decoded_cache_mb == 0:
        return None
    try:
        cache = ImageCache.create(settings.decoded_cache_mb, images)
    except OSError as error:
        log.warning("image cache: not used: %s", error)
        return None
    log.info("image cache: %d MB, shared by all workers", settings.decoded_cache_mb)
    return cache
