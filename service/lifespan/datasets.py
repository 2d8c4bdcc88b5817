"""Opening the datasets that the settings name, before any worker starts."""

import asyncio
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sampler.array_table import require_moderate
from sampler.config.cornernet_lite import IgnoredKeysWarning, LoadedConfig, load_with_origins
from sampler.config.digest import sample_digest
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset, image_folders, open_dataset
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.hashes import ImageHashes, SharedHashes
from sampler.dataset.images.stamps import stamps_file
from sampler.dataset.index.storage import is_sound
from sampler.errors import AnnotationError, SamplerError
from sampler.path_lists import Location
from sampler.printable import name_text, printable
from sampler.progress import spinner
from sampler.system_errors import explain
from sampler.wire.spec import ServiceSpec
from service.batches.plan import DECODED_RUNS, STORED_RUNS, Planner
from service.demo.dataset import ensure_demo
from service.lifespan.dataset_checks import check_dataset
from service.lifespan.decoded_images import ServedStore, find_decoded
from service.lifespan.entry_points import find_records
from service.settings.datasets import DatasetSettings
from service.settings.load import SettingsError
from service.settings.server import Settings
from service.workers.protocol import DatasetSetup

log = logging.getLogger("saccade_sampler")


@dataclass(frozen=True, slots=True)
class OpenedDataset:
    """A dataset as the server has opened it.

    Attributes:
        title: For people: its name, or that of its annotation file.
        images: Where the images of each annotation file are.
        store: Its decoded store, if there is a usable one.
        hashes: Recorded hashes of its images, for workers, if there are any.
        entry_points: File of entry points of its images, for workers, if they are to be used.
        stamps: File of states of its images, for workers, if they are in object storage.
        reopen: Opens the same files again. Builds the index if it is missing.
    """

    title: str
    dataset: Dataset
    images: tuple[Location, ...]
    config: SamplerConfig
    spec: ServiceSpec
    store: ServedStore | None
    hashes: SharedHashes | None
    entry_points: Path | None
    stamps: Path | None
    reopen: Callable[[], Dataset]

    def restore_index(self) -> None:
        """Build the index again if it was deleted or damaged, such as with the cache folder. Raises `SamplerError`."""
        folder = self.dataset.index_dir
        if is_sound(folder):
            return
        log.warning("%s: the index of %s is gone or damaged; building it again", folder, self.title)
        if self.reopen().index_dir != folder:
            cause = "the annotations have changed since this server started, and their old index is gone"
            raise AnnotationError(folder, "", f"{cause}; restart the server")

    def planner(self, workers: int) -> Planner:
        """Return what cuts its batches into runs for so many workers."""
        starts, substitutes = self.dataset.box_starts, self.dataset.substitutes
        limits = DECODED_RUNS if self.store is None else STORED_RUNS
        return Planner(self.config, self.spec.categories, starts, workers, substitutes, limits)

    def setup(self, first_image: int) -> DatasetSetup:
        """Return what workers need to open it. first_image: number of its first image in the image cache."""
        store = self.store
        return DatasetSetup(
            index_dir=self.dataset.index_dir,
            images=self.images,
            config=self.config,
            options=self.dataset.options,
            decoded_store=None if store is None else store.folder,
            store_inode=None if store is None else store.inode,
            block_states=None if store is None else store.states.descriptor,
            hashes=None if self.hashes is None else self.hashes.descriptor,
            first_image=first_image,
            unusable=() if self.dataset.substitutes is None else self.dataset.substitutes.unusable,
            entry_points=self.entry_points,
            stamps=self.stamps,
        )


async def open_datasets(settings: Settings) -> tuple[OpenedDataset, ...]:
    """Open all datasets, the default first. Raises `SamplerError`, which says which dataset if they have names."""
    opened = []
    configs: dict[tuple[str, bool], LoadedConfig] = {}  # each file is read once, which also logs its warnings once
    for name, part in settings.served.items():
        try:
            key = part.config, part.keep_crowd
            configs[key] = configs.get(key) or sampler_config(part)
            opened.append(await _open(settings, name, part, configs[key]))
        except SamplerError as error:
            if name is None:
                raise
            raise SettingsError(f"datasets.{name}: {error}") from error
    return tuple(opened)


async def _open(settings: Settings, name: str | None, part: DatasetSettings, loaded: LoadedConfig) -> OpenedDataset:
    annotations, images = await asyncio.to_thread(_dataset_files, settings.cache_dir, part)
    with spinner() as report:
        dataset = await asyncio.to_thread(_open_files, settings, part, annotations, images, report)
    config = loaded.config.fit(dataset.category_count)
    require_moderate(config, config.planes(dataset.category_count))
    title = name or "+".join(map(name_text, annotations))
    if dataset.substitutes is not None:
        count, size, file = len(dataset.substitutes.unusable), len(dataset), printable(str(part.substitute))
        log.info("%s: %d of %d images are unusable and replaced by others, as listed in %s", title, count, size, file)
    await asyncio.to_thread(check_dataset, title, dataset)
    wanted = part.annotations is not None  # the demo dataset needs no store
    store = await asyncio.to_thread(find_decoded, title, settings.cache_dir, dataset, wanted=wanted)
    points = None
    if store is None or store.absent:
        points = await asyncio.to_thread(find_records, title, settings.cache_dir, dataset, enabled=part.entry_points)
    spec = _spec(settings, name, dataset, LoadedConfig(config, loaded.origins))
    hashes = None if dataset.hashes is None else share_hashes(dataset.hashes)
    dataset.hashes = None if hashes is None else hashes.hashes  # not twice in memory
    stamps = stamps_file(settings.cache_dir, dataset.digest, dataset.images) if dataset.images.is_remote else None
    reopen = partial(_reopen, settings, part)
    folders = image_folders(len(annotations), images)
    return OpenedDataset(title, dataset, folders, config, spec, store, hashes, points, stamps, reopen)


def share_hashes(hashes: ImageHashes) -> SharedHashes:
    """Copy hashes into memory that workers inherit. Raises `SettingsError` if the system does not provide it."""
    try:
        return SharedHashes.create(hashes)
    except OSError as error:
        raise SettingsError(f"no shared memory for the hashes of the images: {explain(error, '')}") from error


def _reopen(settings: Settings, part: DatasetSettings) -> Dataset:
    return _open_files(settings, part, *_dataset_files(settings.cache_dir, part))


def _open_files(
    settings: Settings,
    part: DatasetSettings,
    annotations: tuple[Path, ...],
    images: tuple[Location, ...],
    report: Callable[[str], None] | None = None,
) -> Dataset:
    options = ReadOptions(settings.max_image_pixels, part.damaged, part.follow_links)
    lists = part.subset, part.substitute
    return open_dataset(annotations, images, settings.cache_dir, report, options, *lists, mapped=False)


def _spec(settings: Settings, name: str | None, dataset: Dataset, loaded: LoadedConfig) -> ServiceSpec:
    return ServiceSpec(
        digest=sample_digest(dataset.digest, loaded.config),
        dataset_digest=dataset.digest,
        size=len(dataset),
        category_names=dataset.category_names,
        config=loaded.config,
        max_batch=settings.max_batch,
        max_body_bytes=settings.max_body_kb * 1024,
        dataset_name=name,
        datasets=tuple(settings.datasets),
        category_ids=tuple(dataset.category_ids.tolist()),
        supercategories=tuple(name or None for name in dataset.supercategories),
        pixels=dataset.pixels,
        boxes=dataset.box_count,
        dropped_boxes=dataset.dropped_count,
        images_without_boxes=dataset.boxless_count,
        origins=loaded.origins,
        substitutes=0 if dataset.substitutes is None else len(dataset.substitutes.unusable),
    )


def sampler_config(settings: DatasetSettings) -> LoadedConfig:
    """Return the sampler config that the settings name, with the origins of its values. Raises `ConfigError`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IgnoredKeysWarning)
        loaded = load_with_origins(settings.config, keep_crowd=settings.keep_crowd)
    for warning in caught:
        expected = isinstance(warning.message, IgnoredKeysWarning) and warning.message.expected
        log.log(logging.INFO if expected else logging.WARNING, "%s: %s", settings.config, warning.message)
    return loaded


def _dataset_files(cache_dir: Path, settings: DatasetSettings) -> tuple[tuple[Path, ...], tuple[Location, ...]]:
    """Return the annotation files and the locations of their images."""
    if settings.annotations and settings.images:
        return settings.annotations, settings.images
    log.info("SAMPLER_ANNOTATIONS and SAMPLER_IMAGES are not set: serving the demo dataset")
    demo = ensure_demo(cache_dir)
    return (demo.annotations,), (demo.images,)
