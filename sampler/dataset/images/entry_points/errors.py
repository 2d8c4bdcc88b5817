"""Why a file has no entry points, or why those that were recorded cannot be used."""


class NoEntryPoints(Exception):  # noqa: N818 - not an error: such a file is decoded whole
    """A file that cannot be decoded in parts. `reason` says why, in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EntryPointsError(Exception):
    """Recorded entry points that are damaged, or belong to another file."""
