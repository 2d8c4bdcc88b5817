"""Unusual image files: the server names each once, counts them, and serves or refuses the damaged ones."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_dataset, write_jpeg
from tests.support.live_server import LiveServer, live_server
from tests.support.pages import Elements
from tests.support.wire_client import one_batch

INTACT, HALF, TURNED, JUNK = range(4)
NAMES = ("intact.jpg", "half\ngrey.jpg", "turned.jpg", "junk.jpg")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """An intact image, one that ends in the middle, one with an orientation, and one with junk between segments."""
    folder = tmp_path_factory.mktemp("unusual")
    images = [image_entry(number, 320, 240, file_name=name) for number, name in enumerate(NAMES, start=1)]
    boxes = [box_entry(number, number, 1, [20, 20, 150, 120]) for number in range(1, 5)]
    annotations, images_dir = write_dataset(folder, coco(images, boxes, [category_entry(1)]))
    half = (images_dir / NAMES[HALF]).read_bytes()
    (images_dir / NAMES[HALF]).write_bytes(half[: len(half) // 2] + b"\xff\xd9")
    write_jpeg(images_dir / NAMES[TURNED], 320, 240, orientation=6)
    junk = (images_dir / NAMES[JUNK]).read_bytes()
    at = junk.index(b"\xff\xdb")
    (images_dir / NAMES[JUNK]).write_bytes(junk[:at] + b"\x12\x34" + junk[at:])
    return {"annotations": annotations, "images": images_dir, "cache_dir": folder / "cache", "workers": 2}


def make_samples(server: LiveServer, indices: str, epochs: int = 4) -> None:
    for epoch in range(epochs):
        with suppress(httpx.RemoteProtocolError):  # the response of a refused sample ends early
            httpx.get(f"{server.url}/v1/batches?indices={indices}&epoch={epoch}", timeout=60)


def lines_about(server: LiveServer, text: str) -> list[str]:
    return [line for line in server.log.splitlines() if "saccade_sampler.images" in line and text in line]


def listed(server: LiveServer, remark: str) -> list[int]:
    """Return the images that the page of images shows."""
    page = Elements(httpx.get(f"{server.url}/images?remark={remark}", timeout=60).text)
    sources = [str(image["src"]) for image in page.all("img") if image.get("loading") == "lazy"]
    return [int(source.split("/")[2]) for source in sources]


def test_each_unusual_file_is_logged_once_and_counted(settings: Mapping[str, object], tmp_path: Path) -> None:
    with live_server(tmp_path, **settings) as server:
        assert server.metric('sampler_noted_images{kind="damaged"}') == 0
        make_samples(server, "0,1,2,3,1,2,3,1")
        assert server.metric('sampler_noted_images{kind="damaged"}') == 1
        assert server.metric('sampler_noted_images{kind="warning"}') == 1
        assert server.metric('sampler_noted_images{kind="orientation"}') == 1
        assert listed(server, "damaged") == [HALF]
        assert listed(server, "warning") == [JUNK]
        assert listed(server, "orientation") == [TURNED]
        assert listed(server, "store-damaged") == []
        (damaged,) = lines_about(server, "is damaged: libjpeg: Corrupt JPEG data")
        assert "WARNING" in damaged
        assert f"annotations: image {HALF} (" in damaged
        assert "half\\ngrey.jpg" in damaged
        (turned,) = lines_about(server, "the orientation is not applied")
        assert "turned.jpg" in turned
        (junk,) = lines_about(server, "extraneous bytes")
        assert "junk.jpg" in junk
        assert lines_about(server, NAMES[INTACT]) == []
        assert not any(line.startswith("Corrupt JPEG data") for line in server.log.splitlines()), "without a name"


def test_a_file_that_a_page_cannot_read_is_listed_by_all_pages(settings: Mapping[str, object], tmp_path: Path) -> None:
    file = Path(str(settings["images"])) / NAMES[JUNK]
    with live_server(tmp_path, **settings) as server:
        moved = file.rename(tmp_path / "away.jpg")
        try:
            for _ in range(2):
                assert httpx.get(f"{server.url}/images/{JUNK}/thumbnail", timeout=60).status_code == 500
        finally:
            moved.rename(file)
        assert listed(server, "unreadable") == [JUNK]
        (error,) = httpx.get(f"{server.url}/status.json", timeout=60).json()["errors"]
        assert (error["kind"], error["file"], error["times"]) == ("image", f"{file.parent.name}/{file.name}", 0)
        assert len(lines_about(server, "cannot be used")) == 1


def test_a_damaged_image_is_served_as_opencv_decodes_it(settings: Mapping[str, object], tmp_path: Path) -> None:
    with live_server(tmp_path, **settings) as server:
        query = f"seed=1&epoch=2&indices={HALF}"
        served = one_batch(server.url, query).samples[0]
        file = Path(str(settings["images"])) / NAMES[HALF]
        data = file.read_bytes()
        pixels = cv2.imread(str(file))
        assert pixels is not None
        try:
            assert cv2.imwrite(str(file.with_suffix(".png")), pixels)
            file.with_suffix(".png").rename(file)  # an intact file with the same pixels
            same = one_batch(server.url, f"{query},{HALF}").samples[0]  # another batch, which is not cached
        finally:
            file.write_bytes(data)
        assert np.array_equal(served.arrays["crop"], same.arrays["crop"])


def test_a_refused_image_fails_its_samples_and_is_still_logged_once(
    settings: Mapping[str, object], tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings, damaged="refuse") as server:
        spec = httpx.get(f"{server.url}/v1/spec").json()
        document = httpx.get(f"{server.url}/debug/samples/{HALF}").json()
        assert document["kind"] == "damaged"
        assert "SAMPLER_DAMAGED" in document["detail"]
        make_samples(server, f"{HALF},{INTACT}")
        assert len(lines_about(server, "is damaged")) == 1
        assert server.metric('sampler_noted_images{kind="damaged"}') == 1
        assert len(one_batch(server.url, f"indices={INTACT},{JUNK},{TURNED}").samples) == 3
    with live_server(tmp_path, **settings) as server:
        assert httpx.get(f"{server.url}/v1/spec").json()["digest"] == spec["digest"]


def test_images_from_the_image_cache_are_refused_and_logged_alike(
    settings: Mapping[str, object], tmp_path: Path
) -> None:
    with live_server(tmp_path, **settings, decoded_cache_mb=16) as server:
        make_samples(server, "1,1,1")
        assert len(lines_about(server, "is damaged")) == 1
    with live_server(tmp_path, **settings, decoded_cache_mb=16, damaged="refuse") as server:
        make_samples(server, "1,1,1")
        assert httpx.get(f"{server.url}/debug/samples/{HALF}").json()["kind"] == "damaged"


def test_the_picture_of_a_damaged_image_is_noted_too(settings: Mapping[str, object], tmp_path: Path) -> None:
    with live_server(tmp_path, **settings) as server:
        assert httpx.get(f"{server.url}/debug/samples/{HALF}.png").status_code == 200
        assert len(lines_about(server, "is damaged")) == 1


def test_rotated_images_are_served_rotated(tmp_path: Path) -> None:
    images = [image_entry(1, 64, 64, file_name="a.jpg")]
    annotations, folder = write_dataset(
        tmp_path, coco(images, [box_entry(1, 1, 1, [5, 5, 20, 20])], [category_entry(1)])
    )
    write_jpeg(folder / "a.jpg", 64, 64, orientation=3)
    settings = {"annotations": annotations, "images": folder, "cache_dir": tmp_path / "cache", "workers": 1}
    with live_server(tmp_path, **settings) as server:
        turned = one_batch(server.url, "indices=0&augment=false").samples[0].arrays["crop"]
    write_jpeg(folder / "a.jpg", 64, 64)
    upright = cv2.imread(str(folder / "a.jpg"))
    assert upright is not None
    cv2.imwrite(str(folder / "a.png"), upright[::-1, ::-1])
    (folder / "a.png").rename(folder / "a.jpg")
    with live_server(tmp_path, **settings) as server:
        assert np.array_equal(one_batch(server.url, "indices=0&augment=false").samples[0].arrays["crop"], turned)
