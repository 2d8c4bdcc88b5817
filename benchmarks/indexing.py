"""Indexing an annotation file the size of train2017, compared with pycocotools' loader."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.row import Row, paired

IMAGES = 118_287
ANNOTATIONS = 860_001
RUNS = 3
POINTS = 46
"""Numbers in a polygon, so that the file weighs what the real one does."""

MEASURE = """
import resource, sys, time
from pathlib import Path
{imports}
began = time.perf_counter()
{load}
taken = time.perf_counter() - began
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
# Where it is told: what getrusage says begins with the memory of the process that started this one.
peaks = [line.split()[1] for line in lines if line.startswith("VmHWM")]
print(taken, *(peaks or [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""
OURS = MEASURE.format(
    imports="from sampler.dataset.index.cache import ensure_index",
    load="ensure_index(Path(sys.argv[1]), Path(sys.argv[2]))",
)
THEIRS = MEASURE.format(
    imports="import contextlib, os\nfrom pycocotools.coco import COCO",
    load="with contextlib.redirect_stdout(open(os.devnull, 'w')): COCO(sys.argv[1])",
)


def rows(folder: Path) -> Iterator[Row]:
    """Measure time and peak memory of building an index, each loader in a process of its own."""
    file = _annotation_file(folder / "instances_large.json")
    ours, theirs = [], []
    for run in range(RUNS):
        ours.append(_measured(OURS, file, folder / f"index-{run}"))  # a new folder: nothing of it was built before
        theirs.append(_measured(THEIRS, file, folder))
    seconds, kilobytes = zip(*ours, strict=True)
    their_seconds, their_kilobytes = zip(*theirs, strict=True)
    yield paired("index of a file like train2017's, time", "s", seconds, "pycocotools.COCO", their_seconds, 0.2)
    yield paired(
        "index of a file like train2017's, peak memory", "MB", [size / 1024 for size in kilobytes], "pycocotools.COCO",
        [size / 1024 for size in their_kilobytes], 0.33,
    )  # fmt: skip


def _measured(code: str, file: Path, cache_dir: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", code, str(file), str(cache_dir)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, kilobytes = done.stdout.split()
    return float(seconds), float(kilobytes)


def _annotation_file(file: Path) -> Path:
    random = np.random.Generator(np.random.Philox(key=118))
    images = [
        {"license": 1, "file_name": f"{n:012d}.jpg", "height": 480, "width": 640, "id": n} for n in range(1, IMAGES + 1)
    ]
    owners = random.integers(1, IMAGES + 1, ANNOTATIONS).tolist()
    boxes = np.round(random.uniform(1, 200, (ANNOTATIONS, 4)), 2).tolist()
    kinds = random.integers(1, 81, ANNOTATIONS).tolist()
    outline = np.round(random.uniform(0, 400, POINTS), 2).tolist()
    annotations = [
        {"segmentation": [outline], "area": 702.1, "iscrowd": 0, "image_id": owners[n], "bbox": boxes[n],
         "category_id": kinds[n], "id": n + 1}
        for n in range(ANNOTATIONS)
    ]  # fmt: skip
    categories = [{"supercategory": "thing", "id": n, "name": f"kind {n}"} for n in range(1, 81)]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file
