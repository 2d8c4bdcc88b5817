"""How many connections a server may have open, given the descriptors of its process."""

from service.descriptors import RESERVE_FOR_EACH_WORKER
from service.settings.load import SettingsError

MOST_CONNECTIONS = 4096
"""Default cap of connections where descriptors are plenty. An open connection takes about 13 kB."""

OWN = 64
"""Descriptors for the dataset, the arena, sockets, image files and connections that are being refused."""

FOR_EACH_WORKER = 2 + RESERVE_FOR_EACH_WORKER
"""One for the socket to it, one for a new one before the old one is closed, and the reserve."""

FEWEST_CONNECTIONS = 8


def connection_cap(asked: int | None, workers: int, descriptors: int) -> int:
    """Return how many connections may be open at once.

    Args:
        asked: The setting, or None for as many as the descriptors allow, but at most `MOST_CONNECTIONS`.
        workers: Number of worker processes.
        descriptors: How many this process may open.

    Raises:
        SettingsError: There are too few descriptors for what is asked, or for any connection.
    """
    own = OWN + FOR_EACH_WORKER * workers
    needed = FEWEST_CONNECTIONS if asked is None else asked
    if needed > descriptors - own:
        setting = "" if asked is None else f"SAMPLER_MAX_CONNECTIONS = {asked}: "
        fewer = "" if asked is None else " or allow fewer connections"
        raise SettingsError(
            f"{setting}this process may open {descriptors} files, of which it needs {own} itself; raise the limit "
            f"(ulimit -n, in systemd LimitNOFILE){fewer}"
        )
    return min(descriptors - own, MOST_CONNECTIONS) if asked is None else asked
