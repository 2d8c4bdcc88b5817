"""The dataset index: the files that workers map. Damage is noticed, or the index is read as it was written."""

import json
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from sampler.dataset.index.arrays import ARRAYS
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.storage import CHECKED, LEFT_OUT, META, is_sound
from sampler.errors import AnnotationError
from tests.fuzz.documents import mutate_value
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require
from tests.fuzz.targets.files import Files, Folder, changed_files, packed, read_files, unpacked
from tests.support.coco_files import write_faulty_dataset

_NPY_HEADER = 128


def build(folder: Path) -> Target:
    """Return the target."""
    annotations, _ = write_faulty_dataset(folder)
    written = ensure_index(annotations, folder / "cache")
    files = read_files(written)
    del files[CHECKED]  # so that the index is read
    copy = Folder(folder / "copy", files)
    copy.hold({})
    run = partial(_run, copy, DatasetIndex(written).arrays(), folder / "copy")
    run(packed({}))
    return Target(partial(_make, files), run, (AnnotationError,))


def _make(files: Files, rng: Random) -> bytes:
    def change(name: str, content: bytes) -> bytes:
        if name in (META, LEFT_OUT):
            return json.dumps(mutate_value(json.loads(content), rng)).encode()
        if rng.random() < 0.5:  # the header, of the same length
            return mutate(content[:_NPY_HEADER], rng)[:_NPY_HEADER].ljust(_NPY_HEADER) + content[_NPY_HEADER:]
        return mutate(content, rng)[: len(content)].ljust(len(content), b"\0")

    found = changed_files(files, rng, change)
    if rng.random() < 0.5:  # lengths that fit, as after damage that keeps them
        meta = json.loads(files[META])
        if META not in found:
            meta["files"] |= {name: len(content) for name, content in found.items()}
            found[META] = json.dumps(meta).encode()
    return packed(found)


def _run(copy: Folder, expected: dict[str, np.ndarray], folder: Path, data: bytes) -> None:
    """Open the index as a server and as a worker do."""
    changed = unpacked(data)
    copy.hold(changed)
    (folder / CHECKED).unlink(missing_ok=True)
    sound = is_sound(folder)
    for mapped in (True, False):
        index = DatasetIndex(folder, mapped=mapped)
        if sound:
            found = index.arrays()
            require(all(np.array_equal(found[name], expected[name], equal_nan=name == "area") for name in ARRAYS),
                    "another array")  # fmt: skip
            require(len(index.left_out.rejected) >= 0, "a list of boxes")
    if not sound:
        raise AnnotationError(folder, "", "damaged")
