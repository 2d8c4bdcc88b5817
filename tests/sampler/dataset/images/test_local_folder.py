"""Reading files of a local folder."""

import itertools
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sampler.dataset.images.local_folder import LocalFolder
from sampler.errors import ImageError, ImageSourceError
from tests.support.coco_files import opencv_pixels, read_file, write_jpeg
from tests.support.system_faults import forbidden, no_descriptors


def test_a_folder_that_this_user_may_not_see_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "of_others" / "images").mkdir(parents=True)
    with forbidden(tmp_path / "of_others"), pytest.raises(ImageSourceError) as caught:
        LocalFolder(tmp_path / "of_others" / "images")
    assert "images: image folder cannot be opened: Permission denied for user id" in str(caught.value)


def test_short_reads_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    expected = opencv_pixels(file)
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, length, start: read(descriptor, min(length, 100), start))
    assert np.array_equal(read_file(file, 64, 48), expected)


def test_a_file_that_shrinks_while_it_is_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    read = os.pread

    def shrinking(descriptor: int, length: int, start: int) -> bytes:
        os.truncate(file, 500)
        return read(descriptor, length, start)

    monkeypatch.setattr(os, "pread", shrinking)
    with pytest.raises(ImageError, match="truncated"):
        read_file(file, 64, 48)


def test_a_disk_that_fails_is_an_image_error_and_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    closed: list[int] = []
    close: Callable[[int], None] = os.close

    def failing(descriptor: int, length: int, start: int) -> bytes:
        raise OSError(5, "Input/output error")

    def noted(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "pread", failing)
    monkeypatch.setattr(os, "close", noted)
    with pytest.raises(ImageError, match="cannot be read: Input/output error") as caught:
        read_file(file, 64, 48)
    assert caught.value.kind == "unreadable"
    assert len(closed) == 1


def test_an_image_without_a_descriptor_to_open_it_is_not_unreadable(tmp_path: Path) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    read_file(file, 64, 48)
    with no_descriptors(), pytest.raises(ImageSourceError, match=r"a\.jpg: cannot be opened: Too many open files"):
        read_file(file, 64, 48)


class TestLinks:
    """Links inside the folder are followed, links out of it only if that is allowed."""

    @pytest.fixture
    def images(self, tmp_path: Path) -> Path:
        write_jpeg(tmp_path / "images/real/a.jpg", 64, 48)
        write_jpeg(tmp_path / "elsewhere/b.jpg", 64, 48, seed=1)
        return tmp_path / "images"

    def test_a_link_within_the_folder_is_followed(self, images: Path) -> None:
        (images / "link.jpg").symlink_to(images / "real/a.jpg")
        (images / "folder").symlink_to("real")
        for name in ("link.jpg", "folder/a.jpg"):
            assert LocalFolder(images).read(name, 10**6) == (images / "real/a.jpg").read_bytes()

    @pytest.mark.parametrize("target", ["elsewhere/b.jpg", "elsewhere", "images-2/b.jpg"])
    def test_a_link_out_of_the_folder_is_refused_and_names_the_setting(self, images: Path, target: str) -> None:
        write_jpeg(images.parent / "images-2/b.jpg", 64, 48)
        (images / "x").symlink_to(images.parent / target)
        name = "x" if target.endswith(".jpg") else "x/b.jpg"
        source = LocalFolder(images)
        for read in (partial(source.read, name, 10**6), partial(source.read_range, name, 0, 9)):
            with pytest.raises(ImageError, match="SAMPLER_FOLLOW_LINKS") as caught:
                read()
            assert caught.value.kind == "outside"
            assert "b.jpg" in caught.value.cause

    def test_a_link_out_of_the_folder_is_followed_if_that_is_allowed(self, images: Path) -> None:
        (images / "x.jpg").symlink_to(images.parent / "elsewhere/b.jpg")
        source = LocalFolder(images, follow_links=True)
        assert source.read("x.jpg", 10**6) == (images.parent / "elsewhere/b.jpg").read_bytes()

    def test_the_folder_itself_may_be_a_link_and_may_be_pointed_elsewhere(self, images: Path) -> None:
        folder = images.parent / "current"
        folder.symlink_to("images")
        source = LocalFolder(folder)
        assert source.read("real/a.jpg", 10**6)
        write_jpeg(images.parent / "next/real/a.jpg", 64, 48, seed=2)
        folder.unlink()
        folder.symlink_to("next")
        assert source.read("real/a.jpg", 10**6) == (images.parent / "next/real/a.jpg").read_bytes()

    def test_a_dangling_link_is_a_missing_file(self, images: Path) -> None:
        (images / "x.jpg").symlink_to("nowhere.jpg")
        with pytest.raises(ImageError) as caught:
            LocalFolder(images).read("x.jpg", 10**6)
        assert caught.value.kind == "missing"

    @pytest.mark.timeout(20)
    def test_a_link_to_a_device_is_refused_without_waiting(self, images: Path) -> None:
        (images / "x.jpg").symlink_to("/dev/zero")
        with pytest.raises(ImageError):
            LocalFolder(images, follow_links=True).read("x.jpg", 10**6)

    def test_without_proc_links_are_resolved_by_their_path(self, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_proc(path: bytes) -> bytes:
            raise FileNotFoundError(path)

        (images / "in.jpg").symlink_to("real/a.jpg")
        (images / "out.jpg").symlink_to(images.parent / "elsewhere/b.jpg")
        source = LocalFolder(images)
        monkeypatch.setattr("sampler.dataset.images.local_folder._link_of", no_proc)
        assert source.read("in.jpg", 10**6)
        with pytest.raises(ImageError) as caught:
            source.read("out.jpg", 10**6)
        assert caught.value.kind == "outside"

    def test_no_exchange_of_links_while_reading_gives_a_file_from_outside(self, images: Path) -> None:
        inside, outside = (images / "real/a.jpg").read_bytes(), (images.parent / "elsewhere/b.jpg").read_bytes()
        source, stop = LocalFolder(images), threading.Event()

        def exchange() -> None:
            targets = [images / "real/a.jpg", images.parent / "elsewhere/b.jpg"]
            for turn in itertools.count():
                if stop.is_set():
                    return
                (images / "new").symlink_to(targets[turn % 2])
                (images / "new").rename(images / "x.jpg")

        (images / "x.jpg").symlink_to(images / "real/a.jpg")
        thread = threading.Thread(target=exchange)
        thread.start()
        try:
            found: set[bytes | str] = set()
            for _ in range(2000):
                try:
                    found.add(source.read("x.jpg", 10**6))
                except ImageError as error:
                    found.add(error.kind)
        finally:
            stop.set()
            thread.join()
        assert outside not in found
        assert found == {inside, "outside"}


@pytest.mark.parametrize("name", ["été/日本 🦊.jpg", "a\nb.jpg", "tab\t.jpg", "\x1b[31mred.jpg", "-rf.jpg", "%s{}.jpg"])
def test_any_unicode_name_is_found(name: str, tmp_path: Path) -> None:
    data = write_jpeg(tmp_path / "images" / name, 64, 48).read_bytes()
    source = LocalFolder(tmp_path / "images")
    assert source.read(name, 10**6) == data
    assert list(source.names()) == [name]


def test_a_name_with_a_line_break_cannot_forge_a_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        LocalFolder(tmp_path).read("a\nERROR forged \x1b[2J.jpg", 10**6)
    assert str(caught.value).isprintable()
    assert "a\\nERROR forged" in str(caught.value)
