"""The commands `replay` and `recipe`, compared with the published sampler."""

import functools
import json
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from sampler.array_table import dense_table
from sampler.config.presets import PRESETS
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.local_folder import LocalFolder
from sampler.errors import CaseError
from sampler.layouts.convert import lay_out
from sampler.recipe import Recipe
from sampler.replay import Case, load_cases, parse_cases, render, replay_cases
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys
from tests.support import toy_family
from tests.support.coco_files import image_folder, photo, write_dataset, write_image, write_jpeg, write_json
from tests.support.commands import app
from tests.support.laws import assert_same_arrays
from tests.support.processes import run_python

FLOAT_TOLERANCE = 5e-6


def entry(name: str = "one", **more: Any) -> dict[str, Any]:
    """A recorded case on an image of 64×48 pixels."""
    recipe = Recipe(scale=1.5, reference=None, center=(36, 48), flip=True).as_dict()
    case = {"case": name, "config": "cornernet_saccade", "file_name": "a.png", "boxes": [[4, 4, 40, 40, 3]]}
    return {**case, "recipe": recipe, **more}


def folder_of_images(folder: Path) -> Path:
    write_image(folder / "a.png", photo(64, 48))
    return folder


def replay(file: Path, images: Path, out: Path) -> None:
    replay_cases(load_cases(file), file, LocalFolder(images), out)


def replayed(tmp_path: Path, cases: object) -> Path:
    replay(write_json(tmp_path / "cases.json", cases), folder_of_images(tmp_path / "images"), tmp_path / "out")
    return tmp_path / "out"


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def scattered(shape: tuple[int, ...], background: float, places: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    dense = np.full(shape, background, np.float32)
    dense[tuple(places.T)] = values
    return dense


def assert_as_published(found: dict[str, NDArray[Any]], golden: dict[str, NDArray[Any]]) -> None:
    np.testing.assert_array_equal(found["crop_bgr_u8"], golden["crop_bgr_u8"], strict=True)
    close = functools.partial(np.testing.assert_allclose, rtol=0, atol=FLOAT_TOLERANCE)
    close(found["images"][:, ::5, ::5], golden["image_grid"])
    for name, array in golden.items():
        if name.endswith("_idx"):
            plane = name.removesuffix("_idx")
            background = 1.0 if plane.endswith("valids") else 0.0
            expected = scattered(found[plane].shape, background, array, golden[f"{plane}_val"])
            close(found[plane], expected, err_msg=plane)
            np.testing.assert_array_equal(found[plane] == background, expected == background, err_msg=plane)
        elif name in found and np.issubdtype(array.dtype, np.integer):
            np.testing.assert_array_equal(found[name], array, err_msg=name)
        elif name in found:
            close(found[name], array, err_msg=name)
        else:
            assert name in {"image_grid"} or name.endswith("_val"), f"{name} is not compared"


class TestGolden:
    """What the published sampler made of real COCO images."""

    def test_the_command_renders_every_recorded_case_as_published(self, shared: Path, tmp_path: Path) -> None:
        golden = shared / "golden"
        recorded = json.loads((golden / "cases.json").read_text())
        arguments = ["--images", shared / "coco-tiny" / "images", "--out", tmp_path]
        done = run_python("-m", "sampler", "replay", golden / "cases.json", *arguments)
        assert f"{len(recorded)} cases" in done.stdout
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{case['case']}.npz" for case in recorded)
        for case in recorded:
            table = dense_table(PRESETS[case["config"]], 80)
            with np.load(tmp_path / f"{case['case']}.npz") as found, np.load(golden / f"{case['case']}.npz") as wanted:
                arrays = dict(found)
                assert set(arrays) == {"crop_bgr_u8", *(spec.name for spec in table)}
                assert {spec.name: arrays[spec.name].shape for spec in table} == {s.name: s.shape for s in table}
                assert_as_published(arrays, dict(wanted))

    def test_recorded_cases_keep_their_meaning_when_written_and_read_again(self, shared: Path) -> None:
        cases = load_cases(shared / "golden" / "cases.json")
        again = parse_cases(json.loads(json.dumps([case.as_dict() for case in cases])))
        assert [case.recipe for case in again] == [case.recipe for case in cases]
        assert [case.config for case in again] == [case.config for case in cases]
        for found, expected in zip(again, cases, strict=True):
            assert found.boxes.tobytes() == expected.boxes.tobytes()

    def test_a_recorded_case_renders_in_this_process_as_published(self, shared: Path) -> None:
        for case in load_cases(shared / "golden" / "cases.json")[::9]:
            image = cv2.imread(str(shared / "coco-tiny" / "images" / case.split / case.file_name))
            assert image is not None
            with np.load(shared / "golden" / f"{case.name}.npz") as wanted:
                assert_as_published(render(case, np.asarray(image, np.uint8)), dict(wanted))


class TestReplay:
    def test_an_npz_has_the_crop_and_every_dense_array(self, tmp_path: Path) -> None:
        out = replayed(tmp_path, [entry()])
        case = load_cases(tmp_path / "cases.json")[0]
        with np.load(out / "one.npz") as found:
            assert_same_arrays(dict(found), render(case, photo(64, 48)))

    def test_a_single_case_needs_no_list(self, tmp_path: Path) -> None:
        assert [path.name for path in replayed(tmp_path, entry()).iterdir()] == ["one.npz"]

    def test_no_cases_make_no_files(self, tmp_path: Path) -> None:
        assert list(replayed(tmp_path, []).iterdir()) == []

    def test_an_image_is_read_from_its_split_or_the_folder_itself(self, tmp_path: Path) -> None:
        images = folder_of_images(tmp_path / "images")
        write_image(images / "val" / "a.png", photo(64, 48, seed=9))
        cases = [entry("split", split="val"), entry("other", split="train"), entry("plain")]
        replay(write_json(tmp_path / "cases.json", cases), images, tmp_path)
        crops = {name: np.load(tmp_path / f"{name}.npz")["crop_bgr_u8"] for name in ("split", "other", "plain")}
        assert (crops["other"] == crops["plain"]).all()
        assert (crops["split"] != crops["plain"]).any()

    def test_orientation_follows_the_recorded_size_or_opencv(self, tmp_path: Path) -> None:
        write_jpeg(tmp_path / "a.jpg", 64, 48, orientation=6)
        upright = entry("upright", file_name="a.jpg", recipe=recipe_at(32, 24))
        lying = entry("lying", file_name="a.jpg", size=[48, 64], recipe=recipe_at(24, 32))
        annotated = entry("annotated", file_name="a.jpg", size=[64, 48], recipe=recipe_at(32, 24))
        replay(write_json(tmp_path / "cases.json", [upright, lying, annotated]), tmp_path, tmp_path)
        crops = {name: np.load(tmp_path / f"{name}.npz")["crop_bgr_u8"] for name in ("upright", "lying", "annotated")}
        pixels = cv2.imread(str(tmp_path / "a.jpg"))
        assert pixels is not None
        assert pixels.shape == (64, 48, 3)
        assert (crops["upright"][127 - 32 : 127 + 32, 127 - 24 : 127 + 24] == pixels).all()
        assert (crops["annotated"] == crops["upright"]).all()
        assert (crops["lying"] != crops["upright"]).any()

    def test_categories_are_eighty_or_as_given_or_as_many_as_the_boxes_need(self, tmp_path: Path) -> None:
        boxes = [[4, 4, 40, 40, 90]]
        cases = [entry("a"), entry("b", categories=7), entry("c", boxes=boxes), entry("d", categories=2, boxes=boxes)]
        out = replayed(tmp_path, cases)
        found = {path.stem: np.load(path)["tl_heats"].shape[0] for path in out.iterdir()}
        assert found == {"a": 80, "b": 7, "c": 90, "d": 90}

    def test_a_config_with_a_number_of_categories_decides_unless_the_case_does(self, tmp_path: Path) -> None:
        file = str(write_json(tmp_path / "mine.json", {"db": SMALL | {"categories": 5}}))
        own = {"config": file, "recipe": recipe_at(24, 32)}
        out = replayed(tmp_path, [entry("a", **own), entry("b", categories=7, **own)])
        assert {path.stem: np.load(path)["tl_heats"].shape[0] for path in out.iterdir()} == {"a": 5, "b": 7}

    def test_a_config_may_be_a_preset_a_file_or_an_object(self, tmp_path: Path) -> None:
        file = write_json(tmp_path / "mine.json", {"db": SMALL})
        whole = parse_cases([entry(config=str(file))])[0].config
        cases = [entry("preset", config="cornernet_squeeze", recipe=recipe_at(24, 32)),
                 entry("file", config=str(file), recipe=recipe_at(24, 32)),
                 entry("object", config=whole.as_dict(), recipe=recipe_at(24, 32))]  # fmt: skip
        out = replayed(tmp_path, cases)
        with np.load(out / "file.npz") as found, np.load(out / "object.npz") as expected:
            assert found["tl_heats"].shape == (80, 32, 32)
            assert_same_arrays(dict(found), dict(expected))

    def test_replaying_again_gives_the_same_files(self, tmp_path: Path) -> None:
        first = (replayed(tmp_path, [entry()]) / "one.npz").read_bytes()
        out = replayed(tmp_path, [entry()])
        assert [path.name for path in out.iterdir()] == ["one.npz"]
        with np.load(out / "one.npz") as found:
            arrays = dict(found)
        (out / "one.npz").write_bytes(first)
        with np.load(out / "one.npz") as expected:
            assert_same_arrays(arrays, dict(expected))


SMALL = {"rand_crop": True, "input_size": [127, 127], "output_sizes": [[32, 32]]}
"""A `db` section of a small cornernet config."""

SACCADE_SECTION = {
    "input_size": [255, 255], "output_sizes": [[64, 64]], "att_ratios": [16, 8, 4], "min_scale": 5, "top_k": 12,
}  # fmt: skip


def recipe_at(y: int, x: int, **more: Any) -> dict[str, Any]:
    return {**Recipe(scale=1.0, reference=None, center=(y, x), flip=False).as_dict(), **more}


BAD_ENTRIES: list[tuple[object, str]] = [
    (3, "expected a list of cases, found int"),
    ([3], "case 0: expected an object, found int"),
    ([entry(name="")], "case 0: case = ''"),
    ([{"case": 5}], "case 0: case = 5"),
    ([entry("../escape")], "case 0: case = '../escape'"),
    ([entry("a/b")], "without slashes"),
    ([entry("..")], "leading dot"),
    ([entry("nul\0")], "without slashes"),
    ([entry("same"), entry("same")], "case same: the name is used more than once"),
    ([entry(file_name="../a.png")], "file_name = '../a.png': expected a relative path"),
    ([entry(file_name="/etc/passwd")], "expected a relative path"),
    ([entry(file_name=4)], "file_name = 4"),
    ([entry(split="..")], "split = '..'"),
    ([entry(size=[48])], "size = [48]: expected [height, width]"),
    ([entry(size=[0, 4])], "size = [0, 4]"),
    ([entry(categories=0)], "categories = 0"),
    ([entry(categories=1 << 40)], "expected an integer from 1 to 16384"),
    ([entry(boxes=5)], "boxes = 5"),
    ([entry(boxes=[[1, 2, 3, 4]])], "boxes[0] = [1, 2, 3, 4]: expected rows of five"),
    ([entry(boxes=[[1, 2, 3, 4, 1], [1, 2, 3, math.nan, 1]])], "boxes[1]"),
    ([entry(boxes=[[1, 2, 1e39, 4, 1]])], "boxes[0]"),
    ([entry(boxes=[[1, 2, 3, 4, 1.5]])], "boxes[0]"),
    ([entry(boxes=[[1, 2, 3, 4, 0]])], "boxes[0]"),
    ([entry(config="cornernet_sacade")], "config = 'cornernet_sacade': expected one of cornernet_saccade"),
    ([entry(config=7)], "config = 7: expected a name"),
    ([entry(config={})], "config: not a complete config"),
    ([entry(recipe=None)], "recipe: expected an object"),
    ([entry(recipe=recipe_at(1, 1, scale=0))], "scale = 0.0: expected"),
    ([entry(recipe=recipe_at(1, 1, scale=10**400))], "expected a finite number"),
    ([entry(recipe=recipe_at(1, 1, scale=1e6))], "up to 4096"),
    ([entry(recipe=recipe_at(1, 1, reference=5))], "case one: reference = 5: expected less than 1"),
    ([entry(recipe=recipe_at(900, 1))], "case one: center = [900, 1]: the crop lies outside the plane"),
    ([entry(config="cornernet", recipe=recipe_at(1, 1, scale=4000.0))], "expected a canvas of at most"),
    ([entry(file_name="none.png")], "case one: image"),
    ([entry(file_name="none.png", size=[48, 64])], "the file does not exist"),
    ([entry(size=[50, 64])], "the annotations say"),
    ([{key: value for key, value in entry().items() if key != "recipe"}], "recipe is missing"),
]  # fmt: skip


class TestBadCases:
    @pytest.mark.parametrize(("cases", "cause"), BAD_ENTRIES, ids=[cause for _, cause in BAD_ENTRIES])
    def test_a_bad_case_is_named_with_its_file_and_what_is_wrong(
        self, tmp_path: Path, cases: object, cause: str
    ) -> None:
        with pytest.raises(CaseError) as caught:
            replayed(tmp_path, cases)
        message = str(caught.value)
        assert message.startswith(str(tmp_path / "cases.json"))
        assert cause in message
        assert "\n" not in message
        leftovers = tmp_path.glob("**/*.npz"), tmp_path.glob("**/*.partial")
        assert [list(found) for found in leftovers] == [[], []]

    def test_a_bad_case_is_one_line_and_status_2(self, tmp_path: Path) -> None:
        cases = write_json(tmp_path / "cases.json", [entry("../../escape")])
        done = command("replay", cases, "--images", folder_of_images(tmp_path / "images"), "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert done.stderr.startswith(f"error: {cases}: case 0:")
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize("content", [b" ", b"[", b"[" * 100_000, b'{"a": 1}}'])
    def test_a_file_that_is_not_json_is_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "cases.json").write_bytes(content)
        with pytest.raises(CaseError, match=r"cases\.json: is not JSON"):
            load_cases(tmp_path / "cases.json")

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CaseError, match=r"cases\.json: cannot be read: No such file"):
            load_cases(tmp_path / "cases.json")

    def test_an_image_that_cannot_be_decoded_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"not an image")
        (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        for name in ("a.png", "b.png"):
            cases = write_json(tmp_path / "cases.json", [entry(file_name=name)])
            with pytest.raises(CaseError, match=f"case one: image .*{name}"):
                replay(cases, tmp_path, tmp_path / "out")

    def test_an_image_of_absurd_size_is_not_decoded(self, tmp_path: Path) -> None:
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))
        parts = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
                 for name, data in chunks)  # fmt: skip
        (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
        cases = write_json(tmp_path / "cases.json", [entry(file_name="huge.png")])
        with pytest.raises(CaseError, match="60000×60000 pixels are more than the limit of"):
            replay(cases, tmp_path, tmp_path / "out")

    def test_an_output_folder_that_is_a_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("")
        with pytest.raises(CaseError, match="out: cannot be created"):
            replayed(tmp_path, [entry()])

    def test_a_failing_case_leaves_finished_files_complete(self, tmp_path: Path) -> None:
        with pytest.raises(CaseError, match="case second"):
            replayed(tmp_path, [entry("first"), entry("second", file_name="none.png"), entry("third")])
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["first.npz"]


class TestRecipe:
    """`recipe` prints what a sample or a step saw, and `replay` renders what it prints."""

    @pytest.fixture
    def opened(self, tmp_path: Path) -> tuple[Dataset, list[object]]:
        annotations, images = write_dataset(tmp_path / "dataset")
        dataset = open_dataset(annotations, images, tmp_path / "cache")
        return dataset, ["recipe", "--annotations", annotations, "--cache-dir", tmp_path / "cache"]

    def test_one_recipe_is_printed_with_its_key_and_replays_to_the_sample(
        self, opened: tuple[Dataset, list[object]], tmp_path: Path
    ) -> None:
        dataset, recipe = opened
        done = command(*recipe, "--index", 1, "--seed", 7, "--epoch", 2)
        assert done.exit_code == 0, done.stderr
        key = SampleKey(7, 2, 1)
        config = PRESETS["cornernet_saccade"]
        expected = make_sample(dataset, config, key)
        printed = json.loads(done.stdout)
        assert printed["key"] == key.as_dict()
        assert printed["recipe"] == expected.recipe.as_dict()
        assert printed["config"] == "cornernet_saccade"
        self.assert_replays(done, dataset, tmp_path, [expected], config)

    def test_a_step_is_printed_as_a_list_and_each_rank_prints_its_part(
        self, opened: tuple[Dataset, list[object]], tmp_path: Path
    ) -> None:
        dataset, recipe = opened
        step = [*recipe, "--step", 9500, "--batch-size", 7, "--seed", 3]
        whole = command(*step)
        keys = step_keys(len(dataset), 3, 9500, Shard(7))
        assert [case["key"] for case in json.loads(whole.stdout)] == [key.as_dict() for key in keys]
        parts = [json.loads(command(*step, "--rank", rank, "--world-size", 3).stdout) for rank in range(3)]
        assert [case for part in parts for case in part] == json.loads(whole.stdout)
        config = PRESETS["cornernet_saccade"]
        self.assert_replays(whole, dataset, tmp_path, [make_sample(dataset, config, key) for key in keys], config)

    def test_a_config_file_is_recorded_completely(self, opened: tuple[Dataset, list[object]], tmp_path: Path) -> None:
        dataset, recipe = opened
        mine = write_json(tmp_path / ".mi\nne.json", {"db": SACCADE_SECTION})
        done = command(*recipe, "--index", 0, "--config", mine)
        assert "warning: config keys that no sample depends on are ignored: top_k" in done.stderr
        mine.unlink()
        config = parse_cases(json.loads(done.stdout))[0].config
        assert config.min_scale == 5
        self.assert_replays(done, dataset, tmp_path, [make_sample(dataset, config, SampleKey(0, 0, 0))], config)

    def test_a_config_with_more_categories_adds_planes_and_one_with_fewer_is_refused(
        self, opened: tuple[Dataset, list[object]], tmp_path: Path
    ) -> None:
        dataset, recipe = opened
        mine = write_json(tmp_path / "mine.json", {"db": SACCADE_SECTION | {"categories": 80}})
        done = command(*recipe, "--index", 0, "--config", mine)
        config = parse_cases(json.loads(done.stdout))[0].config
        assert json.loads(done.stdout)["categories"] == config.categories == 80
        self.assert_replays(done, dataset, tmp_path, [make_sample(dataset, config, SampleKey(0, 0, 0))], config)
        write_json(mine, {"db": SACCADE_SECTION | {"categories": 3}})
        refused = command(*recipe, "--index", 0, "--config", mine)
        assert refused.exit_code == 2
        assert "config mine: categories = 3: expected at least 4, the number of categories in the ann" in refused.stderr

    def test_without_augmentation_the_recipe_is_the_fixed_one(self, opened: tuple[Dataset, list[object]]) -> None:
        dataset, recipe = opened
        printed = [
            json.loads(command(*recipe, "--index", 2, "--seed", seed, "--no-augment").stdout)["recipe"]
            for seed in (1, 2)
        ]
        expected = make_sample(dataset, PRESETS["cornernet_saccade"], SampleKey(0, 0, 2), augment=False).recipe
        assert printed == [expected.as_dict(), expected.as_dict()]

    @pytest.mark.parametrize(
        ("options", "cause"),
        [
            ([], "either --index, or --step and --batch-size"),
            (["--step", 3], "either --index, or --step and --batch-size"),
            (["--index", 0, "--step", 3, "--batch-size", 2], "either --index, or --step and --batch-size"),
            (["--index", 0, "--batch-size", 2], "either --index, or --step and --batch-size"),
            (["--step", 3, "--batch-size", 2, "--epoch", 1], "either --index, or --step and --batch-size"),
            (["--index", 3], "index = 3: expected an integer from 0 to 2"),
            (["--index", -1], "index = -1: expected"),
            (["--index", 0, "--seed", -1], "seed = -1: expected an integer from 0 to 18446744073709551615"),
            (["--step", -3, "--batch-size", 2], "step = -3: expected"),
            (["--step", 3, "--batch-size", 2, "--rank", 2, "--world-size", 2], "rank = 2: expected an integer from 0"),
            (["--index", 0, "--config", "nothing"], "config = 'nothing': expected one of"),
        ],
    )
    def test_invalid_options_are_one_line_and_status_2(
        self, opened: tuple[Dataset, list[object]], options: list[object], cause: str
    ) -> None:
        done = command(*opened[1], *options)
        assert done.exit_code == 2
        assert cause in done.stderr
        assert done.stderr.startswith("error: ")

    def assert_replays(self, printed: Result, dataset: Dataset, folder: Path, expected: list[Any], config: Any) -> None:
        (folder / "cases.json").write_text(printed.stdout)
        done = command("replay", folder / "cases.json", "--images", image_folder(dataset), "--out", folder / "out")
        assert done.exit_code == 0, done.stderr
        cases: list[Case] = load_cases(folder / "cases.json")
        assert len(cases) == len(expected)
        for case, sample in zip(cases, expected, strict=True):
            with np.load(folder / "out" / f"{case.name}.npz") as found:
                arrays = dict(found)
            assert (arrays.pop("crop_bgr_u8") == sample.crop).all()
            assert_same_arrays(arrays, lay_out(sample, "dense", config, config.planes(dataset.category_count)))


def test_cases_of_another_family_are_replayed_if_the_command_allows_the_family(tmp_path: Path) -> None:
    case = entry() | {"config": json.loads(json.dumps(toy_family.FAMILY.presets[0].as_dict()))}
    arguments = [
        "-m", "sampler", "replay", write_json(tmp_path / "cases.json", case),
        "--images", folder_of_images(tmp_path / "images"), "--out", tmp_path / "out",
    ]  # fmt: skip
    refused = run_python(*arguments, check=False)
    assert refused.returncode != 0
    assert "this detector family is not registered" in refused.stderr
    run_python(*arguments, "--family", toy_family.PATH)
    with np.load(tmp_path / "out/one.npz") as found:
        assert sorted(found) == ["centres", "counts", "crop_bgr_u8", "images"]
