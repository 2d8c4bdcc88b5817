"""Entry points of JPEG files, which workers record and use if images must be decoded from their files."""

import logging
from pathlib import Path

from rich.filesize import decimal

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.entry_points.records import EntryPointRecords, records_file
from sampler.printable import printable
from sampler.system_errors import explain

log = logging.getLogger("saccade_sampler")


def find_records(title: str, cache_dir: Path, dataset: Dataset, *, enabled: bool) -> Path | None:
    """Return the file in which workers record entry points, or None if they must not or cannot. Logs which.

    Args:
        title: Names the dataset in the log.
        cache_dir: The cache folder.
        dataset: The dataset.
        enabled: Whether the settings allow it.
    """
    if not enabled:
        log.info("%s: entry points: off (SAMPLER_ENTRY_POINTS); images are decoded whole", title)
        return None
    file = records_file(cache_dir, dataset.digest, dataset.images)
    where = printable(str(file))
    try:
        records = EntryPointRecords.open(file)
    except OSError as error:
        cause = explain(error, file)
        log.warning("%s: entry points: none: %s: %s; images are decoded whole", title, where, cause)
        return None
    size = f"{decimal(records.disk_bytes)} so far" if records.disk_bytes else "none so far"
    if records.unwritable is None:
        log.info("%s: entry points: %s; workers record them in %s when they first decode an image", title, size, where)
    else:
        cause = explain(records.unwritable, file)
        log.warning("%s: entry points: %s; no more can be recorded: %s: %s", title, size, where, cause)
    return file
