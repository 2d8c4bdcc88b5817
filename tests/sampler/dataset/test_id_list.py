"""Lists of image ids in files."""

import json
from pathlib import Path

import pytest

from sampler.dataset.id_list import IdList
from sampler.errors import IdListError

IDS = (139, 285, 632, 724)


def written(folder: Path, content: str | bytes) -> Path:
    file = folder / "ids"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize(
    "content",
    ["[632, 139]", ' [ "632",139 ]\n', "632\n139\n", "\n 632 \r\n139", b"\xef\xbb\xbf632\n139", "632\n139\n632\n"],
)
def test_a_list_may_be_json_or_lines(tmp_path: Path, content: str | bytes) -> None:
    listed = IdList.read(written(tmp_path, content))
    assert listed.ids == ("632", "139")
    assert listed.places(IDS).tolist() == [0, 2]
    assert listed.places(["632", "139"]).tolist() == [0, 1]


def test_ids_may_be_any_text(tmp_path: Path) -> None:
    ids = ["a b", "ü/1.jpg", "#3", "10\n[20]", "\u2028", "012"]
    assert IdList.read(written(tmp_path, json.dumps(ids))).places(ids).tolist() == list(range(6))
    lines = "\n".join(["a b", "ü/1.jpg", "#3", "012"])
    assert IdList.read(written(tmp_path, lines)).places(ids).tolist() == [0, 1, 2, 5]


def test_an_empty_list_lists_nothing(tmp_path: Path) -> None:
    assert IdList.read(written(tmp_path, "[]")).places(IDS).tolist() == []


def test_unknown_ids_are_refused_with_their_number_and_the_first_ones(tmp_path: Path) -> None:
    listed = IdList.read(written(tmp_path, json.dumps([*range(1, 9), "0139", 139, "x\ny"])))
    with pytest.raises(IdListError, match=r"10 of 11 ids are not image ids .*: '1', '2', '3', '4', '5', …; ") as caught:
        listed.places(IDS)
    assert str(tmp_path / "ids") in str(caught.value)
    with pytest.raises(IdListError, match=r"'x\\ny'") as caught:
        IdList.read(written(tmp_path, json.dumps(["x\ny"]))).places(IDS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2", "not JSON"),
        ("[" * 100_000, "recursion|not JSON"),
        ('{"images": []}', "a JSON object; expected a JSON list of image ids"),
        ("[1, 2.5]", r"\[1\] = 2.5: expected an image id"),
        ("[true]", r"\[0\] = True: expected an image id"),
        ("[[1]]", r"\[0\] = \[1\]: expected an image id"),
        ("[null]", r"\[0\] = None: expected an image id"),
        (b"", "the file is empty"),
        (b"\xff\xfe1\x00\n\x00", "UTF-16LE text"),
        (b"caf\xe9\n", "byte 3: not UTF-8"),
        (b"\x1f\x8b\x08\x00", "gzip-compressed"),
    ],
)
def test_another_file_is_refused_with_what_it_is(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(IdListError, match=message):
        IdList.read(written(tmp_path, content))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(IdListError, match=f"{tmp_path}/absent: cannot be read"):
        IdList.read(tmp_path / "absent")
