"""Batches whose arrays lie in a loader's slot."""

from typing import Any

import numpy as np

from client.batches.batch import Batch
from client.loading.messages import Token, read_origin
from sampler.arrays import Arrays
from sampler.families.interface import TrainingOrder


class LoadedBatch(Batch):
    """A batch from a loader: like any other, but its keys and recipes are unpacked when first asked for.

    Most training steps never ask, and the trainer's interpreter has better things to do.
    """

    def __getattr__(self, name: str) -> Any:
        """Unpack keys and recipes; they are attributes like any other from then on."""
        if name not in ("keys", "recipes"):
            raise AttributeError(name)
        # What is packed stays, for a second thread may be on its way here; both find the same.
        keys, recipes = read_origin(vars(self)["_packed_origin"])
        vars(self).update(keys=keys, recipes=recipes)
        return vars(self)[name]


def loaded_batch(token: Token, arrays: Arrays, order: TrainingOrder) -> Batch:
    """Return the batch that a token and the dense arrays of its slot stand for, without copying."""
    batch = LoadedBatch.__new__(LoadedBatch)
    # Past the dataclass's own __init__, which would want keys and recipes at once.
    vars(batch).update(
        arrays=arrays,
        order=order,
        untagged=np.array(token.untagged, np.int64),
        step=token.step,
        digest=token.digest,
        _packed_origin=token.origin,
    )
    return batch
