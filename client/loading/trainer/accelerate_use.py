"""Whether Accelerate would split the batches of a dataset among other processes.

They are those of one rank already, which Accelerate does not know. It lets the first process fetch all batches and
sends parts of them to the others, or it gives each process every n-th one.
"""

import sys
from typing import Any

from client.errors import RequestRefusedError

REMEDY = (
    "pass a loader to `prepare` instead, loader(…, device=accelerator.device), or leave the DataLoader out of it; "
    "one process alone may use DataLoaderConfiguration(dispatch_batches=False)"
)


def require_own_batches(dataset: Any) -> None:
    """Raise `RequestRefusedError` if a DataLoader that Accelerate has prepared begins to iterate over `dataset`."""
    data_loader = sys.modules.get("accelerate.data_loader")  # never imported here
    if data_loader is None:
        return
    active = data_loader.GradientState().active_dataloader
    if isinstance(active, data_loader.DataLoaderDispatcher):
        raise RequestRefusedError(f"Accelerate would send this rank's batches to other processes: {REMEDY}")
    shard = getattr(active, "dataset", None)
    if isinstance(shard, data_loader.IterableDatasetShard) and shard.dataset is dataset:
        raise RequestRefusedError(f"Accelerate would leave out some of this rank's batches: {REMEDY}")
