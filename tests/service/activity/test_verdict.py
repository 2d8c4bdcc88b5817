"""The verdict names what limits the server, with numbers, and what to do."""

from dataclasses import replace
from typing import Any

import pytest

from service.activity.readings import Rates
from service.activity.recent_errors import RecentErrors
from service.activity.snapshot import DatasetState, Requests, Snapshot, StreamState, Views, Workers
from service.activity.streams import StreamFacts, Wait
from service.activity.verdict import judge
from tests.support.docs import table

FACTS = StreamFacts("coco", "compact", 7, batch_size=48, is_stream=True)


def stream(waits: Wait | None = None, *, layout: str = "compact", idle: float = 0.0, **shares: float) -> StreamState:
    return StreamState(
        replace(FACTS, layout=layout), "10.0.0.1", "id", 5, 100, 1000, 60.0, 10.0, 100.0,
        shares.get("workers", 0.0), shares.get("clients", 0.0), waits, idle, 0,
    )  # fmt: skip


def snapshot(*streams: StreamState, decoded: bool = False, remote: bool = False, **changed: Any) -> Snapshot:
    """Return a snapshot of a server with these streams and rates."""
    named = {name: changed.pop(name) for name in list(changed) if name in Rates.__slots__}
    common = {"seconds": 10.0, "samples_per_second": 1200.0, "bytes_per_second": 9e7, "sending": 10.0}
    rates = Rates(**(common | {"busy_sending": named.get("workers_busy", 0.0)} | named))
    dataset = DatasetState("coco", None, "cornernet_saccade", "d", 118_000, decoded, remote)
    default = Snapshot(
        time=0.0, uptime=100.0, version="1", state="serving", workers=Workers(8, 8), rates=rates, datasets=[dataset],
        streams=list(streams), stream_count=len(streams),
    )  # fmt: skip
    return replace(default, **changed)


ONE = stream("client")
SLOW_TRAINER: dict[str, Any] = {"waiting_for_clients": 0.93, "workers_busy": 0.12, "unread": 0.9}
SLOW_WORKERS: dict[str, Any] = {"waiting_for_workers": 0.91, "workers_busy": 0.99, "computing": 0.97}
IDLE_WORKERS: dict[str, Any] = {"waiting_for_workers": 0.99, "workers_busy": 0.04, "delayed": 0.3}

PAGES_OPEN = snapshot(stream("workers", workers=0.99), rendering_sending=0.41, sender_cpu=0.73, **IDLE_WORKERS)

CASES: list[tuple[Snapshot, str, str, str]] = [
    (snapshot(samples_per_second=0.0), "idle", "Idle: no client receives batches.", ""),
    (
        snapshot(stream("client", idle=41.0), samples_per_second=0.0),
        "idle", "the client of the only stream has not read for 41 s", "validate or write a checkpoint",
    ),
    (
        snapshot(stream("client", idle=90.0), stream("client", idle=41.0), samples_per_second=0.0),
        "idle", "no client of 2 streams has read for 41 s", "",
    ),
    (
        snapshot(ONE, **SLOW_TRAINER),
        "trainer", "The trainer is the bottleneck: batches wait 93 % of the time for clients to read, and workers "
        "are busy 12 % of the time.", "about 10,000 samples/s",
    ),
    (snapshot(ONE, **SLOW_TRAINER | {"unread": None}), "trainer", "The trainer is the bottleneck", ""),
    (
        snapshot(ONE, **SLOW_TRAINER | {"unread": 0.1}),
        "network", "The network is the bottleneck: batches wait 93 %", "a faster network",
    ),
    (
        snapshot(stream("client", layout="dense"), **SLOW_TRAINER | {"unread": 0.1}),
        "network", "although clients read", "the layout compact",
    ),
    (
        snapshot(stream("workers", workers=0.91), **SLOW_WORKERS),
        "workers", "The server is the bottleneck: batches wait 91 % of the time for workers, which are 99 % busy.",
        "Decode once (`saccade-sampler decode`), or add a host.",
    ),
    (snapshot(stream("workers", workers=0.91), decoded=True, **SLOW_WORKERS), "workers", "", "Add a host."),
    (
        snapshot(stream("workers", workers=0.9), stream("client", clients=1.0), waiting_for_workers=0.45,
                 waiting_for_clients=0.5, workers_busy=0.9, computing=0.9),
        "workers", "The server is the bottleneck: 1 of 2 streams waits 90 % of the time for workers", "",
    ),
    (
        snapshot(stream("workers", workers=0.91), **SLOW_WORKERS | {"computing": 0.2, "delayed": 0.05}),
        "storage", "The storage is the bottleneck: workers wait 75 % of their busy time for images.", "fast disk",
    ),
    (
        snapshot(stream("workers", workers=0.91), remote=True, **SLOW_WORKERS | {"computing": 0.2}),
        "storage", "The object storage is the bottleneck", "more workers than CPUs",
    ),
    (
        snapshot(stream("workers", workers=0.91), decoded=True, **SLOW_WORKERS | {"computing": 0.2}),
        "storage", "", "the decoded store on a faster disk",
    ),
    (
        snapshot(stream("workers", workers=0.91), **SLOW_WORKERS | {"computing": 0.2, "delayed": 0.7}),
        "cpus", "The CPUs of this host are the bottleneck: workers wait 70 % of their busy time for one.",
        "other programs",
    ),
    (
        snapshot(stream("workers", workers=0.91), no_memory=40, **SLOW_WORKERS | {"workers_busy": 0.2}),
        "memory", "batches wait 91 % of the time for samples, for which the arena has no room, and workers are "
        "busy 20 % of the time.", "SAMPLER_BUFFER_MB",
    ),
    (
        snapshot(stream("workers", workers=0.9), stream("client", clients=1.0), waiting_for_workers=0.45,
                 no_memory=9, **SLOW_TRAINER),
        "memory", "Memory is the bottleneck: 1 of 2 streams waits 90 % of the time", "SAMPLER_BUFFER_MB",
    ),
    (snapshot(ONE, no_memory=9, **SLOW_TRAINER), "trainer", "The trainer is the bottleneck", ""),
    (
        snapshot(stream("workers", workers=0.91), **SLOW_WORKERS | {"workers_busy": 0.4, "busy_sending": 0.99}),
        "workers", "for workers, which are 99 % busy", "",
    ),
    (snapshot(ONE, sending=2.0, **SLOW_TRAINER), "measuring", "under way for 2 of the last 10 s", "5 s"),
    (
        snapshot(stream("workers", workers=0.91), workers=Workers(1, 1), **SLOW_WORKERS | {"delayed": 0.7}),
        "cpus", "", "Stop other programs, or add a host.",
    ),
    (
        snapshot(waiting_for_workers=0.9, workers_busy=0.2),
        "pace", "Clients set the pace: they request 1,200 samples/s, which keep workers busy 20 %", "6,000",
    ),
    (
        snapshot(waiting_for_workers=0.9, workers_busy=0.1, busy_sending=0.2, sending=5.0),
        "pace", "they request 2,400 samples/s, which keep workers busy 20 %", "12,000",
    ),
    (
        snapshot(stream("workers", workers=0.9), **SLOW_WORKERS | {"workers_busy": 0.38, "delayed": 0.6}),
        "cpus", "workers wait 60 % of their busy time for one.", "Stop other programs",
    ),
    (
        snapshot(stream("workers", workers=0.9), **SLOW_WORKERS | {"workers_busy": 0.38}),
        "requests", "Clients request too little at once: batches wait 91 % of the time for workers, which are "
        "busy 38 % of the time.", "raise SAMPLER_STEPS_AHEAD",
    ),
    (
        replace(PAGES_OPEN, views=Views(pages_waiting=12)),
        "pages", "Pages of the explorer are the bottleneck: rendering takes 41 % of a CPU of the sending process, and "
        "12 pages wait.", "open them at a server that sends no batches",
    ),
    (
        snapshot(stream("workers", workers=0.9), rendering_sending=0.41, sender_cpu=0.95, **SLOW_WORKERS),
        "pages", "rendering takes 41 % of a CPU of the sending process.", "",
    ),
    (snapshot(ONE, rendering_sending=0.41, sender_cpu=0.6, **SLOW_WORKERS), "workers", "", ""),
    (snapshot(ONE, rendering_sending=0.41, sender_cpu=0.6, **SLOW_TRAINER), "trainer", "", ""),
    (
        snapshot(stream("workers", workers=0.9), sender_cpu=0.73, **IDLE_WORKERS),
        "sender", "it uses 73 % of a CPU, and batches wait for workers, which are busy 4 % of the time.",
        "larger batches",
    ),
    (
        snapshot(ONE, sender_cpu=0.97, bytes_per_second=2.9e9),
        "sender", "it uses 97 % of a CPU to send 2,900 MB/s", "Add a host",
    ),
    (
        snapshot(ONE, waiting_for_workers=0.3, waiting_for_clients=0.25),
        "balanced", "wait 30 % of the time for workers and 25 % for clients", "Nothing to do.",
    ),
    (
        snapshot(ONE, requests=Requests(in_flight=64, most=64, waiting=5), **SLOW_TRAINER),
        "full", "The server is full: 5 requests wait for one of 64 places.", "SAMPLER_MAX_REQUESTS",
    ),
    (
        snapshot(ONE, requests=Requests(1, most=1, ready=False), refusals=2, **SLOW_TRAINER),
        "full", "The server is full: 2 requests found the only place taken in the last 10 s.", "Add a host",
    ),
    (
        snapshot(ONE, requests=Requests(64, most=64, ready=False)),
        "no-place-left", "The server is full: new requests find all 64 places taken, and /readyz says so.",
        "Add a host",
    ),
    (snapshot(ONE, requests=Requests(64, most=64, ready=False), **SLOW_TRAINER), "trainer", "", ""),
    (
        snapshot(ONE, workers=Workers(8, 7, restarts={"died": 9}, restarted=3), **SLOW_TRAINER),
        "restarting", "Workers are being replaced: 3 in the last minute, 7 of 8 are ready.", "memory and disks",
    ),
    (
        snapshot(ONE, workers=Workers(8, 8, restarts={"died": 1}, restarted=1), **SLOW_TRAINER),
        "trainer", "busy 12 % of the time. A worker was replaced in the last minute.", "Nothing to do here",
    ),
    (snapshot(workers=Workers(8, 8, restarts={"died": 2}, restarted=2)), "restarting", "8 of 8 are ready", ""),
    (snapshot(workers=Workers(1, 0, restarts={"died": 1})), "no-worker", "its only one has ended and is being", ""),
    (
        snapshot(state="shutting-down", requests=Requests(most=64)),
        "shutting-down", "The server is shutting down: no response in flight.", "",
    ),
    (snapshot(workers=Workers(8, 0, restarts={"died": 0})), "starting", "no worker is ready yet", ""),
    (snapshot(workers=Workers(8, 0, restarts={"died": 8})), "no-worker", "all 8 have ended", "recent errors"),
    (
        snapshot(state="shutting-down", requests=Requests(in_flight=2, most=64, paused=1)),
        "shutting-down", "The server is shutting down: 3 responses in flight.", "continue at another server",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("now", "kind", "text", "advice"), CASES)
def test_the_verdict(now: Snapshot, kind: str, text: str, advice: str) -> None:
    verdict = judge(now)
    assert verdict.kind == kind
    assert text in verdict.text
    assert advice in verdict.advice


def row_of(verdict: str) -> str:
    """Return the name of the row of the documentation that explains a verdict; fails unless there is just one."""
    names = [name for name, *_ in table("docs/explorer.md", "verdicts")]
    (row,) = [name for name in names if any(part in verdict.lower() for part in name.lower().split(", "))]
    return row


def test_each_verdict_is_documented_and_verdicts_of_two_rows_have_two_kinds() -> None:
    rows: dict[str, str] = {}
    for now, kind, *_ in CASES:
        row = row_of(judge(now).text)
        assert rows.setdefault(kind, row) == row


def test_no_verdict_says_that_there_is_nothing_to_do_while_streams_wait_for_workers() -> None:
    for shares in (IDLE_WORKERS, SLOW_WORKERS, SLOW_WORKERS | {"workers_busy": 0.38, "delayed": 0.6}):
        verdict = judge(snapshot(stream("workers", workers=0.91), **shares))
        assert verdict.level == "notice"
        assert "Nothing to do" not in verdict.advice


def test_while_workers_wait_for_cpus_no_number_says_what_they_could_make() -> None:
    verdict = judge(snapshot(ONE, delayed=0.6, **SLOW_TRAINER))
    assert (verdict.kind, verdict.advice) == ("trainer", "Nothing to do here: the server waits for the trainer.")


def test_failed_samples_come_before_what_limits_the_server() -> None:
    errors = RecentErrors(lambda: 0.0)
    errors.add("image", "the file has disappeared", "train/a.jpg")
    errors.add("worker", "a worker ended")
    verdict = judge(snapshot(ONE, errors=errors.latest(), failures=12, **SLOW_TRAINER))
    assert verdict.text == "12 samples failed in the last 10 s, the latest because of train/a.jpg."
    assert "SAMPLER_SUBSTITUTE" in verdict.advice
    assert verdict.level == "problem"


def test_a_failure_is_remembered_when_its_client_has_ended_and_later_when_others_train() -> None:
    errors = RecentErrors(lambda: 0.0)
    errors.add("image", "train/a.jpg has disappeared", "train/a.jpg", "coco, seed 7, rank 0 of 1, step 9500")
    idle = judge(snapshot(errors=errors.latest(), samples_per_second=0.0, time=20.0))
    assert (idle.kind, idle.level) == ("failed", "problem")
    assert idle.text == (
        "Idle: no client receives batches. A response (coco, seed 7, rank 0 of 1, step 9500) failed 20 s ago: "
        "train/a.jpg has disappeared."
    )
    assert "SAMPLER_SUBSTITUTE" in idle.advice
    other = judge(snapshot(ONE, errors=errors.latest(), time=120.0, **SLOW_TRAINER))
    assert (other.kind, other.level) == ("trainer", "good")
    assert other.text.endswith("of the time. A sample failed 2 min ago because of train/a.jpg.")
    assert judge(snapshot(errors=errors.latest(), samples_per_second=0.0, time=9999.0)).kind == "idle"
