"""Decoding JPEG files in parts, from recorded entry points; decoding them whole and recording them the first time.

A record says that its file was decoded whole without any note, and what its header says. So nothing needs to be checked
again but the annotated size. Whatever is unusual is decoded whole: files without entry points, regions for which a part
is not worth it, and parts that the decoder complains about.
"""

from collections.abc import Callable

import numpy as np
import simplejpeg

from sampler.dataset.images import jpeg
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.entry_points.errors import EntryPointsError, NoEntryPoints
from sampler.dataset.images.entry_points.find import find_entry_points
from sampler.dataset.images.entry_points.points import EntryPoints
from sampler.dataset.images.entry_points.records import EntryPointRecords, Record, not_recorded
from sampler.dataset.images.entry_points.window import is_worthwhile, window_jpeg
from sampler.dataset.images.header import read_header
from sampler.dataset.images.orientation import AS_STORED, shown_region, shown_size, stored_region, turned
from sampler.dataset.images.part_decoding import DecodeCounts, DecodedPart, EncodedImage, decode_whole
from sampler.image_part import ImagePart, Region

APP1_MARKER = bytes([0xFF, jpeg.APP1])
"""Begins the segment of Exif data."""


class EntryPointDecoder:
    """A decoder of the images of a dataset, by its records.

    Attributes:
        records: The records.
        counts: How images were decoded.
        recording: Whether files are recorded. False once a record could not be written.
    """

    def __init__(
        self, records: EntryPointRecords, counts: DecodeCounts, report: Callable[[str], None] | None = None
    ) -> None:
        """report: called with one line if records can no longer be written."""
        self.records = records
        self.counts = counts
        self.recording = records.unwritable is None
        self._report = report

    def decode(self, image: EncodedImage, region: Region | None, options: ReadOptions) -> DecodedPart:
        """Return the image or a part that covers `region`. Raises what `decode_image` raises."""
        if not image.data.startswith(jpeg.START):
            return decode_whole(image, options, self.counts)
        record, part = self.records.find(image.index, image.hash), None
        try:
            part = None if record is None or region is None else _decode_part(image, record, region)
        except EntryPointsError:
            record = None  # it is of no use, so it is written again
        if part is not None:
            self.counts.parts += 1
            return DecodedPart(part)
        decoded = decode_whole(image, options, self.counts)
        if record is None and self.recording and not decoded.notes:
            self._record(image)
        return decoded

    def _record(self, image: EncodedImage) -> None:
        try:
            self.records.write(image.index, image.hash, record_of(image.data))
        except MemoryError:
            return  # there was enough to decode the image, and a later attempt may have more
        except OSError as error:
            self.recording = False
            if self._report is not None:
                self._report(not_recorded(self.records.file, error))
        else:
            self.counts.recorded += 1


def record_of(data: bytes) -> Record:
    """Return the record of a JPEG file that was decoded whole without any note."""
    try:
        points = find_entry_points(data)
    except NoEntryPoints as error:
        return Record(None, error.reason)
    # Most files have no Exif data, which is quickly seen.
    orientation = read_header(data).orientation if APP1_MARKER in data[: points.scan[0]] else AS_STORED
    return Record(None, "unusual Exif data") if orientation is None else Record(points.encode(), "", orientation)


def warm_up() -> None:
    """Record a small JPEG and decode a part of it, so that the first image finds everything loaded and compiled."""
    data = simplejpeg.encode_jpeg(np.zeros((64, 64, 3), np.uint8), colorspace="BGR")
    points = record_of(data).points
    if points is not None:
        small, _ = window_jpeg(data, EntryPoints.decode(points), Region((8, 16), (8, 16)))
        simplejpeg.decode_jpeg(small, colorspace="BGR")


def _decode_part(image: EncodedImage, record: Record, region: Region) -> ImagePart | None:
    """Return a part that covers a region, or None if the image must or should be decoded whole.

    Raises EntryPointsError if the record is not one of the file.
    """
    if record.points is None or region.is_empty:
        return None
    try:
        points = EntryPoints.decode(record.points)
        if shown_size(points.size, record.orientation) != image.size:
            raise EntryPointsError("entry points of another image")
        stored = stored_region(region, image.size, record.orientation)
        if not is_worthwhile(points, stored):
            return None
        data, covered = window_jpeg(image.data, points, stored)
        if simplejpeg.decode_jpeg_header(data)[:2] != covered.shape:  # a record made to deceive: take no memory for it
            return None
        pixels = np.asarray(simplejpeg.decode_jpeg(data, colorspace="BGR"), np.uint8)
    except (NoEntryPoints, ValueError, KeyError, MemoryError):  # such as a warning of the decoder
        return None
    shown = shown_region(covered, image.size, record.orientation)
    return ImagePart(turned(pixels, record.orientation), (shown.rows[0], shown.columns[0]), image.size)
