"""The datasets of a worker, with what speeds up their images."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from sampler.config.parsing import config_from_dict
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset, open_source
from sampler.dataset.images.decoded_store.blocks import SharedBlockStates
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.dataset.images.entry_points.part_decoder import EntryPointDecoder
from sampler.dataset.images.entry_points.records import EntryPointRecords, not_recorded
from sampler.dataset.images.hashes import SharedHashes
from sampler.dataset.images.image_cache import ImageCache, ImageCachePart
from sampler.dataset.images.part_decoding import DecodeCounts
from sampler.dataset.images.stamps import ImageStamps
from sampler.errors import StoreError
from sampler.printable import printable
from sampler.stream.substitutes import Substitutes
from sampler.system_errors import explain
from service.workers.protocol import DatasetSetup, WorkerSetup


@dataclass(frozen=True, slots=True)
class WorkerDataset:
    """A dataset and the config of its samples."""

    dataset: Dataset
    config: SamplerConfig

    @property
    def categories(self) -> int:
        """C, the number of category planes of its samples."""
        return self.config.planes(self.dataset.category_count)

    def with_config(self, fields: dict[str, Any]) -> Self:
        """Return the same dataset with another config, given as a dict that the server has checked."""
        return replace(self, config=config_from_dict(fields, trust_family=True))


def open_datasets(setup: WorkerSetup, counts: DecodeCounts) -> tuple[WorkerDataset, ...]:
    """Return the datasets, with the decoded stores, the image cache and the entry points that the server found.

    If these have disappeared, images are decoded whole: samples are the same, and stderr, which is the server's, says
    so. counts: for how image files are decoded. Raises `AnnotationError`.
    """
    cache = None
    try:
        cache = None if setup.image_cache is None else ImageCache(setup.image_cache)
    except OSError as error:
        _warn(f"decoded images are not used: {error}")
    return tuple(WorkerDataset(_open_dataset(one, cache, counts), one.config) for one in setup.datasets)


def _open_dataset(setup: DatasetSetup, cache: ImageCache | None, counts: DecodeCounts) -> Dataset:
    dataset = Dataset(setup.index_dir, open_source(setup.images, setup.options), setup.options)
    dataset.counts = counts
    dataset.decoder = None if setup.entry_points is None else _open_decoder(setup.entry_points, counts)
    dataset.substitutes = Substitutes(setup.unusable, len(dataset)) if setup.unusable else None
    dataset.stamps = None if setup.stamps is None else _open_stamps(setup.stamps)
    part = None if cache is None else ImageCachePart(cache, setup.first_image)
    if setup.hashes is not None:
        dataset.hashes = SharedHashes(setup.hashes).hashes
    if setup.decoded_store is None:
        return dataset.with_decoded(cache=part)
    try:
        return dataset.with_decoded(_open_store(setup.decoded_store, setup, dataset), part)
    except (StoreError, OSError) as error:
        _warn(f"decoded images are not used: {error}")
        return dataset.with_decoded(cache=part)


def _open_decoder(file: Path, counts: DecodeCounts) -> EntryPointDecoder | None:
    try:
        return EntryPointDecoder(EntryPointRecords.open(file), counts, _warn)
    except OSError as error:
        _warn(not_recorded(file, error))
        return None


def _open_stamps(file: Path) -> ImageStamps | None:
    try:
        stamps = ImageStamps.open(file)
    except OSError as error:
        _warn(f"{file}: {explain(error, file)}; a change of an object in storage is not noticed")
        return None
    if not stamps.recording:
        _warn(f"{file}: cannot be written; a change of an object is noticed only if its state was recorded before")
    return stamps


def _open_store(folder: Path, setup: DatasetSetup, dataset: Dataset) -> DecodedStore:
    states = None if setup.block_states is None else SharedBlockStates(setup.block_states)
    store = DecodedStore(folder, dataset.store_meta, states)
    if states is not None and (store.inode != setup.store_inode or store.blocks > len(states)):
        return DecodedStore(folder, dataset.store_meta)  # another store than the server has found
    return store


def _warn(text: str) -> None:
    print(f"worker: {printable(text)}", file=sys.stderr, flush=True)
