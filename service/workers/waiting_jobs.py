"""The jobs that wait for a worker, and the choice of the next one: training first, views when they may begin."""

from collections.abc import Hashable, Iterator, Sequence

from service.workers.fair_queue import FairQueue
from service.workers.late_views import LateViews
from service.workers.seats import Seat, Ticket, leaves_a_worker
from service.workers.view_turns import ViewTurns


class WaitingJobs:
    """Two fair queues: of the jobs for training, and of views.

    Attributes:
        training: The jobs that are not views.
        late_views: The views that training does not wait for again.
    """

    def __init__(self, workers: int, now: float = 0.0) -> None:
        """workers: size of the pool. now: seconds since an arbitrary moment, as in all methods."""
        self.training: FairQueue[Ticket] = FairQueue()
        self.late_views = LateViews()
        self._views: FairQueue[Ticket] = FairQueue()
        self._turns = ViewTurns(workers, now)
        self._workers = workers

    def __bool__(self) -> bool:
        return bool(self.training or self._views)

    def __iter__(self) -> Iterator[Ticket]:
        """Iterate over all jobs, in no particular order."""
        yield from self.training
        yield from self._views

    def put(self, owner: Hashable, ticket: Ticket) -> None:
        """Add a job of an owner. Owners take turns."""
        self._queue_of(ticket).put(owner, ticket)

    def put_first(self, ticket: Ticket) -> None:
        """Add a job that its worker did not finish."""
        self._queue_of(ticket).put_first(ticket)

    def clear(self) -> None:
        """Remove all jobs."""
        self.training, self._views = FairQueue(), FairQueue()

    def next(self, now: float, seat: Seat, seats: Sequence[Seat]) -> Ticket | None:
        """Remove and return the next job that someone waits for, or None if none may begin.

        Args:
            now: The time.
            seat: The worker that gets the job.
            seats: All workers.
        """
        held_back: list[Ticket] = []
        ticket = self._choose(now, seat, seats, held_back)
        for view in reversed(held_back):
            self._views.put_first(view)
        if ticket is None:
            return None
        if ticket.turn is None:
            self._turns.begin_training()
        else:
            self._turns.begin(ticket.turn)
        return ticket

    def end_turn(self, ticket: Ticket, now: float, since: float) -> None:
        """Note that a job ends. since: when its worker last made progress with it."""
        if ticket.turn is None:
            self._turns.end_training(now)
        else:
            self._turns.end(ticket.turn, now - since)
            ticket.turn = None

    def _choose(self, now: float, seat: Seat, seats: Sequence[Seat], held_back: list[Ticket]) -> Ticket | None:
        """Remove and return the next job. Late views that may not begin are moved to `held_back`, or refused."""
        leaves = leaves_a_worker(seats, seat)
        others_late = any(other.makes_late_view for other in seats)
        while self:
            leaves_training = leaves or self._is_quiet(now)
            may_view = self._views and (leaves_training or not others_late)
            turn = self._turns.next(now, spare=not seat.tickets and not self.training) if may_view else None
            if turn is None and not self.training:
                return None
            ticket = self.training.take() if turn is None else self._views.take()
            if ticket.reply.done():
                continue
            ticket.turn = turn
            ticket.was_late = turn is not None and self.late_views.includes(ticket.job)
            if not ticket.was_late or leaves_training:
                return ticket
            ticket.turn = None
            if self._workers == 1:
                ticket.refuse()
            else:
                held_back.append(ticket)  # until another worker makes no view, or training is quiet
        return None

    def _is_quiet(self, now: float) -> bool:
        return not self.training and self._turns.is_quiet(now)

    def _queue_of(self, ticket: Ticket) -> FairQueue[Ticket]:
        return self._views if ticket.is_view else self.training
