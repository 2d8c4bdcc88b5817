"""The dataset a server serves if none is set: drawn once, on the first start, into the cache folder."""

import json
import logging
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from sampler.cpus import available_cpus
from sampler.errors import SamplerError
from sampler.progress import progress_bar
from sampler.system_errors import OTHER_CACHE_FOLDER, explain
from service.demo.categories import CATEGORIES
from service.demo.drawing import draw_scene
from service.demo.scenes import DemoObject, Scene, compose_scene

PICTURES = 256

_VERSION = 3  # part of the folder's name; raise it whenever the pictures or the annotations change
_LOCK_TIMEOUT_SECONDS = 300.0
_MANIFEST = "manifest.json"
_ANNOTATIONS = "annotations/instances_demo.json"
_IMAGES = "images"

_log = logging.getLogger("saccade_sampler.demo")


class DemoError(SamplerError):
    """The demo dataset cannot be made."""


@dataclass(frozen=True, slots=True)
class DemoDataset:
    """The annotation file, in COCO's format, and the folder of the images."""

    annotations: Path
    images: Path


def ensure_demo(cache_dir: Path, count: int = PICTURES) -> DemoDataset:
    """Return the demo dataset below `cache_dir`; draw it first if it is absent or damaged, which takes seconds.

    Its pictures are the first `count` of an endless series, the same on every machine. Any number of processes may
    call this at once: one draws, the others wait. Raises `DemoError`.
    """
    folder = cache_dir / f"demo-v{_VERSION}-{count}"
    try:
        if not _is_complete(folder):
            cache_dir.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(folder.name + ".lock"), timeout=_LOCK_TIMEOUT_SECONDS):
                if not _is_complete(folder):
                    _replace(folder, count)
    except OSError as error:  # a lock's timeout is one, too
        remedy = f"{OTHER_CACHE_FOLDER}, or a dataset of your own (SAMPLER_ANNOTATIONS, SAMPLER_IMAGES)"
        cause = explain(error, cache_dir, remedy)
        raise DemoError(f"{cache_dir}: cannot make the demo dataset here: {cause}") from error
    return DemoDataset(folder / _ANNOTATIONS, folder / _IMAGES)


def _is_complete(folder: Path) -> bool:
    """Return whether each file in the manifest exists and has its size; contents are not read."""
    try:
        sizes = json.loads((folder / _MANIFEST).read_bytes())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (FileNotFoundError, NotADirectoryError, ValueError, AttributeError):
        return False  # no manifest, a truncated manifest, or a missing file


def _replace(folder: Path, count: int) -> None:
    """Draw a demo dataset and move it to `folder`. The caller holds the lock, so leftovers belong to dead processes."""
    partial = folder.with_name(folder.name + ".partial")
    if folder.exists():
        _log.warning("%s: files are missing or have another size; drawing the demo dataset again", folder)
    for leftover in (partial, folder):
        if leftover.exists():
            shutil.rmtree(leftover)
    try:
        _log.info("drawing the demo dataset (%d pictures) into %s", count, folder)
        _draw(partial, count)
        partial.rename(folder)
        _log.info("the demo dataset is ready")
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # the first error is the one to report


def _draw(folder: Path, count: int) -> None:
    """Write annotations, pictures and, last, the manifest. One thread per CPU: OpenCV and NumPy release the GIL."""

    def write(scene: Scene) -> int:
        return (folder / _IMAGES / scene.file_name).write_bytes(draw_scene(scene))

    (folder / _IMAGES).mkdir(parents=True)
    (folder / _ANNOTATIONS).parent.mkdir()
    scenes = [compose_scene(number) for number in range(count)]
    sizes = {_ANNOTATIONS: (folder / _ANNOTATIONS).write_bytes(coco_json(scenes))}
    bar = progress_bar("Drawing the demo dataset", count, show=sys.stderr.isatty())
    with ThreadPoolExecutor(available_cpus()) as pool, bar as advance:
        for scene, size in zip(scenes, pool.map(write, scenes), strict=True):
            sizes[f"{_IMAGES}/{scene.file_name}"] = size
            advance()
    (folder / _MANIFEST).write_text(json.dumps(sizes))


def coco_json(scenes: Sequence[Scene]) -> bytes:
    """Return the annotation file (UTF-8 JSON); coordinates in pixels with up to two decimals."""
    document = {
        "info": {"description": "Drawn demo pictures with COCO's categories"},
        "images": [{"id": s.image_id, "file_name": s.file_name, "height": s.height, "width": s.width} for s in scenes],
        "annotations": [_annotation(scene, place) for scene in scenes for place in range(len(scene.objects))],
        "categories": [{"supercategory": c.supercategory, "id": c.coco_id, "name": c.name} for c in CATEGORIES],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _annotation(scene: Scene, place: int) -> dict[str, object]:
    each = scene.objects[place]
    segmentation, area = _crowd_mask(each, scene) if each.is_crowd else _polygon(each)
    return {
        "segmentation": segmentation,
        "area": area,
        "iscrowd": int(each.is_crowd),
        "image_id": scene.image_id,
        "bbox": [value / 100 for value in each.box],
        "category_id": each.category.coco_id,
        "id": 1000 * scene.image_id + place,
    }


def _polygon(each: DemoObject) -> tuple[object, float]:
    """Return the outline as a flat list of coordinates, and its area."""
    points = each.polygon(each.silhouette.outline)
    doubled = sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True))
    return [[value / 100 for point in points for value in point]], abs(doubled) // 200 / 100


def _crowd_mask(crowd: DemoObject, scene: Scene) -> tuple[object, float]:
    """Return the box as uncompressed run lengths (column by column, background first), and its area."""
    x, y, width, height = (value // 100 for value in crowd.box)
    columns = [height, scene.height - height] * width
    last = scene.height * (scene.width - x - width) + scene.height - y - height
    return {"counts": [x * scene.height + y, *columns[:-1], last], "size": [scene.height, scene.width]}, width * height
