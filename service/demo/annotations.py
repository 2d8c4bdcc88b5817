"""The annotation file of the demo dataset, in COCO's format."""

import json
from collections.abc import Sequence

from service.demo.categories import CATEGORIES
from service.demo.scenes import DemoObject, Scene


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
