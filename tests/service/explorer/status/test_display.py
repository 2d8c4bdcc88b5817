"""The page shows a snapshot in words."""

from dataclasses import replace

import pytest

from service.activity.readings import Rates
from service.activity.recent_errors import RecentErrors
from service.activity.snapshot import Snapshot, StreamState, Verdict, Views, Workers
from service.activity.streams import StreamFacts
from service.explorer.status.display import CHART_HEIGHT, CHART_WIDTH, display, duration, path, size

IDLE = Snapshot(time=1000.0, uptime=5.0, version="1", state="serving", workers=Workers(2, 2))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3 * 3600 + 125, "3 h 2 min"), (90_000, "1 d 1 h")],
)
def test_durations_have_two_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (488e6, "488 MB"), (1.46e9, "1.5 GB")]
)
def test_sizes_have_decimal_units(count: float, shown: str) -> None:
    assert size(count) == shown


def test_a_chart_ends_at_the_right_with_the_largest_value_at_the_top() -> None:
    assert path([]) == path([1.0]) == ""
    assert path([0.0, 10.0]) == f"M589.8,{CHART_HEIGHT - 2:.1f} L{CHART_WIDTH:.1f},2.0"
    assert path([0.0] * 60).startswith("M0.0,")


def test_the_bars_have_all_of_the_time() -> None:
    rates = Rates(
        waiting_for_workers=0.3, waiting_for_clients=0.5, workers_busy=0.8, computing=0.5, delayed=0.25,
        bytes_per_second=1e6,
    )  # fmt: skip
    bars = display(replace(IDLE, rates=rates)).bars
    assert [(part.name, part.share) for part in bars["batches"]] == [
        ("wait for workers", "30 %"), ("wait for clients to read", "50 %"), ("wait for a place", "0 %"),
        ("are being sent", "20 %"),
    ]  # fmt: skip
    assert [part.share for part in bars["workers"]] == ["40 %", "20 %", "20 %", "20 %"]
    assert all(parts[-1].start + parts[-1].width == pytest.approx(100.0) for parts in bars.values())


def test_without_a_response_no_batch_is_being_sent() -> None:
    assert {part.width for part in display(IDLE).bars["batches"]} == {0.0}


def test_pages_that_wait_and_what_rendering_takes_are_shown() -> None:
    shown = display(replace(IDLE, rates=Rates(rendering=0.04), views=Views(pages_waiting=12)))
    assert shown.values["pages"] == "12 waiting, 4 % of a CPU"


def test_commands_in_advice_have_no_marks() -> None:
    advised = replace(IDLE, verdict=Verdict("workers", "notice", "", "Decode once (`saccade-sampler decode`)."))
    assert display(advised).values["advice"] == "Decode once (saccade-sampler decode)."


def test_a_stream_and_an_error_are_rows() -> None:
    facts = StreamFacts("coco", "dense", 7, 3, 8, 48, is_stream=True)
    stream = StreamState(facts, "10.0.0.1", "id", 9500, 96, 1000, 9.0, 48.2, 12.5e6, 0.2, 0.75, "client", 61.0, 1)
    errors = RecentErrors(lambda: 940.0)
    errors.add("damaged", "truncated", "train/a.jpg")
    shown = display(replace(IDLE, streams=[stream], stream_count=201, errors=errors.latest()))
    assert shown.streams == [
        ["10.0.0.1", "coco, dense", "7", "3 of 8", "9,500", "48", "12", "1 min 1 s", "the client", "20 %", "75 %"]
    ]
    assert shown.values["stream_count"] == "the first 1 of 201"
    assert "`" not in "".join(shown.errors[0])
    assert shown.errors[0][:5] == ["1 min 0 s ago", "1 ×", "damaged image", "train/a.jpg", "truncated"]
