"""The progress of responses: what they sent, and what they waited for."""

import pytest

from service.activity.readings import Reading, Readings, rates
from service.activity.streams import SendingTimes, StreamFacts, StreamRegistry, Totals
from tests.support.clock import Clock

FACTS = StreamFacts("coco", "compact", 7)


def test_waits_are_counted_by_reason_also_while_they_last() -> None:
    clock = Clock()
    registry = StreamRegistry(clock)
    with registry.open(FACTS, "10.0.0.1") as progress:
        progress.wait_for("workers")
        clock.now += 2.0
        assert registry.totals.workers == pytest.approx(2.0)
        progress.go_on()
        progress.send(100)
        progress.wait_for("client")
        clock.now += 3.0
        progress.wait_for("place")  # the client has read
        clock.now += 5.0
        assert progress.waiting_for == "place"
        progress.go_on()
        assert progress.idle == pytest.approx(8.0)
        totals = progress.totals
    assert (totals.workers, totals.client, totals.place, totals.seconds) == pytest.approx((2.0, 3.0, 5.0, 10.0))


def test_the_totals_of_each_dataset_include_responses_that_have_ended() -> None:
    clock = Clock()
    registry = StreamRegistry(clock)
    with registry.open(FACTS, "10.0.0.1") as progress:
        progress.wait_for("client")
        clock.now += 3.0
    other = StreamFacts("voc", "compact", 7)
    with registry.open(FACTS, "10.0.0.1") as first, registry.open(other, "10.0.0.2") as second:
        first.wait_for("client")
        second.wait_for("workers")
        clock.now += 2.0
        totals = registry.by_dataset()
    assert {name: (one.workers, one.client) for name, one in totals.items()} == {"coco": (0.0, 5.0), "voc": (2.0, 0.0)}


def test_what_a_response_sent_is_counted_while_it_is_sent_and_once_it_has_ended() -> None:
    clock = Clock()
    registry = StreamRegistry(clock)
    with registry.open(FACTS, "10.0.0.1") as progress:
        progress.samples += 4
        progress.send(100)
        clock.now += 1.0
        progress.wait_for("client")
        clock.now += 1.0
        assert len(registry) == 1
        under_way = registry.totals
    assert (len(registry), list(registry)) == (0, [])
    assert registry.totals == under_way
    assert (under_way.samples, under_way.sent_bytes, under_way.seconds) == (4, 100, 2.0)


def test_a_response_counts_only_its_part_of_its_connection() -> None:
    times: list[SendingTimes | None] = [SendingTimes(5.0, 4.0)]
    registry = StreamRegistry(Clock())
    with registry.open(FACTS, "10.0.0.1", lambda: times[-1]):
        times.append(SendingTimes(7.0, 5.0))
        assert (registry.totals.sending, registry.totals.unread) == (2.0, 1.0)
        times.append(None)  # the connection is closed
    assert (registry.totals.sending, registry.totals.unread) == (2.0, 1.0)


def test_rates_are_those_of_the_time_between_two_readings() -> None:
    before = Reading(100.0, Totals(samples=50, sent_bytes=1000, seconds=10.0, workers=2.0), busy=3.0, own=1.0)
    totals = Totals(250, 9000, 20.0, workers=8.0, client=1.0, place=1.0, sending=4.0, unread=1.0)
    after = Reading(110.0, totals, busy=13.0, views=2.0, computing=8.0, delayed=1.0, own=6.0, rendering=2.0, failures=3)
    found = rates(before, after, workers=4)
    assert (found.samples_per_second, found.bytes_per_second) == (20.0, 800.0)
    assert (found.waiting_for_workers, found.waiting_for_clients, found.waiting_for_places) == (0.6, 0.1, 0.1)
    assert (found.unread, found.workers_busy, found.views) == (0.25, 0.25, 0.05)
    assert (found.computing, found.delayed, found.sender_cpu, found.failures) == (0.8, 0.1, 0.5, 3)
    assert found.rendering == 0.2


def test_workers_are_compared_with_the_seconds_in_which_responses_were_under_way() -> None:
    readings, streams = Readings(), StreamRegistry(Clock())
    for second in range(11):
        under_way = max(0.0, second - 6.0)  # four seconds of one response, in which both workers are busy
        readings.add(Reading(float(second), Totals(seconds=under_way), busy=2 * under_way), streams)
    found = readings.rates(2)
    assert (found.workers_busy, found.sending, found.busy_sending) == pytest.approx((0.4, 4.0, 1.0))


def test_pages_that_were_rendered_before_responses_were_under_way_do_not_hold_them_up() -> None:
    readings, streams = Readings(), StreamRegistry(Clock())
    for second in range(11):
        under_way = max(0.0, second - 5.0)
        readings.add(Reading(float(second), Totals(seconds=under_way), rendering=min(5.0, second)), streams)
    found = readings.rates(1)
    assert (found.rendering, found.rendering_sending) == (0.5, 0.0)


def test_readings_have_the_last_ten_seconds_and_a_minute_of_history() -> None:
    readings, streams = Readings(), StreamRegistry(Clock())
    assert (readings.rates(1).samples_per_second, readings.history(), readings.restarts()) == (0.0, [], 0)
    for second in range(100):
        samples = 10 * second if second <= 95 else 950 + 110 * (second - 95)  # faster in the last four seconds
        readings.add(Reading(float(second), Totals(samples=samples), restarts=second // 50), streams)
    assert readings.rates(1).seconds == 10.0
    assert readings.rates(1).samples_per_second == pytest.approx((6 * 10 + 4 * 110) / 10)
    assert len(readings.history()) == 60
    assert [one[0] for one in readings.history()[-5:]] == [10.0, 110.0, 110.0, 110.0, 110.0]
    assert readings.restarts() == 1


def test_the_readings_of_a_response_are_forgotten_when_it_ends() -> None:
    clock = Clock()
    readings, streams = Readings(), StreamRegistry(clock)
    with streams.open(FACTS, "10.0.0.1") as progress:
        for _ in range(5):
            readings.add(Reading(clock.now), streams)
            progress.samples += 3
            clock.now += 1.0
        assert readings.of_stream(progress)[0] == 4.0
        assert readings.of_stream(progress)[1].samples == 12
    readings.add(Reading(clock.now), streams)
    assert readings.of_stream(progress) == (0.0, Totals())
