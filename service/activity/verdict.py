"""The verdict: what limits the server, in one sentence with numbers. A pure function of a snapshot."""

from collections.abc import Callable
from dataclasses import replace

from service.activity.recent_errors import FAILURES, RecentError
from service.activity.snapshot import Snapshot, StreamState, Verdict
from service.words import count, percent, rate

MOSTLY = 0.5
"""Share of the responses' time above which a wait is what limits them."""

SATURATED = 0.75
"""Share of the workers' time above which they are what responses wait for."""

SENDER_SATURATED = 0.9
"""CPUs that the sending process uses, of which it can use one."""

STARVED = 0.25
"""Share of the workers' busy time without a free CPU above which the host has too few."""

RENDERING = 0.25
"""CPUs that the sending process uses to render pages from which on they may hold up batches."""

SHORTEST = 5.0
"""Seconds with a response under way that a verdict on waits needs, at least."""

MORE_PLACES = "Add a host, or raise SAMPLER_MAX_REQUESTS."

LATELY = 600.0
"""Seconds for which a failed sample is mentioned."""

OFTEN = 2
"""Workers replaced within a minute from which on it is a problem, although all are ready again."""


def judge(now: Snapshot) -> Verdict:
    """Return the verdict on a snapshot, with what has happened lately besides."""
    verdict = _first(now)
    notes = [note(now) for note in NOTES if verdict.kind not in ENDED]
    return replace(verdict, text=" ".join([verdict.text, *filter(None, notes)]))


def _first(now: Snapshot) -> Verdict:
    for rule in RULES:
        verdict = rule(now)
        if verdict is not None:
            return verdict
    shares = now.rates
    return Verdict(
        "balanced", "good",
        f"Server and trainers are balanced: batches wait {percent(shares.waiting_for_workers)} of the time for workers "
        f"and {percent(shares.waiting_for_clients)} for clients to read.",
        "Nothing to do.",
    )  # fmt: skip


def _shutting_down(now: Snapshot) -> Verdict | None:
    if now.state != "shutting-down":
        return None
    left = now.requests.in_flight + now.requests.paused
    text = f"The server is shutting down: {count(left, 'response') if left else 'no response'} in flight."
    return Verdict("shutting-down", "notice", text, "Clients continue at another server, or when this one is back.")


def _no_worker(now: Snapshot) -> Verdict | None:
    if now.workers.alive:
        return None
    if not any(now.workers.restarts.values()):
        return Verdict("starting", "notice", "The server is starting: no worker is ready yet.", "Wait a moment.")
    ended = "its only one has ended and is" if now.workers.size == 1 else f"all {now.workers.size} have ended and are"
    text = f"The server has no worker: {ended} being replaced."
    return Verdict("no-worker", "problem", text, "Look at the recent errors and at the log.")


def _failing_samples(now: Snapshot) -> Verdict | None:
    failures = now.rates.failures
    if not failures:
        return None
    latest = _latest_failure(now)
    where = f", the latest because of {latest.file}" if latest and latest.file else ""
    text = f"{count(failures, 'sample')} failed in the last {now.rates.seconds:.0f} s{where}."
    return Verdict("failing", "problem", text, latest.advice if latest else "Look at the log.")


def _latest_failure(now: Snapshot) -> RecentError | None:
    """Return the last error for which a response failed; pages alone may have met others."""
    return next((error for error in now.errors if error.kind in FAILURES and error.times), None)


def _restarting_workers(now: Snapshot) -> Verdict | None:
    workers = now.workers
    if not workers.restarted or (workers.restarted < OFTEN and workers.alive == workers.size):
        return None
    text = (
        f"Workers are being replaced: {workers.restarted} in the last minute, {workers.alive} of {workers.size} are "
        "ready."
    )
    return Verdict("restarting", "problem", text, "Look at the recent errors; check the memory and disks of the host.")


def _full(now: Snapshot) -> Verdict | None:
    requests, refused = now.requests, now.rates.refusals
    if refused:
        found = f"{count(refused, 'request')} found {_all_places(requests.most)} taken"
        text = f"The server is full: {found} in the last {now.rates.seconds:.0f} s."
    elif requests.waiting and requests.in_flight >= requests.most:
        waiting = f"{count(requests.waiting, 'request')} {'waits' if requests.waiting == 1 else 'wait'}"
        places = f"one of {requests.most:,} places" if requests.most > 1 else "the only place"
        text = f"The server is full: {waiting} for {places}."
    else:
        return None
    return Verdict("full", "problem", text, MORE_PLACES)


def _last_place(now: Snapshot) -> Verdict | None:
    """Return the verdict if all is well, but nobody else could be served."""
    if now.requests.ready:
        return None
    text = f"The server is full: new requests find {_all_places(now.requests.most)} taken, and /readyz says so."
    return Verdict("no-place-left", "notice", text, MORE_PLACES)


def _all_places(most: int) -> str:
    return f"all {most:,} places" if most > 1 else "the only place"


def _idle(now: Snapshot) -> Verdict | None:
    if now.rates.samples_per_second:
        return None
    if not now.stream_count:
        return _nobody(now)
    if any(stream.waiting_for != "client" for stream in now.streams):
        return None
    idle = min(stream.idle for stream in now.streams)
    if now.stream_count == 1:
        text = f"Idle: the client of the only stream has not read for {idle:.0f} s."
    else:
        text = f"Idle: no client of {now.stream_count} streams has read for {idle:.0f} s."
    return Verdict("idle", "good", text, "Trainers do not read while they validate or write a checkpoint.")


def _nobody(now: Snapshot) -> Verdict:
    """Return the verdict without a client, which may have ended because a sample failed."""
    failed = _failed_lately(now)
    if failed is None:
        return Verdict("idle", "good", "Idle: no client receives batches.")
    stream = f" ({failed.stream})" if failed.stream else ""
    text = (
        f"Idle: no client receives batches. A response{stream} failed {_ago(now, failed)}: "
        f"{f'{failed.file}: ' if failed.file and failed.file not in failed.text else ''}{failed.text}."
    )
    return Verdict("failed", "problem", text, failed.advice)


def _failed_lately(now: Snapshot) -> RecentError | None:
    failed = _latest_failure(now)
    return failed if failed is not None and now.time - failed.last <= LATELY else None


def _ago(now: Snapshot, error: RecentError) -> str:
    seconds = max(0.0, now.time - error.last)
    return f"{seconds:.0f} s ago" if seconds < 60 else f"{seconds / 60:.0f} min ago"


def _measuring(now: Snapshot) -> Verdict | None:
    if now.rates.sending >= SHORTEST:
        return None
    text = f"Measuring: batches were under way for {now.rates.sending:.0f} of the last {now.rates.seconds:.0f} s."
    return Verdict("measuring", "good", text, f"The verdict needs {SHORTEST:.0f} s of them.")


def _pages(now: Snapshot) -> Verdict | None:
    shares = now.rates
    held_up = shares.sender_cpu >= SENDER_SATURATED or (_waits_for_workers(now) and shares.busy_sending < SATURATED)
    if not held_up or shares.rendering_sending < RENDERING:
        return None
    waiting = now.views.pages_waiting
    more = f", and {count(waiting, 'page')} {'waits' if waiting == 1 else 'wait'}" if waiting else ""
    text = (
        f"Pages of the explorer are the bottleneck: rendering takes {percent(shares.rendering_sending)} of a CPU of "
        f"the sending process{more}."
    )
    return Verdict("pages", "notice", text, "Close pages, or open them at a server that sends no batches.")


def _sender(now: Snapshot) -> Verdict | None:
    if now.rates.sender_cpu < SENDER_SATURATED:
        return None
    text = (
        f"The sending process is the bottleneck: it uses {percent(now.rates.sender_cpu)} of a CPU to send "
        f"{now.rates.bytes_per_second / 1e6:,.0f} MB/s."
    )
    return Verdict("sender", "notice", text, "Add a host.")


def _workers(now: Snapshot) -> Verdict | None:
    shares = now.rates
    if not _starving(now) and not _waits_for_workers(now):
        return None
    if shares.busy_sending < SATURATED:
        return _unused_workers(now)
    images = 1 - shares.computing - shares.delayed
    if shares.computing and images >= MOSTLY:
        return _storage(now, images)
    if shares.delayed >= STARVED:
        return _cpus(now)
    text = f"The server is the bottleneck: {_waiting(now)} for workers, which are {percent(shares.busy_sending)} busy."
    decoded = all(dataset.decoded for dataset in now.datasets)
    advice = "Add a host." if decoded else "Decode once (`saccade-sampler decode`), or add a host."
    return Verdict("workers", "notice", text, advice)


def _waits_for_workers(now: Snapshot) -> bool:
    """Return whether batches mostly wait for samples, whatever delays these."""
    return MOSTLY <= now.rates.waiting_for_workers >= now.rates.waiting_for_clients


def _cpus(now: Snapshot) -> Verdict:
    waiting = percent(now.rates.delayed)
    text = f"The CPUs of this host are the bottleneck: workers wait {waiting} of their busy time for one."
    fewer = "set SAMPLER_WORKERS to fewer, " if now.workers.size > 1 else ""
    return Verdict("cpus", "notice", text, f"Stop other programs, {fewer}or add a host.")


def _starving(now: Snapshot) -> list[StreamState]:
    """Return the streams that mostly wait for samples which workers or memory delay, whatever limits other streams."""
    if now.rates.busy_sending < SATURATED and not now.rates.no_memory:
        return []
    return [stream for stream in now.streams if _is_starving(stream)]


def _is_starving(stream: StreamState) -> bool:
    return stream.facts.is_stream and stream.seconds >= SHORTEST and stream.waiting_for_workers >= MOSTLY


def _waiting(now: Snapshot) -> str:
    starving, total = _starving(now), now.stream_count
    if not starving or len(starving) == total:
        return f"batches wait {percent(now.rates.waiting_for_workers)} of the time"
    mean = sum(stream.waiting_for_workers for stream in starving) / len(starving)
    waits = "waits" if len(starving) == 1 else "wait"
    return f"{len(starving)} of {total} streams {waits} {percent(mean)} of the time"


def _storage(now: Snapshot, images: float) -> Verdict:
    text = f"The storage is the bottleneck: workers wait {percent(images)} of their busy time for images."
    if all(dataset.decoded for dataset in now.datasets):
        return Verdict("storage", "notice", text, "Put the decoded store on a faster disk, or add memory.")
    if any(dataset.remote and not dataset.decoded for dataset in now.datasets):
        advice = "Decode once (`saccade-sampler decode`), or use more workers than CPUs (SAMPLER_WORKERS)."
        return Verdict("storage", "notice", text.replace("storage", "object storage"), advice)
    return Verdict(
        "storage", "notice", text, "Decode once (`saccade-sampler decode`) on a fast disk, or move the images to one."
    )


def _unused_workers(now: Snapshot) -> Verdict:
    """Return the verdict if responses wait for samples although workers have time for more."""
    shares = now.rates
    if shares.no_memory:
        text = (
            f"Memory is the bottleneck: {_waiting(now)} for samples, for which the arena has no room, and workers are "
            f"busy {_busy(now)} of the time."
        )
        return Verdict("memory", "notice", text, "Raise SAMPLER_BUFFER_MB.")
    if shares.sender_cpu >= MOSTLY > shares.busy_sending:
        return _slow_sender(now)
    if shares.delayed >= STARVED:
        return _cpus(now)
    return _few_requests(now)


def _slow_sender(now: Snapshot) -> Verdict:
    text = (
        f"The sending process is the bottleneck: it uses {percent(now.rates.sender_cpu)} of a CPU, and batches wait "
        f"for workers, which are busy {_busy(now)} of the time."
    )
    return Verdict("sender", "notice", text, "Request larger batches, or add a host.")


def _few_requests(now: Snapshot) -> Verdict:
    """Return the verdict if the server has all that it needs: streams should prefetch, single batches cannot."""
    if any(_is_starving(stream) for stream in now.streams):
        text = (
            f"Clients request too little at once: batches wait {percent(now.rates.waiting_for_workers)} of the time "
            f"for workers, which are busy {_busy(now)} of the time."
        )
        return Verdict("requests", "notice", text, "Request larger batches, or raise SAMPLER_STEPS_AHEAD.")
    text = f"Clients set the pace: they request {_samples(now)}, which keep workers busy {_busy(now)} of the time."
    return Verdict("pace", "good", text, _capacity(now))


def _busy(now: Snapshot) -> str:
    return percent(now.rates.busy_sending)


def _clients(now: Snapshot) -> Verdict | None:
    shares = now.rates
    if shares.waiting_for_clients < MOSTLY:
        return None
    waiting = percent(shares.waiting_for_clients)
    if shares.unread is not None and shares.unread < MOSTLY:
        text = f"The network is the bottleneck: batches wait {waiting} of the time, although clients read what arrives."
        compact = all(stream.facts.layout == "compact" for stream in now.streams)
        advice = "Use a faster network." if compact else "Request the layout compact, or use a faster network."
        return Verdict("network", "notice", text, advice)
    text = (
        f"The trainer is the bottleneck: batches wait {waiting} of the time for clients to read, "
        f"and workers are busy {percent(shares.busy_sending)} of the time."
    )
    return Verdict("trainer", "good", text, _capacity(now))


def _samples(now: Snapshot) -> str:
    """Return the samples per second while responses were under way, as `busy_sending` is of that time."""
    return f"{rate(now.rates.samples_per_second * now.rates.seconds / now.rates.sending)} samples/s"


def _capacity(now: Snapshot) -> str:
    """Return what the server could do besides, if there is enough to tell from, and CPUs for it."""
    busy, made = now.rates.workers_busy, now.rates.samples_per_second
    if busy < 0.02 or made < 1 or now.rates.delayed >= STARVED:
        return "Nothing to do here: the server waits for the trainer."
    return f"Nothing to do here: the workers could make about {rate(made / busy)} samples/s."


def _note_of_failure(now: Snapshot) -> str:
    failed = _failed_lately(now)
    if failed is None:
        return ""
    return f"A sample failed {_ago(now, failed)}{f' because of {failed.file}' if failed.file else ''}."


def _note_of_restart(now: Snapshot) -> str:
    return "A worker was replaced in the last minute." if now.workers.restarted else ""


RULES: tuple[Callable[[Snapshot], Verdict | None], ...] = (
    _shutting_down, _no_worker, _failing_samples, _restarting_workers, _full, _idle, _measuring, _pages, _sender,
    _workers, _clients, _last_place,
)  # fmt: skip
"""The rules in order; the first that applies is the verdict."""

NOTES: tuple[Callable[[Snapshot], str], ...] = (_note_of_failure, _note_of_restart)
"""What a verdict mentions besides."""

ENDED = frozenset({"shutting-down", "starting", "no-worker", "failing", "failed", "restarting"})
"""Verdicts that mention nothing besides."""
