"""Faults of the host: missing permissions, too few descriptors, a user without a home folder."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHER_USER = 12345
"""A user id that the system does not know."""

UNKNOWN_USER = """
import pwd

def unknown(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = unknown
"""
"""Python code after which the user of the process is not in the system's list of users, as in many containers."""


@contextmanager
def forbidden(folder: Path) -> Iterator[None]:
    """Let this process have no access to a folder, even if it is the superuser's, for the length of the block."""
    mode, user = folder.stat().st_mode, os.geteuid()
    folder.chmod(0)
    try:
        if user == 0:
            os.seteuid(OTHER_USER)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open no further file for the length of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)  # descriptors are given out in order, but there may be gaps
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
