"""Recorded states of images: the first one counts, whatever happens to the file."""

from dataclasses import replace
from pathlib import Path

import pytest

from sampler.dataset.images.header import DecodeError
from sampler.dataset.images.source import ImageStat
from sampler.dataset.images.stamps import ImageStamps, stamps_file
from tests.support.memory_source import MemorySource

FIRST, OTHER = ImageStat(100, "ETag a"), ImageStat(100, "ETag b")


def test_another_state_than_the_first_is_an_error_in_every_process(tmp_path: Path) -> None:
    file = tmp_path / "new" / "states.bin"
    one, another = ImageStamps.open(file), ImageStamps.open(file)
    one.record(7, FIRST)
    one.record(2, OTHER)
    for stamps in (one, another, ImageStamps.open(file)):
        stamps.check(7, FIRST)
        for method in (stamps.check, stamps.record):
            with pytest.raises(DecodeError, match=r"changed since it was first read .of the same size") as caught:
                method(7, OTHER)
            assert caught.value.kind == "changed"
    another.record(3, FIRST)  # between two that are recorded


def test_the_state_of_a_decoded_image_is_recorded_unless_another_is(tmp_path: Path) -> None:
    stamps = ImageStamps.open(tmp_path / "states.bin")
    stamps.record_decoded(1, FIRST.numbers)
    stamps.record_decoded(1, OTHER.numbers)
    assert stamps.recorded(1) == FIRST.numbers
    with pytest.raises(DecodeError, match="changed since it was first read"):
        stamps.check(1, OTHER)


def test_a_state_is_not_recorded_before_the_image_was_decoded(tmp_path: Path) -> None:
    stamps = ImageStamps.open(tmp_path / "states.bin")
    stamps.check(0, OTHER)
    stamps.record(0, FIRST)
    stamps.check(0, FIRST)


@pytest.mark.parametrize("other", [ImageStat(101, "ETag a"), ImageStat(100, "ETag b"), ImageStat(100, "1700000000")])
def test_size_and_version_count(other: ImageStat, tmp_path: Path) -> None:
    stamps = ImageStamps.open(tmp_path / "states.bin")
    stamps.record(0, FIRST)
    with pytest.raises(DecodeError):
        stamps.check(0, other)


def test_a_damaged_record_is_recorded_again(tmp_path: Path) -> None:
    file = tmp_path / "states.bin"
    ImageStamps.open(file).record(1, FIRST)
    content = bytearray(file.read_bytes())
    content[30] ^= 1
    file.write_bytes(content)
    stamps = ImageStamps.open(file)
    stamps.record(1, OTHER)
    with pytest.raises(DecodeError):
        stamps.check(1, FIRST)


def test_a_file_that_cannot_be_written_is_only_compared_with(tmp_path: Path) -> None:
    file = tmp_path / "states.bin"
    opened = ImageStamps.open(file)
    opened.record(0, FIRST)
    stamps = replace(opened, recording=False)
    before = file.read_bytes()
    with pytest.raises(DecodeError):
        stamps.check(0, OTHER)
    stamps.record(1, OTHER)
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_created_is_an_error_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    with pytest.raises(FileExistsError):
        ImageStamps.open(tmp_path / "folder" / "states.bin")


def test_each_dataset_and_source_has_its_own_file(tmp_path: Path) -> None:
    one, other = MemorySource({}), MemorySource({})
    other.__class__ = type("Other", (MemorySource,), {"identity": "memory://other"})
    assert len({stamps_file(tmp_path, digest, source) for digest in ("a", "b") for source in (one, other)}) == 4
