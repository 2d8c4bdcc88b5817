"""Memory that is used again once nothing refers to it any more.

Fresh large buffers cost more in page faults than the copy into them, so buffers are recycled, on either side of the
wire. Who has a view of one need not say when it is done with it: a view keeps its lease alive, and with the last view
the memory goes back.
"""

import weakref
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def lease(memory: memoryview, give_back: Callable[[], None]) -> NDArray[np.uint8]:
    """Return `memory` as a (n,) uint8 array that shares it.

    give_back: called once, in whichever thread lets go last, when neither the array nor any view of it is left:
    slices, reshaped arrays, memoryviews and tensors all count.
    """
    array = np.frombuffer(memory, np.uint8)
    weakref.finalize(array, give_back).atexit = False
    return array
