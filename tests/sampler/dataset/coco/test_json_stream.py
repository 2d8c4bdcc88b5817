"""Annotation files that are compressed, or something else than UTF-8 JSON."""

import gzip
import json
from pathlib import Path

import pytest

from sampler.dataset.coco.annotations import Annotations, parse_annotations, read_annotations
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import AnnotationError
from tests.support.coco_files import small_coco, write_json
from tests.support.processes import output_of

SMALL = json.dumps(small_coco()).encode()


def read(data: bytes, folder: Path) -> Annotations:
    file = folder / "annotations.json"
    file.write_bytes(data)
    with file.open("rb") as stream:
        return read_annotations(stream, file)


def refusal(data: bytes, folder: Path) -> AnnotationError:
    """The error of reading a file in pieces, which is the same as of reading it as a whole."""
    with pytest.raises(AnnotationError) as caught:
        read(data, folder)
    with pytest.raises(AnnotationError) as whole:
        parse_annotations(data, folder / "annotations.json")
    assert str(caught.value) == str(whole.value)
    return caught.value


@pytest.mark.parametrize("text", [SMALL, SMALL.replace(b'"images"', b'"annotations": [], "images"')])
def test_gzip_is_read_directly(text: bytes, tmp_path: Path) -> None:
    """The second text has a key twice, so it is read as a whole."""
    assert read(gzip.compress(text), tmp_path).annotation_ids.tolist() == [5, 4, 3, 2, 1]
    assert parse_annotations(gzip.compress(text), "x").annotation_ids.tolist() == [5, 4, 3, 2, 1]


def test_a_compressed_file_is_the_same_dataset(tmp_path: Path) -> None:
    plain, packed = write_json(tmp_path / "a.json", small_coco()), tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    digests = {DatasetIndex(ensure_index(file, tmp_path / "cache")).digest for file in (plain, packed)}
    assert len(digests) == 1


@pytest.mark.parametrize("kept", [3, 18, -8, -1])
def test_a_truncated_gzip_file_is_named(kept: int, tmp_path: Path) -> None:
    assert refusal(gzip.compress(SMALL)[:kept], tmp_path).cause.startswith("the gzip file is truncated; ")


@pytest.mark.parametrize("place", [2, 30, -6])
def test_a_damaged_gzip_file_is_named(place: int, tmp_path: Path) -> None:
    data = bytearray(gzip.compress(SMALL))
    data[place] ^= 0xFF
    error = refusal(bytes(data), tmp_path)
    assert error.cause.startswith("the gzip file is damaged (")
    assert error.place.startswith("near byte ")


def test_an_archive_within_gzip_is_named(tmp_path: Path) -> None:
    error = refusal(gzip.compress(b"x" * 257 + b"ustar" + bytes(250)), tmp_path)
    assert (error.place, error.cause.split(";")[0]) == ("byte 0 of the unpacked text", "the file is a tar archive")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (SMALL.decode().encode("utf-16"), "UTF-16LE text, expected UTF-8"),
        (SMALL.decode().encode("utf-32-be"), "UTF-32BE text, expected UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\n", "the file is a Git LFS pointer"),
        (b"<html>", "the file is an HTML page"),
        (b"", "the file is empty"),
    ],
)
def test_a_file_that_is_not_json_is_named(data: bytes, cause: str, tmp_path: Path) -> None:
    error = refusal(data, tmp_path)
    assert error.place == "byte 0"
    assert error.cause.startswith(cause)


@pytest.mark.parametrize("packed", [False, True])
def test_text_in_another_encoding_is_named_with_its_place_in_the_file(packed: bool, tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"][0]["bbox"][0] = float("nan")
    content["categories"][0]["name"] = "caf__"
    text = json.dumps(content).encode().replace(b"caf__", b"caf\xe9")
    error = refusal(gzip.compress(text) if packed else text, tmp_path)
    assert error.place == f"byte {text.index(0xE9)}{' of the unpacked text' if packed else ''}"
    assert error.cause.startswith("not UTF-8: byte 0xe9; probably Latin-1")


def test_a_compressed_file_is_unpacked_piece_by_piece(tmp_path: Path) -> None:
    """60 MB of text in a small file."""
    entry = '{"id": %d, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "caption": "' + "x" * 1000 + '"}'
    file = tmp_path / "large.json.gz"
    with gzip.open(file, "wt", compresslevel=1) as stream:
        stream.write('{"images": [{"id": 1, "file_name": "a", "width": 64, "height": 48}], "annotations": [')
        stream.write(", ".join(entry % number for number in range(60_000)))
        stream.write('], "categories": [{"id": 1, "name": "ant"}]}')
    code = (
        "import resource, sys; from pathlib import Path; from sampler.dataset.index.cache import ensure_index\n"
        "unit = 1 if sys.platform == 'darwin' else 1024\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit\n"
        "before = peak(); ensure_index(Path(sys.argv[1]), Path(sys.argv[2])); print(peak() - before)"
    )
    assert int(output_of(code, file, tmp_path)) < 45_000_000
