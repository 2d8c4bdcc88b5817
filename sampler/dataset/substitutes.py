"""The substitutes of a dataset, and the digest of pixels that takes account of them."""

import hashlib
from pathlib import Path

from sampler.dataset.image_ids import read_image_ids, require_known
from sampler.dataset.images.hashes import ImageHashes
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import ImageListError
from sampler.stream.substitutes import Substitutes


def find_substitutes(file: Path | None, dataset: DatasetIndex) -> Substitutes | None:
    """Return the substitutes of the images that a file lists by id; None without a file, or if it lists none.

    Raises:
        ImageListError: The file cannot be used, lists ids that the dataset does not have, or leaves no image to use.
    """
    if file is None:
        return None
    ids, size = read_image_ids(file), len(dataset)
    unusable, unknown = dataset.find(ids)
    require_known(unknown, ids, file)
    if len(unusable) == size:
        raise ImageListError(file, f"all {size} images are listed; at least one must be usable")
    return Substitutes(tuple(unusable.tolist()), size) if len(unusable) else None


def pixels_digest(hashes: ImageHashes | None, substitutes: Substitutes | None) -> str | None:
    """Return the digest of everything that decides on pixels besides the annotations; None if nothing is recorded.

    With substitutes it covers the list of unusable images, whose own files do not matter. 32 hexadecimal digits.
    """
    if substitutes is None:
        return None if hashes is None else hashes.digest
    digest = hashlib.blake2b(digest_size=16)
    digest.update(b"substitutes" + bytes.fromhex(substitutes.digest))
    if hashes is not None:
        digest.update(b"hashes" + bytes.fromhex(hashes.without(substitutes.unusable).digest))
    return digest.hexdigest()
