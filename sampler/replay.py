"""Recorded samples: a recipe and everything it is applied to, as JSON that can be replayed months later.

    {"case": "seed7-epoch0-index12", "config": "cornernet_saccade", "file_name": "000000000139.jpg",
     "boxes": [[x0, y0, x1, y1, category], …], "recipe": {…}}

`config` is a preset, the path of a CornerNet-Lite JSON file, or a complete config as an object. Optional fields are
`split` (a folder in front of `file_name`), `size` (annotated [height, width]; without it, images are read as by
`cv2.imread`) and `categories` (default: the config's, or else 80). Other fields are ignored.
"""

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays
from sampler.atomic_write import atomic_writer
from sampler.checks import require_integer
from sampler.config.cornernet_lite import load_config
from sampler.config.parsing import config_from_dict
from sampler.config.presets import PRESETS
from sampler.config_schema import MAX_CATEGORIES, SamplerConfig
from sampler.dataset.image_names import name_fault
from sampler.dataset.images.decode import DEFAULT_OPTIONS, ReadOptions, read_image
from sampler.dataset.images.source import ImageSource
from sampler.errors import CaseError, ConfigError, ImageError, RecipeError, SamplerError
from sampler.layouts.convert import lay_out
from sampler.ops.boxes import Boxes
from sampler.recipe import Recipe
from sampler.sample.sample import apply_recipe
from sampler.system_errors import explain
from sampler.text_files import read_text

DEFAULT_CATEGORIES = 80
"""Number of categories in COCO and in the published configs."""

NAME = re.compile(r"[^/\\\0]{1,200}")
"""A valid name of a recorded sample, which becomes a file name."""


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded sample.

    Attributes:
        split: Folder in front of `file_name`, or "".
        file_name: Name of the image in its source.
        size: Annotated (height, width) in pixels, or None if not recorded.
        boxes: (N, 5) float32, x0, y0, x1, y1 in image pixels and category 1…categories.
    """

    name: str
    config: SamplerConfig
    split: str
    file_name: str
    size: tuple[int, int] | None
    categories: int
    boxes: Boxes
    recipe: Recipe

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers that `parse_cases` parses into the same sample."""
        preset = PRESETS.get(self.config.name) == self.config
        fields: dict[str, Any] = {
            "case": self.name,
            "config": self.config.name if preset else self.config.as_dict(),
            "split": self.split,
            "file_name": self.file_name,
            "size": None if self.size is None else list(self.size),
            "categories": self.categories,
            "boxes": self.boxes.tolist(),
            "recipe": self.recipe.as_dict(),
        }
        return {name: value for name, value in fields.items() if value not in ("", None)}


def load_cases(file: Path) -> list[Case]:
    """Return the recorded samples in a JSON file. Raises CaseError."""
    try:
        document = json.loads(read_text(file))
    except OSError as error:
        cause = explain(error, file, "name a file that this user can read")
        raise CaseError(file, "", f"cannot be read: {cause}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise CaseError(file, "", f"is not JSON: {error}") from error
    except ValueError as error:
        raise CaseError(file, "", str(error)) from error
    return parse_cases(document, file)


def parse_cases(document: object, file: Path | str = "") -> list[Case]:
    """Return the recorded samples of a parsed JSON document: a list of them, or a single one.

    `file` is named in errors. Raises CaseError.
    """
    entries = [document] if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise CaseError(file, "", f"expected a list of cases, found {type(document).__name__}")
    load = functools.cache(load_config)  # many cases name the same config
    cases: dict[str, Case] = {}
    for number, entry in enumerate(entries):
        label = f"case {number}"
        try:
            name = _name(entry)
            label = f"case {name}"
            if name in cases:
                raise RecipeError("the name is used more than once; give each case its own name")
            cases[name] = _case(name, entry, load)
        except SamplerError as error:
            raise CaseError(file, label, str(error)) from error
    return list(cases.values())


def render(case: Case, image: NDArray[np.uint8]) -> Arrays:
    """Return the arrays of a recorded sample: `crop_bgr_u8`, (S, S, 3) uint8, and every dense array by name.

    `image` is (H, W, 3) uint8 BGR. Raises RecipeError if the recipe does not fit image and boxes.
    """
    sample = apply_recipe(image, case.boxes, case.recipe, case.config)
    return {"crop_bgr_u8": sample.crop, **lay_out(sample, "dense", case.config, case.categories)}


def replay_cases(
    cases: list[Case],
    file: Path,
    images: ImageSource,
    out: Path,
    advance: Callable[[], None] | None = None,
    options: ReadOptions = DEFAULT_OPTIONS,
) -> None:
    """Render the recorded samples of `file` to `out`/<name>.npz, each atomically; call `advance` after each.

    Their images are `split`/`file_name` or `file_name` in the source, read with `options`. Raises CaseError if a sample
    cannot be rendered or written; the files of the samples before it are complete.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cause = explain(error, out, "name a folder that this user can write to")
        raise CaseError(file, "", f"{out}: cannot be created: {cause}") from error
    for case in cases:
        try:
            arrays = render(case, _read_image(case, images, options))
            with atomic_writer(out / f"{case.name}.npz") as stream:
                np.savez_compressed(stream, allow_pickle=False, **arrays)
        except (SamplerError, OSError) as error:
            raise CaseError(file, f"case {case.name}", str(error)) from error
        if advance is not None:
            advance()


def _read_image(case: Case, images: ImageSource, options: ReadOptions) -> NDArray[np.uint8]:
    if case.split:
        try:
            return read_image(images, f"{case.split}/{case.file_name}", case.size, options).pixels
        except ImageError as error:
            if error.kind != "missing":
                raise
    return read_image(images, case.file_name, case.size, options).pixels


def _name(entry: object) -> str:
    if not isinstance(entry, dict):
        raise RecipeError(f"expected an object, found {type(entry).__name__}")
    name = entry.get("case")
    if not isinstance(name, str) or not NAME.fullmatch(name) or name.startswith("."):
        raise RecipeError(f"case = {name!r}: expected a name of 1 to 200 characters, without slashes or a leading dot")
    return name


def _case(name: str, entry: dict[str, Any], load: Callable[[str], SamplerConfig]) -> Case:
    for field in ("config", "file_name", "boxes", "recipe"):
        if field not in entry:
            raise RecipeError(f"{field} is missing: expected config, file_name, boxes and recipe")
    boxes = _boxes(entry["boxes"])
    config = _config(entry["config"], load)
    given = config.planes(DEFAULT_CATEGORIES) if entry.get("categories") is None else entry["categories"]
    categories = require_integer("categories", given, 1, MAX_CATEGORIES, RecipeError)
    return Case(
        name=name,
        config=config,
        split=_relative("split", entry["split"]) if entry.get("split") else "",
        file_name=_relative("file_name", entry["file_name"]),
        size=None if entry.get("size") is None else _size(entry["size"]),
        categories=max(categories, int(boxes[:, 4].max(initial=1))),
        boxes=boxes,
        recipe=Recipe.parse(entry["recipe"]),
    )


def _config(value: object, load: Callable[[str], SamplerConfig]) -> SamplerConfig:
    if isinstance(value, str):
        return load(value)
    if not isinstance(value, dict):
        raise ConfigError(f"config = {value!r}: expected a name, a path or an object")
    try:
        return config_from_dict(value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"config: not a complete config: {type(error).__name__}: {error}") from error


def _relative(field: str, value: object) -> str:
    if not isinstance(value, str) or name_fault(value):
        raise RecipeError(f"{field} = {value!r}: expected a relative path inside the image folder")
    return value


def _size(value: object) -> tuple[int, int]:
    sides = value if isinstance(value, list) else []
    if len(sides) != 2 or not all(type(side) is int and 1 <= side < 1 << 31 for side in sides):
        raise RecipeError(f"size = {value!r}: expected [height, width] in pixels")
    return sides[0], sides[1]


def _boxes(value: object) -> Boxes:
    shape = "expected rows of five finite numbers, x0, y0, x1, y1 and a category from 1"
    if not isinstance(value, list):
        raise RecipeError(f"boxes = {value!r}: {shape}")
    for row, box in enumerate(value):
        numbers = isinstance(box, list) and all(type(side) in (int, float) and abs(side) <= 3e38 for side in box)
        if not numbers or len(box) != 5 or not (1 <= box[4] <= MAX_CATEGORIES and box[4] == int(box[4])):
            raise RecipeError(f"boxes[{row}] = {box!r}: {shape} to {MAX_CATEGORIES}")
    return np.array(value, np.float32).reshape(-1, 5)
