"""Notices are logged once, however many workers send them, and the log stays readable."""

import logging

import pytest

from sampler.dataset.images.notes import NOTE_KINDS
from service.workers.notices import MAX_LOGGED, ImageNotices, Notice


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged, also if a server started in this process has changed the loggers."""
    monkeypatch.setattr(logging.getLogger("saccade_sampler"), "propagate", True)
    caplog.set_level(logging.INFO, "saccade_sampler")
    return caplog


def test_each_image_of_each_dataset_is_logged_once_for_each_kind(messages: pytest.LogCaptureFixture) -> None:
    notices = ImageNotices((("train", 10), ("val", 10)))
    for _ in range(3):
        for dataset in range(2):
            notices.add(Notice(dataset, 7, "damaged", "/a.jpg", "libjpeg: lost"))
            notices.add(Notice(dataset, 7, "orientation", "/a.jpg", "not applied"))
    assert [record.getMessage() for record in messages.records] == [
        "train: image 7 (/a.jpg) is damaged: libjpeg: lost",
        "train: image 7 (/a.jpg): not applied",
        "val: image 7 (/a.jpg) is damaged: libjpeg: lost",
        "val: image 7 (/a.jpg): not applied",
    ]
    for dataset in range(2):
        counts = [notices.count(kind, dataset) for kind in NOTE_KINDS]
        assert dict(zip(NOTE_KINDS, counts, strict=True)) == {
            "damaged": 1, "orientation": 1, "warning": 0, "store-damaged": 0, "unreadable": 0,
        }  # fmt: skip


def test_noted_images_are_known_by_dataset_and_kind() -> None:
    notices = ImageNotices((("train", 4), ("val", 9)))
    notices.add(Notice(0, 2, "damaged", "/a.jpg", "lost"))
    notices.add(Notice(1, 7, "orientation", "/b.jpg", "not applied"))
    assert {kind: marked.tolist() for kind, marked in notices.noted(0).items()} == {
        "damaged": [False, False, True, False]
    }
    assert notices.noted(1)["orientation"].nonzero()[0].tolist() == [7]


def test_further_images_are_counted_and_not_logged(messages: pytest.LogCaptureFixture) -> None:
    notices = ImageNotices((("train", 3 * MAX_LOGGED),))
    for index in range(3 * MAX_LOGGED):
        notices.add(Notice(0, index, "orientation", "/a.jpg", "not applied"))
    assert len(messages.records) == MAX_LOGGED + 1
    assert "sampler verify" in messages.records[-1].getMessage()
    assert notices.count("orientation", 0) == 3 * MAX_LOGGED
