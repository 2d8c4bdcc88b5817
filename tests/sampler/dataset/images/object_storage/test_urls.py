"""URLs of places in object storage."""

from pathlib import Path

import pytest

from sampler.dataset.dataset import open_source
from sampler.dataset.images.local_folder import LocalFolder
from sampler.dataset.images.object_storage.urls import ObjectUrl
from sampler.errors import ImageSourceError


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/.", "s3://bucket"),
        ("s3://bucket/a/..", "s3://bucket"),
        ("s3://bucket/..x/a", "s3://bucket/..x/a"),
        ("s3://bucket/coco/train2017/", "s3://bucket/coco/train2017"),
        ("gs://bucket/a//b", "gs://bucket/a/b"),
        ("az://container/a/./b", "az://container/a/b"),
        ("https://host:8443/a%20b/c", "https://host:8443/a%20b/c"),
    ],
)
def test_equal_places_have_one_text(text: str, canonical: str) -> None:
    assert str(ObjectUrl.parse(text)) == canonical
    assert ObjectUrl.parse(canonical) == ObjectUrl.parse(text)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("ftp://host/a", "no scheme of object storage; expected a folder, s3://"),
        ("s3://", "names no bucket"),
        ("s3:///a", "names no bucket"),
        ("s3://bucket/../other", "leaves the bucket"),
        ("s3://bucket/a/../..", "leaves the bucket"),
        ("https://user:hunter2@host/a", "has credentials in it; set them as environment variables"),
        ("https://host/a?sig=hunter2", "has a query or fragment"),
        ("https://host/a#hunter2", "has a query or fragment"),
        ("s3://bucket/really?", "has a query or fragment"),
        ("s3://bucket/c#/train", "has a query or fragment"),
        ("https://[hunter2/a", "malformed"),
    ],
)
def test_an_invalid_url_is_an_error_that_quotes_no_credentials(text: str, cause: str) -> None:
    with pytest.raises(ImageSourceError, match=cause) as caught:
        open_source(text)
    assert "hunter2" not in str(caught.value)


def test_paths_stay_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "s3:" / "bucket"
    folder.mkdir(parents=True)
    for path in (str(folder), folder, "s3:/bucket", Path("s3://bucket")):
        assert isinstance(open_source(path), LocalFolder)


def test_folders_and_object_storage_can_be_combined(tmp_path: Path) -> None:
    source = open_source([tmp_path, "gs://bucket/images"])
    assert source.is_remote
    assert source.describe("0/a.jpg") == str(tmp_path / "a.jpg")
    assert source.describe("1/a.jpg") == "gs://bucket/images/a.jpg"
    assert not open_source([tmp_path, tmp_path]).is_remote
