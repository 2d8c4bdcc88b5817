"""The arrays of an index, and how its folder is built."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from sampler.dataset.coco.annotations import parse_annotations
from sampler.dataset.index.arrays import ARRAYS, IndexArrays, build_index
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.storage import FORMAT, is_sound, load_index, read_left_out
from sampler.errors import AnnotationError
from tests.support.coco_files import Entry, box_entry, category_entry, coco, image_entry, small_coco, write_json
from tests.support.processes import start_python

SMALL_DIGEST = "4238418b57fae114e478fe66e29aabf1"


def index_of(content: Entry, **how: Any) -> IndexArrays:
    return build_index(parse_annotations(json.dumps(content, **how).encode(), "x"))


def index_of_file(file: Path) -> IndexArrays:
    return build_index(parse_annotations(file.read_bytes(), file))


def run(code: str, *arguments: object) -> "subprocess.Popen[str]":
    return start_python("-c", code, *arguments, coverage=False)


def left_over(cache_dir: Path) -> list[Path]:
    return list((cache_dir / "indexes").glob("*.part"))


def test_images_ascend_by_id_and_boxes_go_by_category_then_by_the_order_of_the_file() -> None:
    index = index_of(small_coco())
    assert index.image_ids.tolist() == [10, 20, 30]
    assert index.sizes.tolist() == [[40, 80], [48, 64], [48, 64]]
    assert index.box_starts.tolist() == [0, 2, 2, 5]
    assert index.annotation_ids.tolist() == [1, 4, 3, 5, 2]
    assert index.boxes[:, 4].tolist() == [1, 2, 2, 4, 4]
    assert index.crowd.tolist() == [False, False, False, False, True]
    assert index.category_ids.tolist() == [1, 7, 13, 90]
    assert index.category_names == ("ant", "fox", "owl", "zebra")


def test_corners_are_summed_in_float64_and_then_rounded_to_float32() -> None:
    x, w = 300.01, 109.48
    assert np.float32(x) + np.float32(w) != np.float32(x + w), "the two ways differ for this box"
    index = index_of(coco([image_entry(1)], [box_entry(1, 1, 1, [x, 1, w, 1])], [category_entry(1)]))
    assert index.boxes.dtype == np.float32
    assert index.boxes[0, 2] == np.float32(x + w)


def test_boxes_areas_and_supercategories_are_kept_exactly_and_do_not_change_the_digest() -> None:
    content = small_coco()
    content["annotations"][0]["area"] = 593.1875
    content["categories"][0]["supercategory"] = "animal"
    index = index_of(content)
    assert index.bbox[0].tolist() == [20, 5, 40, 30]
    assert index.bbox[1].tolist() == [0.1, 0.2, 10.7, 11.9]
    assert index.area[3] == 593.1875
    assert np.isnan(index.area[:3]).all()
    assert index.supercategories == ("thing", "thing", "thing", "animal")
    assert index.digest == SMALL_DIGEST


def with_ids(ids: Mapping[int, int | str]) -> Entry:
    """`small_coco` with other image ids."""
    content = small_coco()
    for entry in content["images"]:
        entry["id"] = ids.get(entry["id"], entry["id"])
    for entry in content["annotations"]:
        entry["image_id"] = ids.get(entry["image_id"], entry["image_id"])
    return content


def test_if_one_image_id_is_a_string_all_images_ascend_by_the_code_points_of_their_ids() -> None:
    index = index_of(with_ids({10: "b", 20: "\N{GRINNING FACE}", 30: 7}))
    assert index.id_texts.tobytes().decode() == "7b\N{GRINNING FACE}"
    assert index.id_starts.tolist() == [0, 1, 2, 6]
    assert index.image_ids.tolist() == [0, 1, 2]
    assert index.annotation_ids.tolist() == [3, 5, 2, 1, 4]
    assert index.box_starts.tolist() == [0, 3, 5, 5]


@given(st.lists(st.integers(-9, 99) | st.text(max_size=3), min_size=1, max_size=12, unique_by=str), st.randoms())
def test_boxes_stay_with_their_image_whatever_its_id_is(ids: list[int | str], random: Random) -> None:
    images = [image_entry(1, file_name=f"{place}.jpg") | {"id": one} for place, one in enumerate(ids)]
    boxes = [box_entry(place, one, 1, [place + 1, 1, 2, 2]) for place, one in enumerate(ids)]
    random.shuffle(images)
    random.shuffle(boxes)
    index = index_of(coco(images, boxes, [category_entry(1)]))
    texts = any(isinstance(one, str) for one in ids)
    order = sorted(range(len(ids)), key=lambda place: str(ids[place]) if texts else ids[place])
    assert index.annotation_ids.tolist() == order
    assert index.names.tobytes().decode() == "".join(f"{place}.jpg" for place in order)
    assert index.id_texts.tobytes().decode() == ("".join(str(ids[place]) for place in order) if texts else "")


def test_string_ids_are_part_of_the_digest() -> None:
    digests = {index_of(with_ids(ids)).digest for ids in ({}, {30: "30"}, {30: "31"}, {10: "10", 20: "20", 30: "30"})}
    assert len(digests) == 3, "an integer and its decimal text are the same id, once one id is a string"


def test_the_digest_is_the_same_on_every_machine_and_in_every_version_of_the_index() -> None:
    assert index_of(small_coco()).digest == SMALL_DIGEST


@pytest.mark.parametrize("source", ["train2017", "val2017", "synthetic"])
def test_the_index_agrees_with_pycocotools_on_every_box(
    source: str, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    from pycocotools.coco import COCO

    if source == "synthetic":
        file = write_json(tmp_path / "synthetic.json", synthetic())
    else:
        file = request.getfixturevalue("shared") / f"coco-tiny/annotations/instances_{source}.json"
    theirs, ours = COCO(str(file)), index_of_file(file)
    assert ours.image_ids.tolist() == sorted(theirs.getImgIds())
    assert ours.category_ids.tolist() == sorted(theirs.getCatIds())
    for row, image_id in enumerate(ours.image_ids.tolist()):
        rows = slice(*ours.box_starts[row : row + 2])
        expected, ids = [], []
        for number, category_id in enumerate(sorted(theirs.getCatIds()), 1):
            for entry in theirs.loadAnns(theirs.getAnnIds(imgIds=[image_id], catIds=[category_id])):
                x, y, w, h = entry["bbox"]
                expected.append([x, y, x + w, y + h, number])
                ids.append(entry["id"])
        assert ours.annotation_ids[rows].tolist() == ids
        assert np.array_equal(ours.boxes[rows], np.array(expected, np.float32).reshape(-1, 5))


def synthetic() -> Entry:
    """200 images and 3000 boxes in a random order."""
    random = np.random.Generator(np.random.Philox(key=7))
    images = [image_entry(int(image_id)) for image_id in random.permutation(1000)[:200] * 37]
    categories = [category_entry(int(category_id)) for category_id in random.permutation(90)[:12]]
    annotations = [
        box_entry(number, images[i]["id"], categories[c]["id"], box.tolist(), iscrowd=int(number % 50 == 0))
        for number, i, c, box in zip(
            random.permutation(3000).tolist(),
            random.integers(0, 200, 3000),
            random.integers(0, 12, 3000),
            random.uniform(1, 40, (3000, 4)).round(2),
            strict=True,
        )
    ]
    return coco(images, annotations, categories)


@given(st.permutations(range(3)), st.permutations(range(4)), st.data(), st.sampled_from([None, 1, "\t"]))
def test_formatting_and_the_order_across_images_do_not_change_the_digest(
    images: list[int], categories: list[int], data: st.DataObject, indent: int | str | None
) -> None:
    content = small_coco()
    of_30 = [entry for entry in content["annotations"] if entry["image_id"] == 30]
    others = [entry for entry in content["annotations"] if entry["image_id"] != 30]
    merged = list(of_30)
    for entry in others:
        merged.insert(data.draw(st.integers(0, len(merged))), entry)
    mixed = {
        "categories": [content["categories"][place] for place in categories],
        "annotations": [dict(sorted(entry.items())) for entry in merged],
        "images": [content["images"][place] | {"flickr_url": "x"} for place in images],
    }
    assert index_of(mixed, indent=indent).digest == index_of(small_coco()).digest


@pytest.mark.parametrize(
    ("what", "place", "change"),
    [
        ("annotations", 0, {"bbox": [1, 2, 30, 21]}),
        ("annotations", 0, {"iscrowd": 1}),
        ("annotations", 0, {"category_id": 13}),
        ("annotations", 0, {"image_id": 20}),
        ("images", 0, {"file_name": "other.jpg"}),
        ("images", 0, {"width": 65}),
        ("images", 2, {"id": 21}),
        ("categories", 3, {"id": 14}),
        ("categories", 3, {"name": "eagle"}),
    ],
)
def test_the_digest_covers_everything_samples_depend_on(what: str, place: int, change: Entry) -> None:
    content = small_coco()
    content[what][place].update(change)
    assert index_of(content).digest != index_of(small_coco()).digest


def test_the_order_of_the_boxes_of_one_image_and_category_changes_the_digest() -> None:
    content = small_coco()
    entries = content["annotations"]
    entries[0], entries[3] = entries[3], entries[0]
    assert index_of(content).digest != index_of(small_coco()).digest


def test_an_index_comes_back_from_its_folder_as_it_was_built(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"].append(box_entry(77, 10, 1, [1, float("nan"), 3, 4]))
    file = write_json(tmp_path / "a.json", content)
    built, folder = index_of_file(file), ensure_index(file, tmp_path)
    loaded = load_index(folder)
    for name in ARRAYS:
        assert np.array_equal(getattr(built, name), getattr(loaded, name), equal_nan=name == "area")
        assert getattr(built, name).dtype == getattr(loaded, name).dtype
        assert not getattr(loaded, name).flags.writeable
    assert (built.category_names, built.digest) == (loaded.category_names, loaded.digest)
    assert read_left_out(folder) == parse_annotations(file.read_bytes(), file).left_out


def test_a_dataset_without_any_box_has_an_index(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", coco([image_entry(1)], [], [category_entry(1)]))
    assert load_index(ensure_index(file, tmp_path)).boxes.shape == (0, 5)


def test_only_changed_content_causes_a_rebuild(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", small_coco())
    first = ensure_index(file, tmp_path)
    written = (first / "meta.json").stat().st_mtime_ns
    os.utime(file, (1, 1))
    assert ensure_index(file, tmp_path) == first
    assert (first / "meta.json").stat().st_mtime_ns == written
    changed = small_coco()
    changed["annotations"][0]["bbox"][0] = 2
    same_time = file.stat()
    write_json(file, changed)
    os.utime(file, ns=(same_time.st_atime_ns, same_time.st_mtime_ns))
    second = ensure_index(file, tmp_path)
    assert second != first
    assert load_index(second).boxes[3, 0] == 2


def test_an_existing_index_is_used_without_the_lock(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", small_coco())
    folder = ensure_index(file, tmp_path)
    with FileLock(folder.parent / ".lock"):
        assert ensure_index(file, tmp_path) == folder


@pytest.mark.parametrize("name", ["meta.json", "left_out.json", "boxes.npy", "names.npy"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "overwritten"])
def test_a_damaged_index_is_detected_and_rebuilt(name: str, damage: str, tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", small_coco())
    folder = ensure_index(file, tmp_path)
    digest, victim = load_index(folder).digest, folder / name
    whole = victim.read_bytes()
    if damage == "missing":
        victim.unlink()
    elif damage == "truncated":
        victim.write_bytes(whole[:-3])
    else:
        victim.write_bytes(whole[:-3] + b"\x07\x07\x07")
    assert not is_sound(folder)
    assert ensure_index(file, tmp_path) == folder
    assert load_index(folder).digest == digest
    assert victim.read_bytes() == whole
    assert not left_over(tmp_path)


@pytest.mark.parametrize("change", [{"format": 0}, {"files": {}}, {"category_names": "x"}])
def test_an_index_of_another_format_is_rebuilt(change: dict[str, object], tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", small_coco())
    folder = ensure_index(file, tmp_path)
    whole = (folder / "meta.json").read_text()
    write_json(folder / "meta.json", json.loads(whole) | change)
    if "files" in change:
        (folder / "boxes.npy").write_bytes(b"")
    assert not is_sound(folder)
    ensure_index(file, tmp_path)
    assert (folder / "meta.json").read_text() == whole


def test_arrays_of_another_type_are_a_damaged_index(tmp_path: Path) -> None:
    folder = ensure_index(write_json(tmp_path / "a.json", small_coco()), tmp_path)
    boxes = np.load(folder / "boxes.npy")
    np.save(folder / "boxes.npy", boxes.view(np.int32))
    with pytest.raises(AnnotationError, match=r"boxes\.npy is int32"):
        load_index(folder)


def test_a_missing_annotation_file_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="annotation file does not exist"):
        ensure_index(tmp_path / "gone.json", tmp_path / "cache")
    with pytest.raises(AnnotationError, match="is a folder"):
        ensure_index(tmp_path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_damaged_index_that_is_opened_directly_is_an_error(tmp_path: Path) -> None:
    folder = ensure_index(write_json(tmp_path / "a.json", small_coco()), tmp_path)
    (folder / "boxes.npy").unlink()
    with pytest.raises(AnnotationError, match="index is damaged"):
        load_index(folder)


def test_a_refused_file_leaves_no_index(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", {"images": []})
    with pytest.raises(AnnotationError):
        ensure_index(file, tmp_path)
    assert [entry.name for entry in (tmp_path / "indexes").iterdir()] == [".lock"]


def test_concurrent_builders_share_one_index(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", synthetic())
    code = (
        "import sys; from pathlib import Path; from sampler.dataset.index.cache import ensure_index\n"
        "from sampler.dataset.index.storage import load_index\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(load_index(ensure_index(Path(sys.argv[1]), Path(sys.argv[2]))).digest)"
    )
    builders = [start_python("-c", code, file, tmp_path, stdin=subprocess.PIPE) for _ in range(4)]
    for builder in builders:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "ready\n"
    digests = [builder.communicate("go\n", timeout=60)[0].strip() for builder in builders]
    assert digests == [index_of_file(file).digest] * 4
    assert len(list((tmp_path / "indexes").glob(f"*-v{FORMAT}"))) == 1
    assert not left_over(tmp_path)


def test_a_killed_builder_does_not_block_the_next(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", small_coco())
    code = (
        "import sys, time; from pathlib import Path; from sampler.dataset.index import cache, storage as f\n"
        "save = f._save\n"
        "def stall(file, array):\n"
        "    save(file, array)\n"
        "    if file.name == 'boxes.npy': print('half', flush=True); time.sleep(60)\n"
        "f._save = stall; cache.ensure_index(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    builder = run(code, file, tmp_path)
    assert builder.stdout is not None
    assert builder.stdout.readline() == "half\n"
    builder.send_signal(signal.SIGKILL)
    builder.communicate(timeout=30)
    assert left_over(tmp_path), "the killed builder was half way"
    started = time.monotonic()
    assert load_index(ensure_index(file, tmp_path)).digest == index_of(small_coco()).digest
    assert time.monotonic() - started < 10
    assert not left_over(tmp_path)


def test_a_builder_waits_for_another_one(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", small_coco())
    (tmp_path / "indexes").mkdir()
    code = (
        "import sys; from pathlib import Path; from sampler.dataset.index.cache import ensure_index\n"
        "print(ensure_index(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    with FileLock(tmp_path / "indexes/.lock"):
        waiting = run(code, file, tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(2)
        assert not list((tmp_path / "indexes").glob(f"*-v{FORMAT}"))
    printed, _ = waiting.communicate(timeout=30)
    assert is_sound(Path(printed.strip()))


def test_a_full_disk_is_one_clear_error_and_leaves_no_half_index(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the write fails in the same way, in the same place."""
    file = write_json(tmp_path / "a.json", synthetic())
    code = (
        "import resource, sys; from pathlib import Path; from sampler.dataset.index.cache import ensure_index\n"
        "from sampler.errors import AnnotationError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: ensure_index(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except AnnotationError as error: print(error)"
    )
    printed, errors = run(code, file, tmp_path).communicate(timeout=60)
    assert errors == ""
    assert "index cannot be written" in printed
    assert "File too large" in printed
    assert not left_over(tmp_path)
    assert not list((tmp_path / "indexes").glob(f"*-v{FORMAT}"))


def test_a_cache_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", small_coco())
    with pytest.raises(AnnotationError, match="index cannot be written"):
        ensure_index(file, file / "cache")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", small_coco())

    def change(step: str) -> None:
        if step == "parsing the annotation file":
            file.write_text(json.dumps(small_coco(), indent=1))

    with pytest.raises(AnnotationError, match="changed while it was read"):
        ensure_index(file, tmp_path, change)


def test_a_file_the_size_of_train2017_is_indexed_in_seconds_and_little_memory(tmp_path: Path) -> None:
    """A tenth of it here: 12 000 images and 86 000 annotations."""
    random = np.random.Generator(np.random.Philox(key=11))
    boxes = random.uniform(1, 300, (86_000, 4)).round(2).tolist()
    outline = [[round(value, 2) for value in random.uniform(0, 640, 70).tolist()]]
    annotations = [
        box_entry(n, n % 12_000, 1 + n % 80, box, segmentation=outline, area=1.5) for n, box in enumerate(boxes)
    ]
    images, categories = [image_entry(n) for n in range(12_000)], [category_entry(n) for n in range(1, 81)]
    file = write_json(tmp_path / "big.json", coco(images, annotations, categories))
    code = (
        "import resource, sys, time; from pathlib import Path; from sampler.dataset.index.cache import ensure_index\n"
        "before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()\n"
        "ensure_index(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    printed, _ = run(code, file, tmp_path).communicate(timeout=60)
    seconds, grown = map(float, printed.split())
    unit = 1 if sys.platform == "darwin" else 1024
    assert seconds < 5
    assert grown * unit < 3 * file.stat().st_size
