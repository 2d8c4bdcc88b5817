"""Records of entry points: an image is decoded to its pixels, whatever its record holds.

Some changed records get a checksum that fits. They may then describe another image, but never lead outside of memory.
"""

from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import xxhash

from sampler.dataset.images.decode import DEFAULT_OPTIONS
from sampler.dataset.images.entry_points.part_decoder import EntryPointDecoder, record_of
from sampler.dataset.images.entry_points.records import EntryPointRecords
from sampler.dataset.images.hashes import image_hash
from sampler.dataset.images.header import DecodeError
from sampler.dataset.images.part_decoding import DecodeCounts, EncodedImage, decode_whole
from sampler.image_part import Region
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require
from tests.support.jpegs import ENCODERS, Pixels, draw

SHAPE = (120, 200)
REGIONS = (Region((0, 9), (0, 9)), Region((50, 90), (100, 140)), Region((112, 120), (190, 200)))
_CHECKED, _LENGTH, _HEADER = 8, 30, 64
"""Where in a record the checked bytes, the length of the payload, and the payload begin."""


class Images:
    """JPEG files, their records and their pixels. The first byte of an input chooses one."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "records.bin"
        self.encoded = list[EncodedImage]()
        self.records = list[bytes]()
        self._pixels = list[Pixels]()
        for name in ("OpenCV 4:2:0", "OpenCV 4:4:4, restarts", "Pillow grey", "simplejpeg 422", "Pillow 2, optimised"):
            data = ENCODERS[name](draw("mixed", *SHAPE, len(self.encoded)), 80)
            image = EncodedImage(0, data, image_hash(data), SHAPE)
            self.encoded.append(image)
            self.records.append(self._written(image))
            self._pixels.append(decode_whole(image, DEFAULT_OPTIONS, DecodeCounts()).part.pixels)

    def _written(self, image: EncodedImage) -> bytes:
        self._file.write_bytes(b"")
        EntryPointRecords.open(self._file).write(0, image.hash, record_of(image.data))
        return self._file.read_bytes()

    def run(self, data: bytes) -> None:
        """Decode parts of an image with a record."""
        number, stored = (data[0] if data else 0) % len(self.encoded), data[1:]
        original = self.records[number]
        signed = stored != original and stored[:_CHECKED] == _check(stored)
        for region in REGIONS:
            self._file.write_bytes(stored)
            decoder = EntryPointDecoder(EntryPointRecords.open(self._file), DecodeCounts())
            part = decoder.decode(self.encoded[number], region, DEFAULT_OPTIONS).part
            require(part.region.covers(region), "a part that does not cover the region")
            top, left = part.origin
            height, width = part.pixels.shape[:2]
            whole = self._pixels[number][top : top + height, left : left + width]
            require(whole.shape == part.pixels.shape, "a part that leaves the image")
            rows = slice(region.rows[0] - top, region.rows[1] - top)
            columns = slice(region.columns[0] - left, region.columns[1] - left)
            require(signed or np.array_equal(part.pixels[rows, columns], whole[rows, columns]), "other pixels")


def build(folder: Path) -> Target:
    """Return the target."""
    images = Images(folder)
    for number, record in enumerate(images.records):
        images.run(bytes([number]) + record)
    return Target(partial(_make, images.records), images.run, (DecodeError,))


def _make(records: list[bytes], rng: Random) -> bytes:
    number = rng.randrange(len(records))
    stored = records[number]
    if rng.random() < 0.3:
        stored = mutate(stored, rng, records)
    else:
        payload = mutate(stored[_HEADER:], rng, [record[_HEADER:] for record in records])
        stored = stored[:_LENGTH] + len(payload).to_bytes(4, "little") + stored[_LENGTH + 4 : _HEADER] + payload
        stored = _check(stored) + stored[_CHECKED:]
    return bytes([number]) + stored


def _check(stored: bytes) -> bytes:
    """Return the check that fits a record."""
    length = int.from_bytes(stored[_LENGTH : _LENGTH + 4], "little")
    return xxhash.xxh3_64_intdigest(stored[_CHECKED : _HEADER + length]).to_bytes(_CHECKED, "little")
