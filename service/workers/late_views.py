"""Views that were ended because training waited for them, such as those of a very large image.

Such a view may begin again only while it does not hold up training: another worker makes no view, or training is quiet.
"""

from collections import OrderedDict
from collections.abc import Hashable

from service.workers.lateness import LEAST_SECONDS
from service.workers.protocol import Job, ViewJob

MOST = 1024
"""Most images that are remembered."""


class LateViews:
    """How often views of the same images were ended because training waited for them."""

    def __init__(self) -> None:
        self._times: OrderedDict[Hashable, int] = OrderedDict()

    def note(self, job: Job) -> None:
        """Note that a view was ended because training waited. Other jobs do not count."""
        if not isinstance(job, ViewJob):
            return
        images = _images(job)
        self._times[images] = self._times.pop(images, 0) + 1
        while len(self._times) > MOST:
            self._times.popitem(last=False)

    def note_done(self, job: ViewJob, seconds: float) -> None:
        """Note that a view was made: one that does not take long was late because of something else."""
        if seconds < LEAST_SECONDS:
            self._times.pop(_images(job), None)

    def times(self, job: Job) -> int:
        """Return how often views of the job's images were ended; 0 for jobs that are no views."""
        return self._times.get(_images(job), 0) if isinstance(job, ViewJob) else 0


def _images(job: ViewJob) -> Hashable:
    """Return what a view is recognised by: its images, or the whole job if it has none."""
    return (job.dataset, *sorted({key.index for key in job.keys})) if job.keys else job.identity
