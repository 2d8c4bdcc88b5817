"""The layers of a sample show its pictures and its target arrays, whatever its family."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sampler.config.presets import PRESETS, preset
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import open_dataset
from sampler.drawing.colours import TOP_LEFT
from sampler.errors import InvalidRequestError
from sampler.families.registry import register_family
from sampler.stream.keys import SampleKey
from service.explorer.inspection import Inspection, inspect_sample
from service.explorer.sample.contents import SampleContents, layer_of, media_type_of
from service.explorer.sample.layer_names import check_layer, layer_names
from service.explorer.sample.layers import LONGEST_SIDE, contents_of, original_layer, sample_layers
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob
from tests.support.toy_family import PATH

TOY = register_family(PATH).presets[0]
KEY = SampleKey(3, 0, 7)


def inspected(scenes: tuple[Path, Path], cache_dir: Path, config: SamplerConfig) -> Inspection:
    annotations, images = scenes
    return inspect_sample(open_dataset(annotations, images, cache_dir), config, KEY)


def pixels(file: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_each_layer_has_a_file(scenes: tuple[Path, Path], cache_dir: Path, name: str) -> None:
    contents = contents_of(inspected(scenes, cache_dir, preset(name)))
    names = [layer["name"] for layer in contents.facts["layers"]]
    assert names[:5] == ["original", "crop", "input", "tl_heats", "br_heats"]
    assert names == list(contents.files) == list(layer_names(preset(name), 80))
    assert ("attentions_0" in names) == ("tl_valids" in names) == (name == "cornernet_saccade")
    for layer, file in contents.files.items():
        assert file.startswith(b"\xff\xd8" if media_type_of(layer) == "image/jpeg" else b"\x89PNG")


def test_the_crop_is_shown_pixel_by_pixel(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    seen = inspected(scenes, cache_dir, preset("cornernet_saccade"))
    assert (pixels(contents_of(seen).files["crop"]) == seen.crop).all()


def test_a_heatmap_is_opaque_where_it_is_high_and_has_the_colour_of_its_corner(
    scenes: tuple[Path, Path], cache_dir: Path
) -> None:
    seen = inspected(scenes, cache_dir, preset("cornernet_saccade"))
    shown, heat = pixels(contents_of(seen).files["tl_heats"]), seen.dense["tl_heats"].max(axis=0)
    assert ((shown[..., 3] == 255) == (heat == 1)).all()
    assert ((shown[..., 3] == 0) <= (heat < 0.01)).all()
    assert (shown[..., :3] == TOP_LEFT[::-1]).all()


def test_a_mask_is_hatched_where_it_has_no_loss_and_nowhere_else(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    annotations, images = scenes
    dataset, config = open_dataset(annotations, images, cache_dir), preset("cornernet_saccade")
    samples = (inspect_sample(dataset, config, SampleKey(seed, 0, 7)) for seed in range(50))
    seen = next(seen for seen in samples if (seen.dense["tl_valids"] == 0).any())
    opacity = pixels(contents_of(seen).files["tl_valids"])[..., 3]
    lost = seen.dense["tl_valids"].min(axis=0) == 0
    cells = opacity.reshape(lost.shape[0], 8, lost.shape[1], 8).transpose(0, 2, 1, 3).reshape(*lost.shape, 64)
    assert (cells[~lost] == 0).all()
    assert sorted(set(cells[lost].ravel().tolist())) == [64, 242]  # between the lines, and on them
    assert (np.ptp(cells[lost], axis=-1) > 0).all()  # each cell has a part of a line


def test_an_attention_map_covers_the_cells_that_it_has(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    seen = inspected(scenes, cache_dir, preset("cornernet_saccade"))
    contents = contents_of(seen)
    [layer] = [one for one in contents.facts["layers"] if one["name"] == "attentions_0"]
    assert (layer["width"], layer["height"]) == (256, 256)  # 16 cells of 16 pixels, one more than the crop has
    assert ((pixels(contents.files["attentions_0"])[..., 3] > 0) == (seen.dense["attentions_0"][0] > 0)).all()


def test_a_family_without_corners_is_shown_with_its_plane_arrays(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    contents = contents_of(inspected(scenes, cache_dir, TOY))
    assert list(contents.files) == list(layer_names(TOY, 1)) == ["original", "crop", "input", "centres"]
    assert contents.facts["has_corners"] is False


def test_a_large_original_is_sent_smaller(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    seen = inspected(scenes, cache_dir, TOY)
    object.__setattr__(seen, "image", np.zeros((100, 2 * LONGEST_SIDE, 3), np.uint8))
    layer, file = original_layer(seen)
    assert (layer.width, layer.height) == (2 * LONGEST_SIDE, 100)
    assert pixels(file).shape == (50, LONGEST_SIDE, 3)


def test_one_view_has_all_layers_and_facts(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    annotations, images = scenes
    opened = WorkerDataset(open_dataset(annotations, images, cache_dir), TOY)
    view = sample_layers(opened, ViewJob("layers", 0, (KEY,)))
    contents = SampleContents.decode(view)
    assert layer_of(view, "crop") == contents.files["crop"]
    assert contents.facts["key"] == KEY.as_dict()


def test_a_layer_that_samples_of_a_config_do_not_have_is_refused() -> None:
    check_layer("centres", TOY, 1)
    with pytest.raises(InvalidRequestError, match="one of original, crop, input, centres"):
        check_layer("tl_heats", TOY, 1)
