"""Long responses are logged once a minute."""

import logging

import pytest

from service.activity.stream_log import StreamLog
from service.activity.streams import StreamFacts, StreamRegistry
from tests.support.clock import Clock


def test_each_response_is_logged_once_a_minute_with_what_it_did_since(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    streams, stream_log = StreamRegistry(clock), StreamLog()
    logger = logging.getLogger("saccade_sampler")
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    try:
        with streams.open(StreamFacts("coco", "compact", 7, 2, 8, 48, is_stream=True), "10.0.0.1") as progress:
            progress.step = 9500
            for passed in range(121):
                stream_log.update(streams)
                progress.samples += 100 if passed < 60 else 200
                progress.send(1_000_000)
                progress.wait_for("client")
                clock.now += 0.5
                progress.go_on()
                clock.now += 0.5
    finally:
        logger.removeHandler(caplog.handler)
    first, second = {record.getMessage(): record for record in caplog.records}.values()
    assert first.getMessage() == (
        "coco seed 7 rank 2/8: step 9500, 100.0 samples/s, 1.0 MB/s, waited 0 % for workers, 50 % for the client"
    )
    numbers = vars(second)["fields"]
    assert "200.0 samples/s" in second.getMessage()
    assert numbers["step"] == 9500
    assert numbers["samples"] == 60 * 100 + 60 * 200
    assert numbers["waited_for_client"] == 0.5


def test_the_line_of_a_paused_response_says_since_when(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    streams, stream_log = StreamRegistry(clock), StreamLog()
    logger = logging.getLogger("saccade_sampler.streams")
    with streams.open(StreamFacts("coco", "compact", 7), "10.0.0.1") as progress, caplog.at_level("INFO", logger.name):
        logger.addHandler(caplog.handler)
        try:
            clock.now += 20.0
            progress.send(1000)
            progress.wait_for("client")
            clock.now += 41.0
            progress.pause()
            stream_log.update(streams)
        finally:
            logger.removeHandler(caplog.handler)
    assert caplog.records[-1].getMessage().endswith("67 % for the client, paused, nothing sent for 41 s")
    assert vars(caplog.records[-1])["fields"]["paused"] is True
    assert vars(caplog.records[-1])["fields"]["pauses"] == 1
