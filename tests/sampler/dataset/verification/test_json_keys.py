"""JSON keys that are used twice, which parsers accept silently."""

import gzip
import json
from pathlib import Path

import pytest

from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.verification.json_keys import check_keys
from sampler.dataset.verification.report import Tally
from tests.support.coco_files import small_coco

SMALL = json.dumps(small_coco())


def findings(text: str, folder: Path, examples: int = 10) -> list[str]:
    file = folder / "a.json"
    file.write_text(text, encoding="utf-8")
    tally = Tally(examples)
    check_keys(file, tally, lambda _: None)
    assert tally.counts["duplicate-key"] >= len(tally.kept["duplicate-key"])
    prefix = f"{file}: "
    return [f"{one.where.removeprefix(prefix)}: {one.what}" for one in tally.kept["duplicate-key"]]


def told(place: str, key: str, times: int = 2) -> str:
    return f"{place}: has the key {key!r} {times} times; the last value is used"


@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_without_repeated_keys_has_no_findings(indent: int | None, tmp_path: Path) -> None:
    assert findings(json.dumps(small_coco(), indent=indent), tmp_path) == []


def test_an_array_that_is_there_twice_is_found(tmp_path: Path) -> None:
    text = SMALL.replace('"images"', '"annotations": [], "images"', 1)
    assert findings(text, tmp_path) == [told("$", "annotations")]
    index = DatasetIndex(ensure_index(tmp_path / "a.json", tmp_path))
    assert index.box_count == 5, "the last one is used"


@pytest.mark.parametrize("key", ["info", "licenses", "own"])
def test_any_other_key_that_is_there_twice_is_found(key: str, tmp_path: Path) -> None:
    content = small_coco()
    del content["info"]
    text = json.dumps(content)[:-1] + f', "{key}": [1], "{key}": [2]}}'
    assert findings(text, tmp_path) == [told("$", key)]


def test_keys_of_entries_are_found_with_their_place(tmp_path: Path) -> None:
    text = SMALL.replace('"id": 3,', '"id": 33, "iscrowd": 1, "id": 3, "iscrowd": 0, "iscrowd": 0,')
    assert text != SMALL
    assert findings(text, tmp_path) == [
        told("$.annotations[2]", "id"), told("$.annotations[2]", "iscrowd", 4),
    ]  # fmt: skip


def test_numbers_of_thousands_of_digits_do_not_matter(tmp_path: Path) -> None:
    text = SMALL.replace('"id": 3,', f'"id": 3, "serial": {"1" * 5000}, "serial": 1,')
    assert text != SMALL
    assert findings(text, tmp_path) == [told("$.annotations[2]", "serial")]


def test_keys_within_entries_are_found(tmp_path: Path) -> None:
    segmentation = '"segmentation": {"size": [1, 2], "counts": [2], "size": [2, 1]}'
    text = SMALL.replace('"id": 3,', f'"id": 3, {segmentation},')
    assert findings(text, tmp_path) == [told("$.annotations[2]", "size")]


def test_entries_are_counted_across_pieces(tmp_path: Path) -> None:
    entries = [f'{{"id": {n}, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}}' for n in range(40_000)]
    entries[7] = entries[39_998] = '{"id": 1, "id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}'
    text = f'{{"annotations": [{", ".join(entries)}], "images": [], "categories": []}}'
    assert len(text) > 2 << 20
    assert findings(text, tmp_path) == [told("$.annotations[7]", "id"), told("$.annotations[39998]", "id")]


def test_all_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(SMALL.replace('"iscrowd": 0', '"iscrowd": 0, "iscrowd": 0'))
    tally = Tally(2)
    check_keys(file, tally, lambda _: None)
    assert (tally.counts["duplicate-key"], len(tally.kept["duplicate-key"])) == (4, 2)


def test_a_file_that_cannot_be_cut_into_pieces_is_searched_as_a_whole(tmp_path: Path) -> None:
    text = SMALL.replace('"images"', '"im\\u0061ges"').replace('"id": 3,', '"id": 33, "id": 3,')
    assert findings(text, tmp_path) == [told("an object", "id")]


def test_compressed_files_and_files_with_a_mark_are_searched(tmp_path: Path) -> None:
    text = "\ufeff" + SMALL.replace('"id": 3,', '"id": 33, "id": 3,')
    file = tmp_path / "a.json.gz"
    file.write_bytes(gzip.compress(text.encode()))
    tally = Tally(5)
    check_keys(file, tally, lambda _: None)
    [finding] = tally.kept["duplicate-key"]
    assert finding.where == f"{file}: $.annotations[2]"


def test_progress_is_reported(tmp_path: Path) -> None:
    file, steps = tmp_path / "a.json", list[str]()
    file.write_text(SMALL[:-1] + ', "notes": ["' + "x" * (9 << 20) + '", "' + "x" * (9 << 20) + '"]}')
    check_keys(file, Tally(5), steps.append)
    assert steps
    assert steps[0].startswith("checking JSON keys: 1")


def test_text_that_samples_do_not_use_may_be_anything(tmp_path: Path) -> None:
    """It is not UTF-8, and nested deeper than Python's parser goes."""
    deep = '"x": ' + "[" * 900 + "]" * 900
    data = SMALL.replace('"id": 3,', f'"id": 3, "caption": "caf_", {deep},').encode().replace(b"caf_", b"caf\xe9")
    file = tmp_path / "a.json"
    file.write_bytes(data)
    tally = Tally(5)
    check_keys(file, tally, lambda _: None)
    assert tally.counts["duplicate-key"] == 0
