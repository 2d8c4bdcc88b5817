"""Indexes of any size: built in little memory, opened unread, and yet not believed once something changed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_index import write_synthetic_index
from sampler import index_files, index_folder, known_sources
from sampler.dataset import Dataset
from sampler.errors import AnnotationError
from sampler.file_stamps import TICK, Stamp, settled, stamp
from sampler.index import ARRAYS
from sampler.index_files import check_index, is_sound, load_index, write_checked
from sampler.index_folder import ensure_index
from sampler.known_sources import Source
from tests.coco_files import small_coco, write_dataset, write_json
from tests.processes import unmeasured_environment

MEGABYTE = 1 << 20
MEMORY = """
import resource, sys
from pathlib import Path
from sampler.dataset import Dataset
from sampler.index_folder import ensure_index
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before, arguments = peak(), [Path(name) for name in sys.argv[1:]]
"""


def run(code: str, *arguments: object) -> str:
    """What a Python process of its own prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=90, env=unmeasured_environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait_for_the_clock() -> None:
    """Until a file system's clock has ticked, so that another change shows."""
    time.sleep(2 * TICK / 1e9)


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """An annotation file that was not written just now."""
    file = write_json(tmp_path / "a.json", small_coco())
    wait_for_the_clock()
    return file


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read whole since: "file" and "index"."""
    seen: list[str] = []

    def watch(module: object, name: str, word: str) -> None:
        original: Callable[..., object] = getattr(module, name)

        def watched(*arguments: object) -> object:
            seen.append(word)
            return original(*arguments)

        monkeypatch.setattr(module, name, watched)

    watch(index_folder, "stream_digest", "file")
    watch(index_folder, "scan_annotations", "file")
    watch(index_files, "check_index", "index")
    return seen


def test_building_takes_little_memory_beside_the_annotation_file(tmp_path: Path) -> None:
    """80 MB of annotations with long outlines: to hold the text alone would take all of that."""
    outline = ", ".join(f"{n}.25" for n in range(200))
    entry = '{"segmentation": [[%s]], "image_id": %d, "bbox": [1.5, 2, 30, 20.25], "category_id": 1, "id": %d}'
    file = tmp_path / "large.json"
    with file.open("w") as stream:
        stream.write('{"images": [')
        stream.write(
            ", ".join(f'{{"id": {n}, "file_name": "{n}.jpg", "width": 64, "height": 48}}' for n in range(5000))
        )
        stream.write('], "annotations": [')
        stream.write(", ".join(entry % (outline, n % 5000, n) for n in range(60_000)))
        stream.write('], "categories": [{"id": 1, "name": "ant"}]}')
    size = file.stat().st_size
    assert size > 80 * MEGABYTE
    grown = int(run(f"{MEMORY}\nensure_index(*arguments)\nprint(peak() - before)", file, tmp_path))
    assert grown < 0.75 * size


def test_opening_reads_neither_the_annotation_file_nor_the_arrays(tmp_path: Path) -> None:
    """Sparse files stand for the largest: 100 million images, 34 GB, of which opening may not see more than a trace."""
    annotations, images = tmp_path / "a.json", 100_000_000
    with annotations.open("wb") as stream:
        stream.truncate(20_000 * MEGABYTE)
    folder = tmp_path / "indexes" / ("0" * 32 + "-v1")
    sparse_index(folder, images)
    wait_for_the_clock()
    Source(annotations, annotations.stat(), tmp_path / "indexes").note("0" * 32)
    code = (
        f"{MEMORY}\nfolder = ensure_index(*arguments[:2])\ndataset = Dataset(folder, arguments[1])\n"
        "print([dataset.boxes(n).shape for n in (0, 77_777_777, len(dataset) - 1)], len(dataset), peak() - before)"
    )
    shapes, count, grown = run(code, annotations, tmp_path).rsplit(maxsplit=2)
    assert shapes == "[(0, 5), (0, 5), (0, 5)]"
    assert int(count) == images
    assert int(grown) < 32 * MEGABYTE


def sparse_index(folder: Path, images: int) -> None:
    """The folder of an index whose arrays are zeros that take no room: images without names and boxes."""
    folder.mkdir(parents=True)
    for name, (dtype, dimensions) in ARRAYS.items():
        shape = (images + name.endswith("_starts"), {"sizes": 2, "boxes": 5}.get(name, 1))[:dimensions]
        with (folder / f"{name}.npy").open("wb") as stream:
            header = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            stream.truncate(stream.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)
    (folder / "rejected.json").write_text("[]")
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    document = {"format": 1, "source": "x", "digest": "0" * 32, "category_names": [], "files": files}
    write_json(folder / "meta.json", document)
    write_checked(folder)


def test_a_second_start_reads_nothing_whole(annotations: Path, tmp_path: Path, read: list[str]) -> None:
    folder = ensure_index(annotations, tmp_path)
    assert read == ["file"], "the file is read once, for its digest and its content"
    assert ensure_index(annotations, tmp_path) == folder
    assert read == ["file"]


def same_bytes(file: Path) -> None:
    """The same content, written again."""
    file.write_bytes(file.read_bytes())


def same_size_and_time(file: Path) -> None:
    before = file.stat()
    file.write_text(file.read_text().replace("zebra", "horse"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def replaced(file: Path) -> None:
    """Another file of the same size and time is moved there."""
    other = file.with_suffix(".other")
    other.write_text(file.read_text().replace("zebra", "horse"))
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)


def longer(file: Path) -> None:
    file.write_text(file.read_text().replace("zebra", "wild horse"))


def touched(file: Path) -> None:
    os.utime(file)


@pytest.mark.parametrize(
    ("change", "is_other"),
    [(same_bytes, False), (touched, False), (same_size_and_time, True), (replaced, True), (longer, True)],
)
def test_a_file_is_read_again_when_anything_but_its_access_time_changed(
    change: Callable[[Path], None], is_other: bool, annotations: Path, tmp_path: Path, read: list[str]
) -> None:
    first = ensure_index(annotations, tmp_path)
    change(annotations)
    wait_for_the_clock()
    read.clear()
    second = ensure_index(annotations, tmp_path)
    assert "file" in read
    assert (second != first) == is_other
    assert ("horse" in " ".join(load_index(second).category_names)) == is_other
    read.clear()
    assert ensure_index(annotations, tmp_path) == second
    assert read == []


def test_a_file_written_a_moment_ago_is_not_believed_to_stay_as_it_is(
    annotations: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_sources, "settled", lambda *_: False)
    ensure_index(annotations, tmp_path)
    ensure_index(annotations, tmp_path)
    assert read == ["file", "file"]


def test_a_stamp_is_settled_when_the_clock_has_ticked() -> None:
    fine, coarse = Stamp(1, 0, 5_000_000_123, 7), Stamp(1, 0, 5_000_000_000, 7)
    assert not settled(fine, 5_000_000_123 + TICK - 1)
    assert settled(fine, 5_000_000_123 + TICK)
    assert not settled(coarse, 6_900_000_000), "some file systems keep every second second only"
    assert settled(coarse, 7_000_000_000)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"path": "elsewhere", "stamp": [1, 2, 3, 4], "digest": "0"}'])
def test_a_note_that_is_none_is_not_believed(text: str, annotations: Path, tmp_path: Path, read: list[str]) -> None:
    folder = ensure_index(annotations, tmp_path)
    [note] = (tmp_path / "indexes/.sources").iterdir()
    whole = note.read_text()
    note.write_text(text)
    assert ensure_index(annotations, tmp_path) == folder
    assert read == ["file", "file"]
    assert note.read_text() == whole


def test_a_note_that_cannot_be_written_stops_nobody(annotations: Path, tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "indexes").mkdir()
    (tmp_path / "indexes/.sources").write_text("in the way")
    folder = ensure_index(annotations, tmp_path)
    assert ensure_index(annotations, tmp_path) == folder
    assert read == ["file", "file"]


def test_a_disk_that_is_full_when_the_note_is_written_leaves_no_part_of_it(annotations: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    folder = ensure_index(annotations, tmp_path)
    [note] = (tmp_path / "indexes/.sources").iterdir()
    note.unlink()
    code = (
        "import resource, sys; from pathlib import Path; from sampler.index_folder import ensure_index\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "print(ensure_index(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    assert run(code, annotations, tmp_path) == str(folder)
    assert list((tmp_path / "indexes/.sources").iterdir()) == []


def test_two_builders_at_once_leave_one_index_and_one_note(annotations: Path, tmp_path: Path, read: list[str]) -> None:
    code = (
        "import sys; from pathlib import Path; from sampler.index_folder import ensure_index\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(ensure_index(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(annotations), str(tmp_path)]
    builders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for builder in builders:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "ready\n"
    for builder in builders:
        assert builder.stdin is not None
        builder.stdin.write("go\n")
        builder.stdin.flush()
    folders = {builder.communicate(timeout=60)[0].strip() for builder in builders}
    assert len(folders) == 1
    assert [file.suffix for file in (tmp_path / "indexes/.sources").iterdir()] == [".json"]
    assert str(ensure_index(annotations, tmp_path)) in folders
    assert read == []


def test_a_file_that_changes_while_it_is_read_is_refused_though_size_and_time_stay(
    annotations: Path, tmp_path: Path
) -> None:
    def change(step: str) -> None:
        if step == "parsing the annotation file":
            same_size_and_time(annotations)

    with pytest.raises(AnnotationError, match="changed while it was read"):
        ensure_index(annotations, tmp_path, change)
    assert [entry.name for entry in (tmp_path / "indexes").iterdir()] == [".lock"]


def flip_a_byte(file: Path) -> None:
    before, data = file.stat(), bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_damage_to_an_index_shows_though_length_and_time_of_its_files_stay(annotations: Path, tmp_path: Path) -> None:
    folder = ensure_index(annotations, tmp_path)
    flip_a_byte(folder / "boxes.npy")
    assert not is_sound(folder)
    assert ensure_index(annotations, tmp_path) == folder
    check_index(folder)


def test_damage_that_no_stamp_shows_is_found_by_verify(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    folder = ensure_index(annotations, tmp_path)
    flip_a_byte(folder / "boxes.npy")
    write_checked(folder)
    assert is_sound(folder), "as far as can be seen without reading it"
    command = [sys.executable, "-m", "sampler", "verify", "--annotations", str(annotations), "--images", str(images)]
    done = subprocess.run([*command, "--cache-dir", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "index is damaged: its arrays have the digest" in done.stderr


@pytest.mark.parametrize("text", [None, "", "[]", '{"meta.json": [1, 2, 3, 4]}'])
def test_an_index_without_a_sound_note_is_read_whole_once(
    text: str | None, annotations: Path, tmp_path: Path, read: list[str]
) -> None:
    """So is one that was copied from elsewhere, whose files have other stamps."""
    folder = ensure_index(annotations, tmp_path)
    (folder / "checked.json").unlink()
    if text is not None:
        (folder / "checked.json").write_text(text)
    read.clear()
    assert is_sound(folder)
    assert is_sound(folder)
    assert read == ["index"]


def test_an_index_in_a_cache_that_cannot_be_written_is_still_used(
    annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ensure_index(annotations, tmp_path)
    (folder / "checked.json").unlink()

    def refuse(file: Path, data: bytes) -> None:
        raise PermissionError(13, "read-only", str(file))

    monkeypatch.setattr(index_files, "write_whole", refuse)
    assert ensure_index(annotations, tmp_path) == folder
    assert not (folder / "checked.json").exists()


def test_dropped_boxes_are_read_when_they_are_asked_for(annotations: Path, tmp_path: Path) -> None:
    folder = ensure_index(annotations, tmp_path)
    (folder / "rejected.json").write_text("{]")
    write_checked(folder)
    dataset = Dataset(ensure_index(annotations, tmp_path), tmp_path)
    assert len(dataset) == 3
    with pytest.raises(AnnotationError, match="index is damaged"):
        _ = dataset.rejected
    with pytest.raises(AnnotationError, match="index is damaged"):
        check_index(folder)


def test_a_written_synthetic_index_is_sound(tmp_path: Path) -> None:
    folder = write_synthetic_index(tmp_path / "synthetic", 1234, boxes=3)
    check_index(folder)
    dataset = Dataset(folder, tmp_path)
    assert (len(dataset), dataset.box_count) == (1234, 3 * 1234)
    assert dataset.file_name(1233) == "000000001234.jpg"
    assert dataset.find(1234) == 1233
    boxes = np.concatenate([dataset.boxes(index) for index in range(1234)])
    assert (boxes[:, 2:4] > boxes[:, :2]).all()
    assert boxes[:, 2].max() < 640
    assert boxes[:, 3].max() < 480
    assert set(boxes[:, 4].tolist()) == set(range(1, 81))


def test_what_a_stamp_holds_is_what_stat_says(annotations: Path) -> None:
    found = annotations.stat()
    assert stamp(found) == Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
