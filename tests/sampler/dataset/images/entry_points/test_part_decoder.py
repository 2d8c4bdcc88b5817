"""Images read in parts from entry points have the pixels of whole images, whatever the records hold."""

import dataclasses
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.decoded_store.reader import find_store
from sampler.dataset.images.entry_points import part_decoder
from sampler.dataset.images.entry_points.find import find_entry_points
from sampler.dataset.images.entry_points.records import STRIDE, EntryPointRecords, Record
from sampler.dataset.images.entry_points.small_header import SIZE_AFTER
from sampler.dataset.images.hashes import image_hash
from sampler.dataset.images.image_cache import ImageCache
from sampler.dataset.images.notes import ImageNote
from sampler.dataset.preparation.entry_points import record_images
from sampler.errors import ImageError
from sampler.image_part import Region
from tests.support.coco_files import (
    box_entry,
    category_entry,
    coco,
    image_entry,
    image_file,
    opencv_pixels,
    photo,
    write_dataset,
    write_jpeg,
)
from tests.support.entry_points import assert_parts_are_exact, file_of, record_for, with_entry_points
from tests.support.processes import output_of
from tests.support.stores import write_store

WIDTH, HEIGHT = 320, 240
SMALL = Region((100, 132), (120, 180))
IMAGES = 4


@pytest.fixture
def plain(tmp_path: Path) -> Dataset:
    """Four photos of 320×240 pixels, without entry points."""
    images = [image_entry(number, WIDTH, HEIGHT) for number in range(IMAGES)]
    boxes = [box_entry(1, 0, 1, [20, 20, 150, 120])]
    return open_dataset(*write_dataset(tmp_path, coco(images, boxes, [category_entry(1)])), tmp_path / "cache")


@pytest.fixture
def dataset(plain: Dataset, tmp_path: Path) -> Dataset:
    return with_entry_points(plain, tmp_path / "cache")


def counts(dataset: Dataset) -> tuple[int, int, int]:
    return dataset.counts.whole, dataset.counts.parts, dataset.counts.recorded


def test_an_image_is_decoded_whole_and_recorded_once_and_in_parts_ever_after(dataset: Dataset, tmp_path: Path) -> None:
    first = dataset.read(0, SMALL)
    assert first.size is None
    assert counts(dataset) == (1, 0, 1)
    second = dataset.read(0, SMALL)
    assert second.size == (HEIGHT, WIDTH)
    assert second.pixels.size < first.pixels.size / 4
    assert counts(dataset) == (1, 1, 1)
    another = with_entry_points(dataset, tmp_path / "cache")
    another.read(0, SMALL)
    assert counts(another) == (0, 1, 0)


def test_parts_have_the_pixels_of_the_whole_image(dataset: Dataset, plain: Dataset) -> None:
    for index in range(IMAGES):
        assert_parts_are_exact(dataset, plain, index, regions=40, seed=index)
    assert dataset.counts.parts > 20 * IMAGES


@pytest.mark.parametrize("region", [None, Region((0, HEIGHT), (0, WIDTH)), Region((5, 5), (0, 9))])
def test_all_or_nothing_of_an_image_is_read_whole(dataset: Dataset, plain: Dataset, region: Region | None) -> None:
    for _ in range(2):
        assert np.array_equal(dataset.read(1, region).pixels, plain.read(1).pixels)
    assert counts(dataset) == (2, 0, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_parts_of_turned_images_are_those_that_opencv_shows(plain: Dataset, tmp_path: Path, orientation: int) -> None:
    stored = (HEIGHT, WIDTH) if orientation > 4 else (WIDTH, HEIGHT)
    file = write_jpeg(image_file(plain, 2), *stored, orientation=orientation)
    dataset = with_entry_points(plain, tmp_path / "cache")
    assert np.array_equal(plain.read(2).pixels, opencv_pixels(file))
    assert_parts_are_exact(dataset, plain, 2, regions=30, seed=orientation)
    assert dataset.counts.recorded == 1
    assert dataset.counts.parts > 10


def test_an_orientation_that_is_not_applied_is_noted_each_time(plain: Dataset, tmp_path: Path) -> None:
    write_jpeg(image_file(plain, 2), WIDTH, HEIGHT, orientation=6)
    dataset, noted = with_entry_points(plain, tmp_path / "cache"), list[ImageNote]()
    dataset.notify = lambda _, note: noted.append(note)
    for _ in range(2):
        dataset.read(2, SMALL)
    assert [note.kind for note in noted] == ["orientation"] * 2
    assert counts(dataset) == (2, 0, 0)
    assert record_for(plain, tmp_path / "cache", 2) is None


def damage(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] + b"\xff\xd9")


def test_a_damaged_image_gets_no_record_and_is_served_or_refused_as_the_setting_says(
    plain: Dataset, tmp_path: Path
) -> None:
    damage(image_file(plain, 1))
    dataset, noted = with_entry_points(plain, tmp_path / "cache"), list[ImageNote]()
    dataset.notify = lambda _, note: noted.append(note)
    for _ in range(2):
        assert np.array_equal(dataset.read(1, SMALL).pixels, plain.read(1).pixels)
    assert [note.kind for note in noted] == ["damaged"] * 2
    assert counts(dataset) == (2, 0, 0)
    assert record_for(plain, tmp_path / "cache", 1) is None
    refusing = dataset.with_decoded()
    refusing.options = dataclasses.replace(dataset.options, damaged="refuse")
    with pytest.raises(ImageError, match="restore the file"):
        refusing.read(1, SMALL)


def test_an_image_that_becomes_damaged_loses_its_record(dataset: Dataset, plain: Dataset, tmp_path: Path) -> None:
    dataset.read(1, SMALL)
    damage(image_file(plain, 1))
    assert np.array_equal(dataset.read(1, SMALL).pixels, plain.read(1).pixels)
    assert record_for(plain, tmp_path / "cache", 1) is None
    refusing = dataset.with_decoded()
    refusing.options = dataclasses.replace(dataset.options, damaged="refuse")
    with pytest.raises(ImageError, match="restore the file"):
        refusing.read(1, SMALL)


def test_another_file_of_the_same_name_size_and_time_is_noticed(dataset: Dataset, plain: Dataset) -> None:
    file = image_file(plain, 0)
    before, state = file.read_bytes(), file.stat()
    dataset.read(0, SMALL)
    write_jpeg(file, WIDTH, HEIGHT, seed=99)
    other = file.read_bytes()
    end = max(len(before), len(other))
    file.write_bytes(before.ljust(end, b"\0"))
    dataset.read(0, SMALL)
    file.write_bytes(other.ljust(end, b"\0"))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert_parts_are_exact(dataset, plain, 0)


def test_two_images_that_change_places_are_noticed(dataset: Dataset, plain: Dataset) -> None:
    for index in (0, 1):
        dataset.read(index, SMALL)
    first, second = image_file(plain, 0), image_file(plain, 1)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    for index in (0, 1):
        assert_parts_are_exact(dataset, plain, index)


def write_progressive(file: Path) -> None:
    Image.fromarray(photo(WIDTH, HEIGHT, 5)[..., ::-1]).save(file, "JPEG", progressive=True)


def write_cmyk(file: Path) -> None:
    Image.fromarray(photo(WIDTH, HEIGHT, 5)).convert("CMYK").save(file, "JPEG")


def write_unusual_exif(file: Path) -> None:
    Image.fromarray(photo(WIDTH, HEIGHT, 5)).save(
        file, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x02\0" + b"\x12\1\3\0\1\0\0\0\1\0\0\0" * 2
    )


@pytest.mark.parametrize("write", [write_progressive, write_cmyk, write_unusual_exif])
def test_an_unusual_jpeg_is_looked_at_once_and_decoded_whole(
    plain: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object
) -> None:
    assert callable(write)
    write(image_file(plain, 3))
    dataset, looked_at = with_entry_points(plain, tmp_path / "cache"), list[int]()
    of_file = part_decoder.record_of

    def counted(data: bytes) -> Record:
        looked_at.append(len(data))
        return of_file(data)

    monkeypatch.setattr(part_decoder, "record_of", counted)
    for _ in range(3):
        assert np.array_equal(dataset.read(3, SMALL).pixels, plain.read(3).pixels)
    assert counts(dataset) == (3, 0, 1)
    assert len(looked_at) == 1
    record = record_for(plain, tmp_path / "cache", 3)
    assert record is not None
    assert record.points is None
    assert record.reason


def test_other_formats_are_not_recorded(plain: Dataset, tmp_path: Path) -> None:
    png = cv2.imencode(".png", photo(WIDTH, HEIGHT))[1].tobytes()
    image_file(plain, 3).write_bytes(png)
    dataset = with_entry_points(plain, tmp_path / "cache")
    for _ in range(2):
        dataset.read(3, SMALL)
    assert counts(dataset) == (2, 0, 0)
    assert file_of(plain, tmp_path / "cache").stat().st_size == 0


@pytest.mark.parametrize("place", [0, 9, 12, 20, 40, 64, 300, 1500])
def test_a_damaged_record_is_written_again(dataset: Dataset, plain: Dataset, tmp_path: Path, place: int) -> None:
    dataset.read(1, SMALL)
    file = file_of(plain, tmp_path / "cache")
    whole = file.read_bytes()
    data = bytearray(whole)
    data[STRIDE + place] ^= 16
    file.write_bytes(data)
    assert_parts_are_exact(dataset, plain, 1)
    assert counts(dataset)[2] == 2
    assert file.read_bytes() == whole


def test_a_truncated_file_of_records_is_completed(dataset: Dataset, plain: Dataset, tmp_path: Path) -> None:
    for index in range(IMAGES):
        dataset.read(index, SMALL)
    file = file_of(plain, tmp_path / "cache")
    whole = file.read_bytes()
    os.truncate(file, 2 * STRIDE + 100)
    for index in range(IMAGES):
        assert_parts_are_exact(dataset, plain, index)
    assert counts(dataset)[2] == IMAGES + 2
    assert file.read_bytes() == whole


def test_a_record_with_the_entry_points_of_another_image_gives_no_wrong_pixel_and_is_replaced(
    dataset: Dataset, plain: Dataset, tmp_path: Path
) -> None:
    """No accident does this: the record says that it belongs to the file."""
    records = EntryPointRecords.open(file_of(plain, tmp_path / "cache"))
    write_jpeg(image_file(plain, 2), 200, 100)
    foreign = part_decoder.record_of(image_file(plain, 2).read_bytes())
    records.write(1, image_hash(image_file(plain, 1).read_bytes()), foreign)
    records.write(0, image_hash(image_file(plain, 0).read_bytes()), Record(b"nothing of the kind"))
    for index in (0, 1):
        assert_parts_are_exact(dataset, plain, index)
    assert counts(dataset)[2] == 2


def test_a_part_that_the_decoder_complains_about_is_decoded_whole(
    dataset: Dataset, plain: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.read(0, SMALL)
    decode = simplejpeg.decode_jpeg

    def complain(data: bytes, **options: object) -> object:
        if len(data) < image_file(plain, 0).stat().st_size:
            raise ValueError("Corrupt JPEG data: premature end of data segment")
        return decode(data, **options)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", complain)
    assert np.array_equal(dataset.read(0, SMALL).pixels, plain.read(0).pixels)
    assert counts(dataset) == (2, 0, 1)


@contextmanager
def limited(kind: int, nbytes: int) -> Iterator[None]:
    """Limit a resource of this process."""
    limits = resource.getrlimit(kind)
    resource.setrlimit(kind, (nbytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, limits)


@pytest.mark.parametrize("size", [(65_500, 65_500), (1, 1), (HEIGHT, WIDTH)])
def test_a_record_that_claims_another_size_of_its_part_is_not_used(
    dataset: Dataset, plain: Dataset, tmp_path: Path, size: tuple[int, int]
) -> None:
    """No accident does this: the check is that of the record."""
    data = image_file(plain, 0).read_bytes()
    points = find_entry_points(data)
    frame = points.restart_at + SIZE_AFTER
    sizes = b"".join(side.to_bytes(2) for side in size)
    # The size of the part is written into a segment that nobody reads.
    unread = b"\xff\xe5\0\x10" + bytes(14)
    header = points.header[:2] + unread + points.header[2:frame] + sizes + points.header[frame + 4 :]
    records = EntryPointRecords.open(file_of(plain, tmp_path / "cache"))
    record = dataclasses.replace(points, header=header, restart_at=6)
    records.write(0, image_hash(data), Record(record.encode()))
    with limited(resource.RLIMIT_DATA, 4 << 30):
        assert_parts_are_exact(dataset, plain, 0)
    assert counts(dataset) == (20, 0, 0)


@pytest.mark.parametrize("factors", [0x00, 0x14, 0x44, 0xFF])
def test_a_record_that_claims_another_subsampling_is_not_used(
    dataset: Dataset, plain: Dataset, tmp_path: Path, factors: int
) -> None:
    data = image_file(plain, 0).read_bytes()
    points = find_entry_points(data)
    place = points.restart_at + SIZE_AFTER + 6
    header = points.header[:place] + bytes([factors]) + points.header[place + 1 :]
    records = EntryPointRecords.open(file_of(plain, tmp_path / "cache"))
    records.write(0, image_hash(data), Record(dataclasses.replace(points, header=header).encode()))
    assert_parts_are_exact(dataset, plain, 0)
    assert counts(dataset) == (20, 0, 0)


def test_an_image_is_read_without_the_memory_for_entry_points(
    dataset: Dataset, plain: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(part_decoder, "find_entry_points", fail)
        records = EntryPointRecords.open(file_of(plain, tmp_path / "cache"))
        assert {image.reason for image in record_images(plain, records, 2)} == {"too little memory to find them"}
        assert records.disk_bytes == 0
        assert np.array_equal(dataset.read(0, SMALL).pixels, plain.read(0).pixels)
        assert counts(dataset) == (1, 0, 0)
    dataset.read(0, SMALL)
    assert counts(dataset) == (2, 0, 1)
    monkeypatch.setattr(part_decoder, "window_jpeg", fail)
    assert np.array_equal(dataset.read(0, SMALL).pixels, plain.read(0).pixels)
    assert counts(dataset) == (3, 0, 1)


def test_the_annotated_size_is_checked_whatever_is_recorded(dataset: Dataset, plain: Dataset, tmp_path: Path) -> None:
    dataset.read(0, SMALL)
    image_file(plain, 0).write_bytes(image_file(plain, 0).read_bytes())
    content = [image_entry(number, WIDTH, HEIGHT) for number in range(IMAGES)]
    content[0] = image_entry(0, WIDTH + 1, HEIGHT)
    (tmp_path / "other").mkdir()
    annotations, _ = write_dataset(tmp_path / "other", coco(content, [], [category_entry(1)]))
    other = open_dataset(annotations, tmp_path / "images", tmp_path / "cache")
    other.decoder = dataset.decoder
    with pytest.raises(ImageError, match="the file is 320×240 pixels, the annotations say 321×240"):
        other.read(0, SMALL)


def test_the_pixel_limit_holds_whatever_is_recorded(dataset: Dataset) -> None:
    dataset.read(0, SMALL)
    limited = dataset.with_decoded()
    limited.options = ReadOptions(1000)
    with pytest.raises(ImageError, match="limit of 1000"):
        limited.read(0, SMALL)


def test_without_space_images_are_read_all_the_same_and_one_line_says_so(plain: Dataset, tmp_path: Path) -> None:
    said: list[str] = []
    dataset = with_entry_points(plain, tmp_path / "cache", said.append)
    with limited(resource.RLIMIT_FSIZE, STRIDE + 500):
        for _ in range(2):
            for index in range(IMAGES):
                assert_parts_are_exact(dataset, plain, index, regions=3)
    file = file_of(plain, tmp_path / "cache")
    (line,) = said
    assert line.startswith(f"{file}: entry points are no longer recorded: File too large; ")
    assert "set another cache folder (SAMPLER_CACHE_DIR)" in line
    assert dataset.counts.recorded == 1
    assert record_for(plain, tmp_path / "cache", 0) is not None
    assert record_for(plain, tmp_path / "cache", 1) is None
    again = with_entry_points(plain, tmp_path / "cache", said.append)
    for index in range(IMAGES):
        assert_parts_are_exact(again, plain, index)
    assert again.counts.recorded == IMAGES - 1
    assert len(said) == 1


def test_the_decoded_store_comes_first(plain: Dataset, tmp_path: Path) -> None:
    assert write_store(plain, tmp_path / "cache") == []
    store = find_store(tmp_path / "cache", plain.store_meta)
    dataset = with_entry_points(plain.with_decoded(store), tmp_path / "cache")
    dataset.read(0, SMALL)
    assert counts(dataset) == (0, 0, 0)


def test_images_that_the_cache_admits_are_decoded_whole_and_others_in_parts(plain: Dataset, tmp_path: Path) -> None:
    cache = ImageCache.create(1, IMAGES)  # room for four images of 230 kB
    dataset = with_entry_points(plain.with_decoded(cache=cache), tmp_path / "cache")
    for index in range(IMAGES):
        dataset.read(index, SMALL)
    assert counts(dataset) == (IMAGES, 0, IMAGES)
    for index in range(IMAGES):
        assert dataset.read(index, SMALL).size is None
    assert counts(dataset) == (IMAGES, 0, IMAGES)
    full = ImageCache.create(1, 100)
    while full.admits(HEIGHT * WIDTH * 3):
        full.store(99, photo(WIDTH, HEIGHT))
    dataset.cache = full
    dataset.counts.take()
    for _ in range(2):
        for index in range(IMAGES):
            assert_parts_are_exact(dataset, plain, index, regions=1)
    assert dataset.counts.parts > 0


WARM = """
import sys
from pathlib import Path
from sampler.dataset.dataset import open_dataset
from sampler.dataset.images.entry_points import part_decoder
from sampler.image_part import Region
from sampler.kernels.compiled.kernels import warm_up
from tests.support.entry_points import with_entry_points

warm_up()
part_decoder.warm_up()
annotations, images, cache = map(Path, sys.argv[1:])
dataset = with_entry_points(open_dataset(annotations, images, cache), cache)
for _ in range(2):
    for index in range(len(dataset)):
        dataset.read(index, Region((50, 90), (60, 100)))
assert dataset.counts.parts == len(dataset) - 1
print("numba" in sys.modules)
"""


def test_after_the_warm_up_no_image_compiles_anything(plain: Dataset, tmp_path: Path) -> None:
    Image.fromarray(photo(WIDTH, HEIGHT)[..., 0]).save(image_file(plain, 1), "JPEG")
    Image.fromarray(photo(WIDTH, HEIGHT)).save(image_file(plain, 2), "JPEG", restart_marker_rows=1, subsampling=0)
    write_progressive(image_file(plain, 3))
    place = tmp_path / "annotations.json", tmp_path / "images", tmp_path / "cache"
    assert output_of(WARM, *place) == "False"
