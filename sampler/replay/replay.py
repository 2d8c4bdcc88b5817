"""Replaying recorded cases: JSON and images in, one `.npz` a case out."""

import functools
import json
import secrets
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays
from sampler.config.cornernet_lite import load_config
from sampler.dataset.images.decode import MAX_PIXELS, read_image
from sampler.dataset.images.header import BadHeaderError, read_header
from sampler.errors import SamplerError
from sampler.replay.cases import Case, CaseError, parse_cases, render


def load_cases(file: Path) -> list[Case]:
    """Return the cases of a JSON file. Raises `CaseError` naming file, case and what is wrong."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaseError(file, "", f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CaseError(file, "", f"is not JSON: {error}") from error
    return parse_cases(document, file, functools.cache(load_config))


def replay(file: Path, images: Path, out: Path, advance: Callable[[Case], None] | None = None) -> int:
    """Render every case of `file` to `out`/<case>.npz, and return how many there were.

    Each `.npz` holds `crop_bgr_u8` and every dense array whole, by its name; it appears complete or not at all.
    images: the folder that holds <split>/<file_name>, or <file_name>. advance: called after each case. All cases
    are read before the first is rendered. Raises `CaseError`.
    """
    return replay_cases(load_cases(file), file, images, out, advance)


def replay_cases(
    cases: list[Case], file: Path, images: Path, out: Path, advance: Callable[[Case], None] | None = None
) -> int:
    """Do as `replay` does with cases that are loaded already."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaseError(file, "", f"{out}: cannot be made a folder: {error.strerror}") from error
    for case in cases:
        try:
            _write(out / f"{case.name}.npz", render(case, _image(case, images)))
        except (SamplerError, OSError) as error:
            raise CaseError(file, f"case {case.name}", str(error)) from error
        if advance is not None:
            advance(case)
    return len(cases)


def _image(case: Case, images: Path) -> NDArray[np.uint8]:
    within = images / case.split / case.file_name
    path = within if within.exists() else images / case.file_name
    if case.size is not None:
        height, width = case.size
        return read_image(path, width, height)
    return _as_published(path if path.exists() else within)


def _as_published(path: Path) -> NDArray[np.uint8]:
    """The pixels `cv2.imread` gives, EXIF orientation applied: what the published sampler saw."""
    if not path.is_file():
        raise OSError(f"image {path}: the file does not exist, or is none")
    data = path.read_bytes()
    try:
        header = read_header(data)
    except BadHeaderError as error:
        raise OSError(f"image {path}: {error}") from error
    if header is not None and header.width * header.height > MAX_PIXELS:
        raise OSError(f"image {path}: {header.width}×{header.height} pixels: expected at most {MAX_PIXELS}")
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise OSError(f"image {path}: expected an image that OpenCV can decode")
    return np.asarray(pixels, np.uint8)


def _write(path: Path, arrays: Arrays) -> None:
    draft = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(8)}.partial")
    try:
        with draft.open("xb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
