"""Small COCO files and images for tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decode import MAX_PIXELS, ReadOptions, read_image
from sampler.dataset.images.local_folder import LocalFolder

Entry = dict[str, Any]


def image_entry(image_id: int, width: int = 64, height: int = 48, file_name: str | None = None, **more: Any) -> Entry:
    name = f"{image_id:012d}.jpg" if file_name is None else file_name
    return {"id": image_id, "file_name": name, "width": width, "height": height, **more}


def box_entry(
    annotation_id: int, image_id: int | str, category_id: int, bbox: Sequence[float | None] | None, **more: Any
) -> Entry:
    entry = {"id": annotation_id, "image_id": image_id, "category_id": category_id, "iscrowd": 0, **more}
    return entry if bbox is None else {**entry, "bbox": list(bbox)}


def category_entry(category_id: int, name: str | None = None) -> Entry:
    return {"id": category_id, "name": name or f"kind {category_id}", "supercategory": "thing"}


def coco(images: Sequence[Entry], annotations: Sequence[Entry], categories: Sequence[Entry]) -> Entry:
    return {"info": {}, "images": [*images], "annotations": [*annotations], "categories": [*categories]}


def small_coco() -> Entry:
    """Three images (the last without boxes), four categories with gaps in their ids, five boxes, one of them crowd."""
    return coco(
        [image_entry(30), image_entry(10, 80, 40), image_entry(20)],
        [
            box_entry(5, 30, 90, [1, 2, 30, 20]),
            box_entry(4, 10, 7, [0.1, 0.2, 10.7, 11.9]),
            box_entry(3, 30, 7, [5, 5, 10.5, 10.25]),
            box_entry(2, 30, 90, [10, 10, 20, 20], iscrowd=1),
            box_entry(1, 10, 1, [20, 5, 40, 30]),
        ],
        [category_entry(90, "zebra"), category_entry(1, "ant"), category_entry(7, "fox"), category_entry(13, "owl")],
    )


def write_json(file: Path, content: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def photo(width: int, height: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8 BGR: smooth patches of random colours, different under every rotation and flip."""
    random = np.random.Generator(np.random.Philox(key=seed))
    coarse = random.integers(0, 256, (max(height // 8, 2), max(width // 8, 2), 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height)), np.uint8)


def write_jpeg(file: Path, width: int, height: int, seed: int = 0, orientation: int | None = None) -> Path:
    """A JPEG whose stored pixels are width × height, with an EXIF orientation if asked for."""
    file.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(photo(width, height, seed)[..., ::-1]).save(file, "JPEG", quality=90, exif=exif)
    return file


def write_image(file: Path, pixels: npt.NDArray[Any]) -> Path:
    """Any format that OpenCV writes, chosen by the file's suffix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), pixels)
    return file


def opencv_pixels(file: Path) -> npt.NDArray[np.uint8]:
    """Return the pixels that `cv2.imread` reads."""
    pixels = cv2.imread(str(file))
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def write_images(folder: Path, content: Entry) -> Path:
    """A JPEG for every image of a COCO file."""
    for image in content["images"]:
        seed = image["id"] if isinstance(image["id"], int) else len(image["id"])
        write_jpeg(folder / image["file_name"], image["width"], image["height"], seed=seed)
    return folder


def read_file(file: Path, width: int, height: int, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """Read one image file through the nearest folder that exists."""
    folder = next(parent for parent in file.parents if parent.is_dir())
    return read_image(
        LocalFolder(folder), str(file.relative_to(folder)), (height, width), ReadOptions(max_pixels)
    ).pixels


def image_folder(dataset: Dataset) -> Path:
    return Path(dataset.images.describe(""))


def image_file(dataset: Dataset, index: int) -> Path:
    return Path(dataset.images.describe(dataset.file_name(index)))


def write_dataset(folder: Path, content: Entry | None = None) -> tuple[Path, Path]:
    """The annotation file and the image folder of a dataset (`small_coco` if none is given)."""
    content = small_coco() if content is None else content
    return write_json(folder / "annotations.json", content), write_images(folder / "images", content)


FAULTY_BOXES: dict[int, tuple[list[float], str | None]] = {
    1: ([0, 0, 64, 48], None),
    2: ([-1, -1, 66, 50], None),
    3: ([-1.5, 0, 10, 10], "out-of-range"),
    4: ([60, 40, 5.25, 4], "out-of-range"),
    5: ([100, 100, 10, 10], "degenerate"),
    6: ([63.5, 10, 1, 5], "degenerate"),
    7: ([5, 5, 0, 10], "dropped"),
    8: ([5, 5, float("nan"), 10], "dropped"),
    9: ([5, 47, 5, 1], "degenerate"),
}


def write_faulty_dataset(folder: Path) -> tuple[Path, Path]:
    """A dataset with each fault: images 2 to 5 are bad, and so are most boxes of image 1."""
    images = [image_entry(number) for number in range(1, 6)]
    annotations = [box_entry(number, 1, 1, box) for number, (box, _) in FAULTY_BOXES.items()]
    paths = write_dataset(folder, coco(images, annotations, [category_entry(1)]))
    files = [paths[1] / image["file_name"] for image in images]
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:-100])
    write_jpeg(files[3], 60, 48)
    data = files[4].read_bytes()
    files[4].write_bytes(data.replace(b"\xff\xc0\x00\x11\x08\x00\x30\x00\x40", b"\xff\xc0\x00\x11\x08\xea\x60\xea\x60"))
    return paths
