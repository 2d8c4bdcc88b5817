"""Memory without a name, for processes that are given its descriptor: it ends with the last that has it."""

import os
import tempfile


def unnamed_file(size: int) -> int:
    """Return the descriptor of a file of `size` zeros that lies in memory where the system can do that, as Linux can.

    Pages take no memory until they are written. Raises OSError where the system does not give as much.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("saccade-sampler")
    else:
        with tempfile.TemporaryFile() as file:  # unlinked before anyone could open it
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
