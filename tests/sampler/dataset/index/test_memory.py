"""Memory of building and opening large indexes."""

from pathlib import Path

import numpy as np

from benchmarks.synthetic_index import write_synthetic_index
from sampler.dataset.index.annotation_file import AnnotationFile
from sampler.dataset.index.arrays import ARRAYS
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.storage import FORMAT, check_index, mark_checked
from tests.support.coco_files import write_json
from tests.support.file_changes import wait_for_the_clock
from tests.support.processes import output_of

MEGABYTE = 1 << 20
MEMORY = """
import resource, sys
from pathlib import Path
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.cache import ensure_index
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before, arguments = peak(), [Path(name) for name in sys.argv[1:]]
"""


def test_building_an_index_takes_little_memory(tmp_path: Path) -> None:
    """80 MB of annotations with long outlines: to hold the text alone would take all of that."""
    outline = ", ".join(f"{n}.25" for n in range(200))
    entry = '{"segmentation": [[%s]], "image_id": %d, "bbox": [1.5, 2, 30, 20.25], "category_id": 1, "id": %d}'
    file = tmp_path / "large.json"
    with file.open("w") as stream:
        stream.write('{"images": [')
        stream.write(
            ", ".join(f'{{"id": {n}, "file_name": "{n}.jpg", "width": 64, "height": 48}}' for n in range(5000))
        )
        stream.write('], "annotations": [')
        stream.write(", ".join(entry % (outline, n % 5000, n) for n in range(60_000)))
        stream.write('], "categories": [{"id": 1, "name": "ant"}]}')
    size = file.stat().st_size
    assert size > 80 * MEGABYTE
    grown = int(output_of(f"{MEMORY}\nensure_index(*arguments)\nprint(peak() - before)", file, tmp_path))
    assert grown < 0.75 * size


def test_opening_an_index_reads_neither_annotations_nor_arrays(tmp_path: Path) -> None:
    """Sparse files stand for the largest: 100 million images, 34 GB, of which opening may not see more than a trace."""
    annotations, images = tmp_path / "a.json", 100_000_000
    with annotations.open("wb") as stream:
        stream.truncate(20_000 * MEGABYTE)
    folder = tmp_path / "indexes" / f"{'0' * 32}-v{FORMAT}"
    sparse_index(folder, images)
    wait_for_the_clock()
    with AnnotationFile.open(annotations, tmp_path / "indexes") as file:
        file.note("0" * 32)
    code = (
        f"{MEMORY}\nfolder = ensure_index(*arguments[:2])\ndataset = DatasetIndex(folder)\n"
        "print([dataset.boxes(n).shape for n in (0, 77_777_777, len(dataset) - 1)], len(dataset), peak() - before)"
    )
    shapes, count, grown = output_of(code, annotations, tmp_path).rsplit(maxsplit=2)
    assert shapes == "[(0, 5), (0, 5), (0, 5)]"
    assert int(count) == images
    assert int(grown) < 32 * MEGABYTE


def sparse_index(folder: Path, images: int) -> None:
    """The folder of an index whose arrays are zeros that take no room: images without names and boxes."""
    folder.mkdir(parents=True)
    for name, (dtype, dimensions) in ARRAYS.items():
        rows = {"id_starts": 1, "id_texts": 0}.get(name, images + name.endswith("_starts"))
        shape = (rows, {"sizes": 2, "boxes": 5, "bbox": 4}.get(name, 1))[:dimensions]
        with (folder / f"{name}.npy").open("wb") as stream:
            header = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            stream.truncate(stream.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)
    (folder / "left_out.json").write_text("{}")
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    digests = {"digest": "0" * 32, "report_digest": "0" * 32}
    lists = {"sources": ["x"], "category_names": [], "supercategories": []}
    write_json(folder / "meta.json", {"format": FORMAT, "dropped": 0, "unlisted": 0, "files": files} | digests | lists)
    mark_checked(folder)


def test_a_written_synthetic_index_is_sound(tmp_path: Path) -> None:
    folder = write_synthetic_index(tmp_path / "synthetic", 1234, boxes=3)
    check_index(folder)
    dataset = DatasetIndex(folder)
    assert (len(dataset), dataset.box_count) == (1234, 3 * 1234)
    assert dataset.file_name(1233) == "000000001234.jpg"
    boxes = np.concatenate([dataset.boxes(index) for index in range(1234)])
    assert (boxes[:, 2:4] > boxes[:, :2]).all()
    assert boxes[:, 2].max() < 640
    assert boxes[:, 3].max() < 480
    assert set(boxes[:, 4].tolist()) == set(range(1, 81))
