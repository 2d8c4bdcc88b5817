"""Images of several folders as one source."""

import json
from pathlib import Path

import pytest

from sampler.dataset.images.combined import CombinedSource
from sampler.dataset.images.local_folder import LocalFolder
from sampler.errors import ImageError


@pytest.fixture
def source(tmp_path: Path) -> CombinedSource:
    for folder, name in (("a", "x.jpg"), ("b", "sub/x.jpg")):
        file = tmp_path / folder / name
        file.parent.mkdir(parents=True)
        file.write_text(f"image in {folder}")
    return CombinedSource([LocalFolder(tmp_path / "a"), LocalFolder(tmp_path / "b")])


def test_names_begin_with_the_number_of_the_folder(source: CombinedSource, tmp_path: Path) -> None:
    assert sorted(source.names()) == ["0/x.jpg", "1/sub/x.jpg"]
    assert source.read("0/x.jpg", 100) == b"image in a"
    assert source.read("1/sub/x.jpg", 100) == b"image in b"
    assert source.read_range("1/sub/x.jpg", 6, 4) == b"in b"
    assert source.stat("0/x.jpg").size == 10
    assert source.describe("1/sub/x.jpg") == str(tmp_path / "b/sub/x.jpg")


def test_the_parts_are_the_sources_of_the_folders(source: CombinedSource, tmp_path: Path) -> None:
    assert [source.part(number).identity for number in (0, 1)] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert source.part(1).part(5).identity == str(tmp_path / "b")


def test_the_identity_is_that_of_the_folders_in_their_order(source: CombinedSource, tmp_path: Path) -> None:
    assert json.loads(source.identity) == [str((tmp_path / name).resolve()) for name in "ab"]


@pytest.mark.parametrize("name", ["x.jpg", "2/x.jpg", "-1/x.jpg", "0", "0/", "/x.jpg", "0/sub/x.jpg"])
def test_a_name_of_no_image_is_a_missing_image(name: str, source: CombinedSource) -> None:
    with pytest.raises(ImageError) as caught:
        source.stat(name)
    assert caught.value.kind in ("missing", "unreadable")
