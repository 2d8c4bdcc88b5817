"""Findings in the decoded store of a dataset, all of whose pixels are read."""

from pathlib import Path

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.check import check_store
from sampler.dataset.images.decoded_store.contents import is_complete
from sampler.dataset.verification.report import Tally
from sampler.errors import StoreError
from sampler.progress import Advance

KIND = "store-damaged"


def check_decoded_store(dataset: Dataset, folder: Path, tally: Tally, threads: int, advance: Advance) -> bool:
    """Compare all pixels in the store in `folder` with their checksums, `threads` images at once.

    Servers read what is damaged from the image files instead. `advance` is called after each image. An incomplete store
    is not checked, because no server uses it; then return False.
    """
    if not is_complete(folder):
        return False
    try:
        for index in check_store(folder, dataset.store_meta, dataset.sizes, threads, advance):
            name = dataset.images.describe(dataset.file_name(index))
            tally.add(KIND, name, f"its pixels in {folder} do not match their checksums")
    except StoreError as error:
        tally.add(KIND, str(folder), error.cause)
    return True
