"""The command `verify`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sampler.dataset.dataset import open_dataset
from sampler.dataset.verification.kinds import KINDS
from tests.support.coco_files import box_entry, small_coco, write_dataset, write_faulty_dataset
from tests.support.processes import run_python


def verify(annotations: Path, images: Path, *more: object) -> "subprocess.CompletedProcess[str]":
    """`saccade-sampler verify`, as a process."""
    arguments = [
        "verify",
        "--annotations",
        annotations,
        "--images",
        images,
        "--cache-dir",
        annotations.parent / "cache",
    ]
    return run_python("-m", "sampler", *arguments, *more, check=False)


def document(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_the_real_coco_images_are_clean(shared: Path, tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        annotations = tmp_path / f"{split}.json"
        annotations.write_bytes((shared / f"coco-tiny/annotations/instances_{split}.json").read_bytes())
        done = verify(annotations, shared / f"coco-tiny/images/{split}")
        assert done.returncode == 0, done.stderr
        assert "no faults" in done.stdout


def test_faults_give_status_1_counts_and_examples(tmp_path: Path) -> None:
    done = verify(*write_faulty_dataset(tmp_path), "--examples", 2)
    assert done.returncode == 1
    assert "6 faults, 9 notes in dataset" in done.stdout
    assert "annotation 3 in 000000000001.jpg" in done.stdout
    assert "no-boxes … and 2 more" in done.stdout
    assert f"missing remedy: {KINDS['missing'].remedy}" in done.stdout
    assert "5/5" in done.stderr


def test_notes_give_status_0(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"].append(box_entry(1, 10, 1, [0.1, 0.1, 0.2, 0.2]))
    done = verify(*write_dataset(tmp_path, content))
    assert done.returncode == 0, done.stdout
    assert "no faults, 3 notes in dataset" in done.stdout
    assert "probably normalised" in done.stdout
    assert "duplicate-id annotation 1 in" in done.stdout


def test_the_report_of_a_dataset_without_findings_has_no_table(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"] += [box_entry(90 + one["id"], one["id"], 1, [1, 1, 9, 9]) for one in content["images"]]
    done = verify(*write_dataset(tmp_path, content))
    assert done.returncode == 0
    heading, result = done.stdout.splitlines()
    assert heading.startswith("3 images, ")
    assert result.startswith("no faults, no notes in dataset ")


def test_the_pixel_limit_is_that_of_the_server(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path)
    for options, found in ((("--max-image-pixels", 64 * 48 - 1), 3), ((), 0)):
        report = document(verify(*dataset, "--json", *options))
        assert report["findings"]["too-large"]["count"] == report["unusable_images"] == found


def test_keys_that_are_used_twice_are_found_in_the_file(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    annotations.write_text(annotations.read_text().replace('"id": 3,', '"id": 33, "id": 3,'))
    done = verify(annotations, images, "--json")
    assert done.returncode == 0
    assert document(done)["findings"]["duplicate-key"]["count"] == 1


def test_the_report_as_json_has_everything(tmp_path: Path) -> None:
    annotations, images = write_faulty_dataset(tmp_path)
    done = verify(annotations, images, "--json", "--examples", 1)
    assert done.returncode == 1
    report = document(done)
    dataset = open_dataset(annotations, images, tmp_path)
    assert (report["dataset"], report["images"], report["boxes"]) == (dataset.digest, 5, 9)
    assert (report["faults"], report["notes"], report["unusable_images"]) == (6, 9, 4)
    assert list(report["findings"]) == list(KINDS)
    found = report["findings"]["out-of-range"]
    assert (found["severity"], found["count"], len(found["examples"])) == ("note", 2, 1)
    assert found["examples"][0]["where"] == "annotation 3 in 000000000001.jpg"
    assert report["findings"]["missing"]["severity"] == "fault"
    assert report["findings"]["changed"] | {"meaning": "", "remedy": ""} == {
        "severity": "fault", "count": 0, "meaning": "", "remedy": "", "examples": [],
    }  # fmt: skip


@pytest.mark.parametrize("strings", [False, True])
def test_the_ids_of_unusable_images_are_written_to_a_file(strings: bool, tmp_path: Path) -> None:
    annotations, images = write_faulty_dataset(tmp_path)
    if strings:
        content = json.loads(annotations.read_text())
        content["images"][0]["id"] = "first"
        annotations.write_text(json.dumps(content))
    file = tmp_path / "unusable.json"
    done = verify(annotations, images, "--json", "--unusable", file)
    assert done.returncode == 1
    assert f"wrote the ids of 4 unusable images to {file}\n" in done.stderr
    assert (document(done)["unusable_images"], document(done)["store"]) == (4, "absent")
    assert json.loads(file.read_text()) == (["2", "3", "4", "5"] if strings else [2, 3, 4, 5])


def test_the_file_of_unusable_images_is_empty_if_there_are_none(tmp_path: Path) -> None:
    file = tmp_path / "unusable.json"
    done = verify(*write_dataset(tmp_path), "--unusable", file)
    assert done.returncode == 0
    assert f"wrote the ids of no unusable images to {file}\n" in done.stderr
    assert json.loads(file.read_text()) == []


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = verify(*write_dataset(tmp_path), "--unusable", tmp_path / "gone/ids.json")
    assert done.returncode == 2
    assert f"error: {tmp_path}/gone/ids.json: cannot be written: No such file or directory; " in done.stderr


def test_a_decoded_store_that_is_not_checked_is_mentioned(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    paths = ["--annotations", annotations, "--images", images, "--cache-dir", tmp_path / "cache"]
    run_python("-m", "sampler", "decode", *paths)
    done = verify(annotations, images, "--json")
    assert "not checked" not in done.stderr
    assert document(done)["store"] == "checked"
    moved = images.rename(tmp_path / "moved")
    done = verify(annotations, moved, "--json")
    assert (done.returncode, document(done)["store"]) == (0, "unusable")
    assert f"the decoded store is not checked: {tmp_path / 'cache'}" in done.stderr
    assert "is of other images" in done.stderr
