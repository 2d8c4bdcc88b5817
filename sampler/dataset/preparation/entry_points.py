"""Recording the entry points of all images of a dataset ahead of time."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from sampler.dataset.dataset import Dataset
from sampler.dataset.images import jpeg
from sampler.dataset.images.decode import ReadOptions, decode_image
from sampler.dataset.images.entry_points.part_decoder import record_of
from sampler.dataset.images.entry_points.records import EntryPointRecords, Record
from sampler.dataset.images.part_decoding import EncodedImage
from sampler.dataset.images.reading_ahead import reading_ahead
from sampler.dataset.parallel_map import parallel_map
from sampler.errors import ImageError

_NOTED = {"warning": "a warning of the decoder", "orientation": "an orientation that is not applied"}


@dataclass(frozen=True, slots=True)
class RecordedImage:
    """What became of an image.

    Attributes:
        nbytes: Bytes of its file; 0 if it cannot be decoded.
        reason: Why it has no entry points; "" if it has some or cannot be decoded.
        is_new: Whether it was recorded now.
        error: Why it cannot be decoded.
    """

    nbytes: int
    reason: str = ""
    is_new: bool = False
    error: ImageError | None = None


def record_images(
    dataset: Dataset, records: EntryPointRecords, threads: int, *, force: bool = False
) -> Iterator[RecordedImage]:
    """Record all images that have no valid record, and yield what became of each, in order.

    Args:
        dataset: The dataset.
        records: Its records.
        threads: Images that are decoded at once.
        force: Whether to record images again that have a valid record.

    Raises:
        OSError: A record cannot be written. Those written so far are kept.
    """
    # Damaged images are decoded whole always, so that the damage setting applies to them.
    files = dataset.with_decoded()
    files.options = replace(dataset.options, damaged="refuse")
    record = partial(_record_image, records, files.options, force)

    def record_file(index: int) -> RecordedImage:
        try:
            return files.read_file(index, record)
        except ImageError as error:
            return RecordedImage(0, error=error)

    indices = reading_ahead(files, files.images, range(len(files)))
    with closing(parallel_map(record_file, indices, threads, 4 * threads, files.images.cancel_reads)) as recorded:
        yield from recorded


def _record_image(records: EntryPointRecords, options: ReadOptions, force: bool, image: EncodedImage) -> RecordedImage:
    nbytes = len(image.data)
    if not image.data.startswith(jpeg.START):
        decode_image(image.data, image.size, options)
        return RecordedImage(nbytes, "not a JPEG")
    known = None if force else records.find(image.index, image.hash)
    if known is not None:
        return RecordedImage(nbytes, known.reason)
    notes = decode_image(image.data, image.size, options).notes
    if notes:
        return RecordedImage(nbytes, _NOTED.get(notes[0].kind, notes[0].text))
    try:
        found: Record = record_of(image.data)
    except MemoryError:  # not recorded, so that a later attempt may find them
        return RecordedImage(nbytes, "too little memory to find them")
    records.write(image.index, image.hash, found)
    return RecordedImage(nbytes, found.reason, is_new=True)
