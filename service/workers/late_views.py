"""Views that were ended because training waited for them, such as those of a very large image.

Such a view may begin again only while it does not hold up training: another worker makes no view, or training is quiet.
If training waits for it nevertheless, it is ended at once.
"""

from collections import OrderedDict
from collections.abc import Hashable

from service.workers.lateness import LEAST_SECONDS
from service.workers.protocol import Job, ViewJob

MOST = 1024
"""Most images that are remembered."""


class LateViews:
    """The images of which views were ended because training waited for them."""

    def __init__(self) -> None:
        self._images: OrderedDict[Hashable, None] = OrderedDict()

    def note(self, job: Job) -> None:
        """Note that a view was ended because training waited. Other jobs do not count."""
        if not isinstance(job, ViewJob):
            return
        images = _images(job)
        self._images[images] = None
        self._images.move_to_end(images)
        while len(self._images) > MOST:
            self._images.popitem(last=False)

    def note_done(self, job: ViewJob, seconds: float) -> None:
        """Note that a view was made: one that does not take long was late because of something else."""
        if seconds < LEAST_SECONDS:
            self._images.pop(_images(job), None)

    def includes(self, job: Job) -> bool:
        """Return whether the job is a view, and one of the same images was ended."""
        return isinstance(job, ViewJob) and _images(job) in self._images


def _images(job: ViewJob) -> Hashable:
    """Return what a view is recognised by: its images, or the whole job if it has none."""
    return (job.dataset, *sorted({key.index for key in job.keys})) if job.keys else job.identity
