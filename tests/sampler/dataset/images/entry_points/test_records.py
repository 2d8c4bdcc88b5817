"""Records of entry points: found for the file they are of, and for nothing else, whatever happens to the disk."""

import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.dataset.images.entry_points import records as module
from sampler.dataset.images.entry_points.points import RECORD_BYTES
from sampler.dataset.images.entry_points.records import STRIDE, EntryPointRecords, Record, records_file
from sampler.dataset.images.hashes import Hash
from sampler.dataset.images.local_folder import LocalFolder
from tests.support.processes import start_python

HASH: Hash = (0x0123456789ABCDEF, 0xFEDCBA9876543210)
RECORD = Record(bytes(range(256)) * 9, orientation=6)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "entry-points/a.bin"


@pytest.fixture
def records(file: Path) -> EntryPointRecords:
    return EntryPointRecords.open(file)


@pytest.mark.parametrize("record", [
    RECORD, Record(b""), Record(bytes(RECORD_BYTES)), Record(None, "a progressive JPEG"), Record(None, "größer", 8),
])  # fmt: skip
def test_a_record_is_found_for_the_file_it_is_of(records: EntryPointRecords, record: Record, file: Path) -> None:
    records.write(7, HASH, record)
    assert records.find(7, HASH) == record
    assert EntryPointRecords.open(file).find(7, HASH) == record


def test_it_is_not_found_for_another_file_or_image(records: EntryPointRecords) -> None:
    records.write(7, HASH, RECORD)
    for other in ((HASH[0] ^ 1, HASH[1]), (HASH[0], HASH[1] ^ 1), HASH[::-1], (0, 0)):
        assert records.find(7, other) is None
    assert records.find(6, HASH) is None
    assert records.find(8, HASH) is None
    assert records.find(10**7, HASH) is None


def test_a_new_record_of_another_file_replaces_the_old(records: EntryPointRecords) -> None:
    records.write(7, HASH, RECORD)
    records.write(7, (1, 2), Record(b"short"))
    assert records.find(7, HASH) is None
    assert records.find(7, (1, 2)) == Record(b"short")


def test_neighbours_are_untouched(records: EntryPointRecords) -> None:
    for index in range(3):
        records.write(index, (index, index), Record(bytes([index]) * RECORD_BYTES))
    assert [records.find(index, (index, index)) for index in range(3)] == [
        Record(bytes([index]) * RECORD_BYTES) for index in range(3)
    ]


def test_a_file_that_was_never_written_has_no_records(records: EntryPointRecords) -> None:
    assert records.find(0, HASH) is None
    assert records.find(0, (0, 0)) is None


def test_an_image_that_was_not_recorded_among_others_has_no_record(records: EntryPointRecords) -> None:
    records.write(5, HASH, RECORD)
    assert records.find(2, (0, 0)) is None


@given(place=st.integers(0, 63 + len(RECORD.points or b"")), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    file = tmp_path_factory.getbasetemp() / "flipped.bin"
    records = EntryPointRecords.open(file)
    records.write(1, HASH, RECORD)
    data = bytearray(file.read_bytes())
    data[STRIDE + place] ^= 1 << bit
    file.write_bytes(data)
    assert records.find(1, HASH) is None


def test_no_truncation_goes_unnoticed(records: EntryPointRecords, file: Path) -> None:
    records.write(1, HASH, RECORD)
    whole = file.read_bytes()
    for length in range(0, len(whole), 61):
        os.truncate(file, length)
        assert records.find(1, HASH) is None
        file.write_bytes(whole)
    assert records.find(1, HASH) == RECORD


def test_half_a_new_record_over_an_old_one_is_none(records: EntryPointRecords, file: Path) -> None:
    """A process that is killed may have written any part of a record."""
    records.write(0, (1, 1), Record(b"\1" * 3000))
    old = file.read_bytes()
    records.write(0, (2, 2), Record(b"\2" * 3000))
    new = file.read_bytes()
    for cut in range(1, len(new), 97):
        file.write_bytes(new[:cut] + old[cut:])
        assert records.find(0, (1, 1)) is None
        assert records.find(0, (2, 2)) is None


def test_a_record_of_another_version_is_none(records: EntryPointRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORMAT", 2)
    records.write(0, HASH, RECORD)
    assert records.find(0, HASH) == RECORD
    monkeypatch.setattr(module, "FORMAT", 1)
    assert records.find(0, HASH) is None


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 255])
def test_no_content_with_a_valid_check_is_an_error(
    records: EntryPointRecords, kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_POINTS", kind)
    records.write(0, HASH, Record(b"\xff\xfe no text", orientation=77))
    monkeypatch.undo()
    found = {1: Record(b"\xff\xfe no text", "", 77), 2: Record(None, "\ufffd\ufffd no text", 77)}
    assert records.find(0, HASH) == found.get(kind)


def test_a_record_that_is_too_long_is_refused(records: EntryPointRecords) -> None:
    with pytest.raises(ValueError, match=f"expected at most {RECORD_BYTES}"):
        records.write(0, HASH, Record(bytes(RECORD_BYTES + 1)))


def test_records_of_a_large_dataset_take_only_the_space_of_those_there_are(
    records: EntryPointRecords, file: Path
) -> None:
    for index in range(0, 10**7, 10**6):
        records.write(index, HASH, RECORD)
    assert file.stat().st_size > 70e9
    assert 10 * 2000 < records.disk_bytes < 10**6


def test_each_dataset_and_image_source_has_a_file_of_its_own(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    files = {records_file(tmp_path, digest, LocalFolder(folder)) for digest in ("d1", "d2") for folder in folders}
    assert len(files) == 4
    assert {file.parent for file in files} == {tmp_path / "entry-points"}
    assert all(file.name.endswith("-v2.bin") for file in files)


WRITE_FOREVER = """
import sys
from pathlib import Path
from sampler.dataset.images.entry_points.records import EntryPointRecords, Record
records = EntryPointRecords.open(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    for value in range(256):
        for index in range(4):
            records.write(index, (value, index), Record(bytes([value]) * 8000))
"""


def read_records(records: EntryPointRecords) -> int:
    """Look for every record there may be; return how many there are, each of which must be right."""
    found = 0
    for value in range(256):
        for index in range(4):
            record = records.find(index, (value, index))
            assert record in (None, Record(bytes([value]) * 8000))
            found += record is not None
    return found


def test_processes_that_are_killed_while_they_write_leave_no_wrong_record(
    records: EntryPointRecords, file: Path
) -> None:
    seen = 0
    for _ in range(4):
        writers = [start_python("-c", WRITE_FOREVER, file, coverage=False) for _ in range(2)]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        seen += sum(read_records(records) for _ in range(8))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        assert read_records(records) <= 4
    assert seen > 0


def test_a_limit_on_the_size_of_files_is_an_error_and_leaves_no_broken_record(
    records: EntryPointRecords, file: Path
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * STRIDE + 1000, limits[1]))
    try:
        records.write(0, HASH, RECORD)
        with pytest.raises(OSError, match="File too large"):
            records.write(2, HASH, RECORD)  # only a part fits below the limit
        with pytest.raises(OSError, match="File too large"):
            records.write(9, HASH, RECORD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert records.find(0, HASH) == RECORD
    assert records.find(2, HASH) is None
    assert records.find(9, HASH) is None
    records.write(2, HASH, RECORD)
    assert records.find(2, HASH) == RECORD


def refuse_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no file be opened for writing."""
    opened = os.open

    def refuse(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)


def test_a_file_that_cannot_be_written_is_read(
    records: EntryPointRecords, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.write(3, HASH, RECORD)
    refuse_writing(monkeypatch)
    read_only = EntryPointRecords.open(file)
    assert isinstance(read_only.unwritable, PermissionError)
    assert read_only.find(3, HASH) == RECORD
    with pytest.raises(PermissionError):
        EntryPointRecords.open(file.with_name("b.bin"))


@pytest.mark.parametrize("kind", ["folder", "pipe", "read-only pipe"])
def test_what_is_not_a_regular_file_has_no_records(file: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file.parent.mkdir()
    if kind == "folder":
        file.mkdir()
    else:
        os.mkfifo(file)
    if kind == "read-only pipe":
        refuse_writing(monkeypatch)
    records = EntryPointRecords.open(file)
    assert records.find(0, HASH) is None
    assert (records.unwritable is None) == (kind == "pipe")
    with pytest.raises(OSError, match=r"Illegal seek|Bad file descriptor"):
        records.write(0, HASH, RECORD)
