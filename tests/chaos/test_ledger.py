"""The ledger of a run with faults notices every step that is lost, repeated or wrong."""

import json
from pathlib import Path

import pytest

from tests.chaos.ledger import Gap, Ledger
from tests.chaos.record import Entry, Failed, Received, RecordReader, RecordWriter, Started
from tests.chaos.timeline import Fault, causes


def right(step: int) -> str:
    return f"hash of {step}"


def started(step: int, life: int = 1) -> Started:
    return Started(life=life, time=0.0, step=step)


def received(*steps: int, life: int = 1) -> list[Entry]:
    return [Received(life=life, time=float(step), step=step, sha=right(step)) for step in steps]


def ledger_of(*entries: Entry, starts: tuple[int, ...] = (0,)) -> Ledger:
    """The ledger of lives that begin with the states of the given steps."""
    ledger = Ledger(right)
    for life, step in enumerate(starts, start=1):
        ledger.expect_start(life, step)
    ledger.add(entries)
    return ledger


def counts(ledger: Ledger) -> tuple[int, int, int]:
    return ledger.lost, ledger.repeated, ledger.wrong


def test_steps_in_order_with_the_right_bytes_are_no_violation() -> None:
    ledger = ledger_of(started(0), *received(0, 1, 2))
    assert (counts(ledger), ledger.problems, ledger.received) == ((0, 0, 0), [], 3)


@pytest.mark.parametrize(
    ("steps", "found"), [((0, 2), (1, 0, 0)), ((0, 1, 1), (0, 1, 0)), ((0, 1, 0), (0, 1, 0)), ((1, 2), (1, 0, 0))]
)
def test_steps_that_are_left_out_or_come_twice_are_violations(
    steps: tuple[int, ...], found: tuple[int, int, int]
) -> None:
    ledger = ledger_of(started(0), *received(*steps))
    assert counts(ledger) == found
    assert ledger.problems


def test_wrong_bytes_are_a_violation() -> None:
    ledger = ledger_of(started(0), *received(0), Received(life=1, time=1.0, step=1, sha=right(0)))
    assert counts(ledger) == (0, 0, 1)
    assert ledger.problems == ["life 1, step 1: wrong samples"]


def test_steps_after_an_old_state_are_replayed_and_must_be_the_same() -> None:
    ledger = ledger_of(
        started(0), *received(0, 1, 2, 3), started(1, life=2), *received(1, 2, 3, 4, life=2), starts=(0, 1)
    )
    assert (counts(ledger), ledger.problems, ledger.replayed) == ((0, 0, 0), [], 3)


def test_a_life_that_begins_at_another_step_than_its_state_is_a_violation() -> None:
    ledger = ledger_of(started(0), *received(0, 1, 2), started(2, life=2), starts=(0, 1))
    assert ledger.problems == ["life 2 began at step 2, not at 1, as in its state"]


def test_a_state_ahead_of_what_was_received_loses_steps() -> None:
    ledger = ledger_of(started(0), *received(0, 1), started(4, life=2), starts=(0, 4))
    assert counts(ledger) == (2, 0, 0)


def test_gaps_are_the_times_between_batches_and_belong_to_the_faults_that_began_or_lasted_in_them() -> None:
    ledger = ledger_of(started(0), *received(0, 1, 2))
    assert ledger.gaps == [Gap(0.0, 1.0), Gap(1.0, 2.0)]
    before, during, lasting, after = (
        Fault(str(begin), "", 0, begin, end) for begin, end in ((0.1, 0.5), (1.2, 1.3), (0.1, None), (2.5, 3.0))
    )
    assert causes(ledger.gaps[1], [before, during, lasting, after]) == [during, lasting]
    assert causes(ledger.gaps[1], [before, after]) == [before]
    assert causes(ledger.gaps[1], [after]) == []


def test_a_record_is_read_up_to_its_last_complete_line(tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    reader = RecordReader(file)
    assert reader.new() == []
    writer = RecordWriter(file, life=3)
    writer.started(7)
    writer.received(7, "sha")
    [first, second] = reader.new()
    assert isinstance(first, Started)
    assert isinstance(second, Received)
    assert (first.step, first.life, second.sha) == (7, 3, "sha")
    writer.failed(ValueError("broken"))
    lines = file.read_text()
    file.write_text(lines[:-5])
    assert reader.new() == []
    file.write_text(lines)
    [last] = reader.new()
    assert isinstance(last, Failed)
    assert (last.error, last.message) == ("ValueError", "broken")
    assert json.loads(lines.splitlines()[-1])["kind"] == "Failed"
