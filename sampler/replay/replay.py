"""Replaying recorded samples: JSON and images in, one `.npz` file for each sample out."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sampler.atomic_write import atomic_writer
from sampler.config.cornernet_lite import load_config
from sampler.dataset.images.decode import read_image
from sampler.dataset.images.source import ImageSource
from sampler.errors import CaseError, ImageError, SamplerError
from sampler.replay.cases import Case, parse_cases, render


def load_cases(file: Path) -> list[Case]:
    """Return the recorded samples in a JSON file. Raises CaseError."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaseError(file, "", f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CaseError(file, "", f"is not JSON: {error}") from error
    return parse_cases(document, file, functools.cache(load_config))


def replay_cases(
    cases: list[Case], file: Path, images: ImageSource, out: Path, advance: Callable[[], None] | None = None
) -> None:
    """Render the recorded samples of `file` to `out`/<name>.npz, each atomically; call `advance` after each.

    Their images are `split`/`file_name` or `file_name` in the source. Raises CaseError if a sample cannot be rendered
    or written; the files of the samples before it are complete.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaseError(file, "", f"{out}: cannot be created: {error.strerror}") from error
    for case in cases:
        try:
            arrays = render(case, _read_image(case, images))
            with atomic_writer(out / f"{case.name}.npz") as stream:
                np.savez_compressed(stream, allow_pickle=False, **arrays)
        except (SamplerError, OSError) as error:
            raise CaseError(file, f"case {case.name}", str(error)) from error
        if advance is not None:
            advance()


def _read_image(case: Case, images: ImageSource) -> NDArray[np.uint8]:
    if case.split:
        try:
            return read_image(images, f"{case.split}/{case.file_name}", case.size)
        except ImageError as error:
            if error.kind != "missing":
                raise
    return read_image(images, case.file_name, case.size)
