"""CornerNet-Saccade samples as people usually write them: OpenCV and NumPy, one whole image after the other.

The image is decoded and resized as a whole, cropped, jittered with one NumPy expression a step, and every object's
bumps are drawn by themselves. The arrays have the names, shapes and dtypes of the dense layout, but not its bytes.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

INPUT_SIDE = 255
OUTPUT_SIDE = 64
MAX_OBJECTS = 128
MIN_OVERLAP = 0.5
MIN_SIDE = 16
"""Objects whose longer side is below this in the crop, in pixels, are ignored."""
CENTRE_NOISE = 14
TARGET_SIDES = ((96, 96, 254), (32, 32, 96), (0, 16, 32))
"""(longer than, target from … to): length in the crop of the longer side of the reference box, by its own length."""
ATTENTIONS = ((16, 16, 96, 256), (32, 8, 32, 96), (64, 4, 0, 32))
"""(cells a side, pixels a cell, longer sides from … to) of each attention map."""
JITTER = 0.4
MEAN = np.array([0.40789654, 0.44719302, 0.47026115], np.float32)
STD = np.array([0.28863828, 0.27408164, 0.27809835], np.float32)
EIGENVALUES = np.array([0.2141788, 0.01817699, 0.00341571], np.float32)
EIGENVECTORS = np.array(
    [[-0.58752847, -0.69563484, 0.41340352], [-0.5832747, 0.00994535, -0.81221408],
     [-0.56089297, 0.71832671, 0.41158938]], np.float32,
)  # fmt: skip

Floats = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class PlainImage:
    """An image file and its (N, 5) float32 boxes: x0, y0, x1, y1 in pixels, category from 0."""

    file: Path
    boxes: Floats


def read_annotations(annotations: Path, images: Path) -> tuple[list[PlainImage], int]:
    """Return the images of a COCO annotation file that have boxes, and the number of categories."""
    content = json.loads(annotations.read_text(encoding="utf-8"))
    places = {one["id"]: place for place, one in enumerate(sorted(content["categories"], key=lambda one: one["id"]))}
    boxes: dict[int, list[list[float]]] = {}
    for one in content["annotations"]:
        x, y, width, height = one["bbox"]
        box = [x, y, x + width, y + height, places[one["category_id"]]]
        boxes.setdefault(one["image_id"], []).append(box)
    found = [
        PlainImage(images / one["file_name"], np.array(boxes[one["id"]], np.float32))
        for one in content["images"]
        if one["id"] in boxes
    ]
    return found, len(places)


def plain_sample(source: PlainImage, categories: int, random: np.random.Generator) -> Arrays:
    """Return the arrays of one sample.

    Raises:
        OSError: The image file cannot be read.
    """
    image = cv2.imread(str(source.file))
    if image is None:
        raise OSError(f"{source.file}: cv2.imread cannot read it")
    image, boxes, reference = _resize_for_reference(image, source.boxes.copy(), random)
    centre = _centre(image.shape[:2], boxes[reference], random)
    crop, boxes, filled = _crop(image, boxes, centre)
    boxes, ignored = _visible(boxes, filled)
    if random.random() < 0.5:
        crop = crop[:, ::-1]
        boxes[:, [0, 2]] = INPUT_SIDE - 1 - boxes[:, [2, 0]]
        ignored[:, [0, 2]] = INPUT_SIDE - 1 - ignored[:, [2, 0]]
    normalised = _colours(crop.astype(np.float32) / 255.0, random)
    return {"images": np.ascontiguousarray(normalised.transpose(2, 0, 1))} | _targets(boxes, ignored, categories)


def _resize_for_reference(
    image: npt.NDArray[Any], boxes: Floats, random: np.random.Generator
) -> tuple[npt.NDArray[Any], Floats, int]:
    """Resize so that a random reference box gets a random length of its size class."""
    reference = int(random.integers(len(boxes)))
    longest = max(boxes[reference, 2] - boxes[reference, 0], boxes[reference, 3] - boxes[reference, 1], 1.0)
    low, high = next((low, high) for above, low, high in TARGET_SIDES if longest > above)
    scale = random.integers(low, high + 1) / longest
    height, width = max(1, int(image.shape[0] * scale)), max(1, int(image.shape[1] * scale))
    boxes[:, :4] *= scale
    return cv2.resize(image, (width, height)), boxes, reference


def _centre(size: tuple[int, ...], box: Floats, random: np.random.Generator) -> tuple[int, int]:
    """Draw the crop's centre (y, x) so that the crop holds the reference box, or lies around its middle."""
    centred = random.random() < 0.5
    centre = []
    for extent, start, end in ((size[0], box[1], box[3]), (size[1], box[0], box[2])):
        if extent <= INPUT_SIDE:
            centre.append(extent // 2)
        elif centred:
            middle = (start + end) / 2 + random.integers(-CENTRE_NOISE, CENTRE_NOISE + 1)
            centre.append(int(np.clip(middle, 0, extent - 1)))
        else:
            low = max(int(end) - INPUT_SIDE, 0)
            high = max(low, min(extent - INPUT_SIDE, int(start)))
            centre.append(int(random.integers(low, high + 1)) + INPUT_SIDE // 2)
    return centre[0], centre[1]


def _crop(
    image: npt.NDArray[Any], boxes: Floats, centre: tuple[int, int]
) -> tuple[npt.NDArray[Any], Floats, tuple[int, int, int, int]]:
    """Paste the part of the image around the centre into a black square; also return the part that it fills."""
    half = INPUT_SIDE // 2
    (y, x), (height, width) = centre, image.shape[:2]
    top, bottom = max(y - half, 0), min(y + half, height)
    left, right = max(x - half, 0), min(x + half, width)
    filled = half - (x - left), half - (y - top), half + (right - x), half + (bottom - y)
    crop = np.zeros((INPUT_SIDE, INPUT_SIDE, 3), image.dtype)
    crop[filled[1] : filled[3], filled[0] : filled[2]] = image[top:bottom, left:right]
    boxes[:, [0, 2]] += half - x
    boxes[:, [1, 3]] += half - y
    return crop, boxes, filled


def _visible(boxes: Floats, filled: tuple[int, int, int, int]) -> tuple[Floats, Floats]:
    """Return the objects clipped to the image's part of the crop, and the boxes that are ignored."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    boxes[:, [0, 2]] = np.clip(boxes[:, [0, 2]], filled[0], filled[2] - 1)
    boxes[:, [1, 3]] = np.clip(boxes[:, [1, 3]], filled[1], filled[3] - 1)
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    inside = (widths > 0) & (heights > 0)
    ignored = (np.maximum(widths, heights) < MIN_SIDE) | (widths * heights < 0.5 * areas)
    return boxes[inside & ~ignored], boxes[inside & ignored]


def _colours(image: Floats, random: np.random.Generator) -> Floats:
    """Jitter brightness, contrast and saturation in random order, add lighting noise, normalise."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    mean = grey.mean()
    for step in random.permutation(3):
        gain = np.float32(random.uniform(1 - JITTER, 1 + JITTER))
        image = image * gain
        if step == 1:
            image = image + (1 - gain) * mean
        elif step == 2:
            image = image + (1 - gain) * grey[:, :, None]
    noise = EIGENVECTORS @ (EIGENVALUES * random.normal(0, 0.1, 3).astype(np.float32))
    result: Floats = (image + noise - MEAN) / STD
    return result


def _targets(boxes: Floats, ignored: Floats, categories: int) -> Arrays:
    planes = (categories, OUTPUT_SIDE, OUTPUT_SIDE)
    arrays: Arrays = {"tag_masks": np.zeros(MAX_OBJECTS, np.uint8)}
    for prefix in ("tl", "br"):
        arrays[f"{prefix}_heats"] = np.zeros(planes, np.float32)
        arrays[f"{prefix}_valids"] = np.ones(planes, np.float32)
        arrays[f"{prefix}_regrs"] = np.zeros((MAX_OBJECTS, 2), np.float32)
        arrays[f"{prefix}_tags"] = np.zeros(MAX_OBJECTS, np.int64)
    for box in ignored:
        for prefix, x, y, radius in _corners(box):
            _clear(arrays[f"{prefix}_valids"][int(box[4])], int(x), int(y), radius)
    for row, box in enumerate(boxes):
        for prefix, x, y, radius in _corners(box):
            _draw_gaussian(arrays[f"{prefix}_heats"][int(box[4])], int(x), int(y), radius)
            if row < MAX_OBJECTS:
                arrays[f"{prefix}_regrs"][row] = x - int(x), y - int(y)
                arrays[f"{prefix}_tags"][row] = int(y) * OUTPUT_SIDE + int(x)
    arrays["tag_masks"][: len(boxes)] = 1
    for number, (side, ratio, low, high) in enumerate(ATTENTIONS):
        arrays[f"attentions_{number}"] = _attention(np.concatenate([boxes, ignored]), side, ratio, low, high)
    return arrays


def _corners(box: Floats) -> list[tuple[str, float, float, int]]:
    """Return prefix, x, y in cells and bump radius of both corners of a box."""
    ratio = OUTPUT_SIDE / INPUT_SIDE
    x0, y0, x1, y1 = (float(value) * ratio for value in box[:4])
    radius = gaussian_radius(int(np.ceil(y1 - y0)), int(np.ceil(x1 - x0)))
    return [("tl", x0, y0, radius), ("br", x1, y1, radius)]


def gaussian_radius(height: int, width: int) -> int:
    """Return how far a corner of a box of so many cells may move while the boxes overlap by `MIN_OVERLAP`."""
    total, area = height + width, height * width
    overlap = MIN_OVERLAP
    moved = (total - np.sqrt(total**2 - 4 * area * (1 - overlap) / (1 + overlap))) / 2
    inside = (2 * total - np.sqrt(4 * total**2 - 16 * area * (1 - overlap))) / 8
    outside = (-2 * overlap * total + np.sqrt(4 * overlap**2 * total**2 + 16 * overlap * area * (1 - overlap))) / (
        8 * overlap
    )
    return max(0, int(min(moved, inside, outside)))


def _draw_gaussian(plane: Floats, x: int, y: int, radius: int) -> None:
    sigma = (2 * radius + 1) / 6
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    bump = np.exp(-(rows * rows + columns * columns) / (2 * sigma * sigma)).astype(np.float32)
    left, right = min(x, radius), min(OUTPUT_SIDE - x, radius + 1)
    top, bottom = min(y, radius), min(OUTPUT_SIDE - y, radius + 1)
    region = plane[y - top : y + bottom, x - left : x + right]
    np.maximum(region, bump[radius - top : radius + bottom, radius - left : radius + right], out=region)


def _clear(plane: Floats, x: int, y: int, radius: int) -> None:
    plane[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1] = 0


def _attention(boxes: Floats, side: int, ratio: int, low: int, high: int) -> Floats:
    attention = np.zeros((1, side, side), np.float32)
    for x0, y0, x1, y1, _ in boxes:
        if low <= max(x1 - x0, y1 - y0) <= high:
            attention[0, int((y0 + y1) / 2 / ratio), int((x0 + x1) / 2 / ratio)] = 1
    return attention
