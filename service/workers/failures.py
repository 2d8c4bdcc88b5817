"""What the pool reports about its workers."""

from dataclasses import dataclass

from service.workers.protocol import ViewJob


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """A worker ended, or cannot start.

    Attributes:
        text: What happened.
        view: The view that took too long, for which the server itself ended the worker.
    """

    text: str
    view: ViewJob | None = None
