"""A cache of views, with a limit on its bytes."""

from collections import OrderedDict


class ViewCache:
    """The most recently used views, up to a number of bytes.

    Attributes:
        capacity: Most bytes of all views.
        used: Bytes of the views that it has.
        hits: How often a view was found.
        misses: How often it was not.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self.hits = 0
        self.misses = 0
        self._views: OrderedDict[str, bytes] = OrderedDict()

    def get(self, identity: str) -> bytes | None:
        """Return the view of a job, by the job's identity, if the cache has it."""
        view = self._views.get(identity)
        if view is None:
            self.misses += 1
            return None
        self.hits += 1
        self._views.move_to_end(identity)
        return view

    def put(self, identity: str, view: bytes) -> None:
        """Add a view, and remove the least recently used ones. A view over the capacity is not added."""
        self._remove(identity)
        size = len(identity) + len(view)
        if size > self.capacity:
            return
        self._views[identity] = view
        self.used += size
        while self.used > self.capacity:
            self._remove(next(iter(self._views)))

    def _remove(self, identity: str) -> None:
        view = self._views.pop(identity, None)
        if view is not None:
            self.used -= len(identity) + len(view)
