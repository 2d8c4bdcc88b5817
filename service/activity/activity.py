"""What is known of a server's activity: streams, errors, and readings of both and of the processes."""

import time
from collections.abc import Callable

from service.activity.readings import Reading, Readings
from service.activity.recent_errors import RecentErrors
from service.activity.streams import StreamRegistry
from service.activity.watchers import Watchers
from service.activity.worker_times import WorkerTimes
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.views.rendering import PageRendering
from service.workers.pool import WorkerPool


class Activity:
    """The activity of one server.

    Attributes:
        streams: The batch responses under way.
        errors: Recent errors.
        readings: Of the last minute.
        watchers: Pages that are updated once a second.
        begun: When the server started, by `clock`.
        clock: Returns the seconds since an arbitrary moment.
        worker_times: What the workers' time goes into.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.streams = StreamRegistry(clock)
        self.errors = RecentErrors()
        self.readings = Readings()
        self.watchers = Watchers()
        self.begun = clock()
        self.clock = clock
        self.worker_times = WorkerTimes()

    def read(self, pool: WorkerPool, admission: Admission, cache: BatchCache, rendering: PageRendering) -> None:
        """Take a reading. Call it once a second."""
        self.worker_times.update(pool.pids)
        reading = Reading(
            time=self.clock(),
            totals=self.streams.totals,
            busy=sum(pool.busy_seconds.values()),
            views=pool.busy_seconds["views"],
            computing=self.worker_times.computing,
            delayed=self.worker_times.delayed,
            own=time.process_time(),
            rendering=rendering.seconds,
            restarts=sum(count for cause, count in pool.restarts.items() if cause != "view"),
            failures=self.errors.failures,
            refusals=admission.refusals,
            no_memory=cache.shortages,
        )
        self.readings.add(reading, self.streams)
