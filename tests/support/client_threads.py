"""The threads of clients of several servers."""

import threading


def own_threads() -> list[str]:
    """Return their names."""
    return [one.name for one in threading.enumerate() if one.name.startswith(("ask ", "probe ", "run a stream"))]
