"""Verifying a dataset, and the commands `index` and `verify`."""

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.verify import KINDS, verify_dataset
from tests.support.coco_files import (
    box_entry,
    category_entry,
    coco,
    image_entry,
    small_coco,
    write_dataset,
    write_jpeg,
)
from tests.support.processes import run_python

BOXES: dict[int, tuple[list[float], str | None]] = {
    1: ([0, 0, 64, 48], None),
    2: ([-1, -1, 66, 50], None),
    3: ([-1.5, 0, 10, 10], "out-of-range"),
    4: ([60, 40, 5.25, 4], "out-of-range"),
    5: ([100, 100, 10, 10], "out-of-range"),
    6: ([63.5, 10, 1, 5], "degenerate"),
    7: ([5, 5, 0, 10], "degenerate"),
    8: ([5, 5, float("nan"), 10], "degenerate"),
    9: ([5, 47, 5, 1], "degenerate"),
}


def faulty(folder: Path) -> tuple[Path, Path]:
    """A dataset with each fault: images 2 to 5 are bad, and so are most boxes of image 1."""
    images = [image_entry(number) for number in range(1, 6)]
    annotations = [box_entry(number, 1, 1, box) for number, (box, _) in BOXES.items()]
    paths = write_dataset(folder, coco(images, annotations, [category_entry(1)]))
    files = [paths[1] / image["file_name"] for image in images]
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:-100])
    write_jpeg(files[3], 60, 48)
    data = files[4].read_bytes()
    files[4].write_bytes(data.replace(b"\xff\xc0\x00\x11\x08\x00\x30\x00\x40", b"\xff\xc0\x00\x11\x08\xea\x60\xea\x60"))
    return paths


def command(*arguments: object, **settings: str) -> "subprocess.CompletedProcess[str]":
    """`python -m sampler`, as a process."""
    return run_python("-m", "sampler", *arguments, variables=settings, check=False)


def test_a_sound_dataset_is_clean(tmp_path: Path) -> None:
    report = verify_dataset(open_dataset(*write_dataset(tmp_path), tmp_path))
    assert report.clean
    assert (report.images, report.boxes) == (3, 5)
    assert report.counts == dict.fromkeys(KINDS, 0)


def test_each_fault_is_counted_under_its_kind_with_an_example_that_names_it(tmp_path: Path) -> None:
    report = verify_dataset(open_dataset(*faulty(tmp_path), tmp_path))
    assert not report.clean
    assert report.counts == {
        "missing": 1,
        "unreadable": 1,
        "mis-sized": 1,
        "too-large": 1,
        "out-of-range": 3,
        "degenerate": 4,
    }
    for number, kind in enumerate(("missing", "unreadable", "mis-sized", "too-large"), 2):
        [finding] = report.examples[kind]
        assert finding.where.endswith(f"{number:012d}.jpg")
    for kind in ("out-of-range", "degenerate"):
        named = {int(finding.where.split()[1]) for finding in report.examples[kind]}
        assert named == {number for number, (_, expected) in BOXES.items() if expected == kind}


def test_examples_are_limited_and_counts_are_not(tmp_path: Path) -> None:
    dataset = open_dataset(*faulty(tmp_path), tmp_path)
    report = verify_dataset(dataset, examples=1)
    assert report.counts["degenerate"] == 4
    assert [len(findings) for findings in report.examples.values()] == [1] * 6
    assert not any(verify_dataset(dataset, examples=0).examples.values())


def test_a_report_does_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    dataset, advanced = open_dataset(*faulty(tmp_path), tmp_path), list[int]()
    one = verify_dataset(dataset, threads=1, advance=lambda: advanced.append(0))
    assert one == verify_dataset(dataset, threads=7)
    assert len(advanced) == len(dataset)


def test_unexpected_errors_are_raised(tmp_path: Path) -> None:
    dataset = open_dataset(*write_dataset(tmp_path), tmp_path)

    class Broken(Dataset):
        def read(self, index: int) -> npt.NDArray[np.uint8]:
            raise KeyError(index)

    with pytest.raises(KeyError):
        verify_dataset(Broken(dataset.index_dir, dataset.images))


def test_the_real_coco_images_are_clean(shared: Path, tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        annotations = shared / f"coco-tiny/annotations/instances_{split}.json"
        done = command(
            "verify", "--annotations", annotations, "--images", shared / f"coco-tiny/images/{split}",
            "--cache-dir", tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "no faults" in done.stdout


def test_verify_exits_with_1_and_shows_counts_and_examples(tmp_path: Path) -> None:
    annotations, images = faulty(tmp_path)
    done = command("verify", "--annotations", annotations, "--images", images, "--cache-dir", tmp_path, "--examples", 2)
    assert done.returncode == 1
    assert "11 faults" in done.stdout
    assert "annotation 3 in 000000000001.jpg" in done.stdout
    assert "degenerate … and 2 more" in done.stdout
    assert "5/5" in done.stderr


def test_index_shows_what_an_annotation_file_holds(tmp_path: Path) -> None:
    annotations, images = faulty(tmp_path)
    done = command("index", "--annotations", annotations, "--images", images, "--cache-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {name.strip(): value.strip() for _, name, value, _ in table(done.stdout)}
    assert (rows["images"], rows["boxes"], rows["dropped boxes"]) == ("5", "7", "2")
    assert (rows["not finite"], rows["no width or no height"]) == ("1", "1")
    assert rows["digest"] == open_dataset(annotations, images, tmp_path).digest
    assert Path(rows["folder"]).is_dir()


def table(text: str) -> list[list[str]]:
    """The rows of a table of two columns, cut at its rules."""
    return [line.split("│") for line in text.splitlines() if line.count("│") == 3]


def test_options_come_from_the_environment_too(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    settings = {"SAMPLER_ANNOTATIONS": annotations, "SAMPLER_IMAGES": images, "SAMPLER_CACHE_DIR": tmp_path / "c"}
    environment = {name: str(value) for name, value in settings.items()}
    assert command("index", **environment).returncode == 0
    assert command("verify", **environment).returncode == 0
    assert (tmp_path / "c/indexes").is_dir()


@pytest.mark.parametrize("name", ["index", "verify"])
def test_errors_exit_with_2_and_one_line_on_stderr(name: str, tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"][0]["image_id"] = 999
    annotations, images = write_dataset(tmp_path)
    bad, _ = write_dataset(tmp_path / "bad", content)
    for arguments in ((tmp_path / "gone.json", images), (annotations, tmp_path / "gone"), (bad, images)):
        done = command(name, "--annotations", arguments[0], "--images", arguments[1], "--cache-dir", tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("index",), ("verify", "--annotations", "x"), ("nonsense",), ("index", "--what")]
)
def test_a_wrong_command_line_exits_with_2_and_no_stack_trace(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_shell_completion_can_be_installed() -> None:
    assert "--install-completion" in command("--help").stdout
