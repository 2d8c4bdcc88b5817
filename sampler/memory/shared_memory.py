"""Anonymous shared memory (memfd); freed when the last process closes it."""

import os
import tempfile


def create_shared_memory(size: int) -> int:
    """Return the file descriptor of `size` zero bytes of new shared memory, for `mmap`.

    Pages use no memory until they are written. On a system without memfd it is a deleted temporary file. Raises
    OSError if the system cannot provide it.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("saccade-sampler")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
