"""The fuzzer notices every kind of failure; readers have none in a short run; an input can be made again."""

from pathlib import Path
from random import Random

import pytest

from service.settings.server import FILE_VARIABLE
from tests.fuzz.__main__ import main
from tests.fuzz.child import rng_of
from tests.fuzz.documents import mutate_value
from tests.fuzz.mutations import mutate
from tests.fuzz.registry import FAULTS as FAULTY
from tests.fuzz.registry import TARGETS, build_target
from tests.fuzz.report import write_failures
from tests.fuzz.runs import Outcome, input_of, run_target
from tests.fuzz.targets.faults import FAULTS, REFUSED

INPUTS = 60
NEVER_REFUSED = ("entry point records", "image states")


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_are_read_correctly_or_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, "")  # restored at the end: one of the targets sets it
    target = build_target(name, tmp_path)
    outcomes = set()
    for number in range(INPUTS):
        try:
            target.run(target.make(rng_of(name, 7, number)))
            outcomes.add("accepted")
        except target.refusals:
            outcomes.add("refused")
    assert outcomes == ({"accepted"} if name in NEVER_REFUSED else {"accepted", "refused"})
    assert capfd.readouterr().err == ""


def test_each_kind_of_failure_is_noticed_and_the_other_inputs_run(tmp_path: Path) -> None:
    count, seed = 40, 4
    made = [input_of(FAULTY, seed, number) for number in range(count)]
    found = run_target(FAULTY, seed, 0, count, 0.3)
    kinds = {failure.number: failure.kind for failure in found.failures}
    assert set(kinds.values()) == FAULTS.keys()
    for number, data in enumerate(made):
        # What a process needs once does not let its peak grow again.
        allowed = {data.decode()} if data != b"memory" else {"memory", None}
        assert kinds.get(number) in (allowed if data.decode() in FAULTS else {None})
    assert (found.inputs, found.refused) == (count, {"ValueError": made.count(REFUSED)})
    text = write_failures(found.failures, seed, tmp_path)
    for number in kinds:
        assert (tmp_path / f"faults-{seed}-{number}.bin").read_bytes() == made[number]
        assert f"python -m tests.fuzz --seed {seed} --target 'faults' --only {number}\n" in f"{text}\n"
    assert "a message of a decoder" in text


def test_a_run_ends_with_a_table_and_status_0_if_nothing_failed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--seed", "5", "--target", "spec", "--inputs", "150", "--folder", str(tmp_path / "failures")]) == 0
    printed = capsys.readouterr().out
    assert "seed 5: repeat with --seed 5" in printed
    assert "spec: 150 inputs, 0 failures" in printed
    assert "ProtocolError" in printed
    assert "150 inputs, 0 failures" in printed.splitlines()[-1]
    assert not (tmp_path / "failures").exists()


def test_failures_lead_to_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failed = Outcome("spec", inputs=2, accepted=1)
    failed.add({"done": 1, "accepted": 0, "refused": {}, "failures": [{"number": 1, "kind": "hang", "text": ""}],
                "slowest": [1.0, 1], "memory_mb": 0.0})  # fmt: skip
    monkeypatch.setattr("tests.fuzz.__main__.run_target", lambda *_: failed)
    assert main(["--seed", "5", "--target", "spec", "--folder", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "spec: input 1: hang" in printed
    assert str(tmp_path / "spec-5-1.bin") in printed


@pytest.mark.parametrize("seed", range(20))
def test_the_same_seed_makes_the_same_input(seed: int) -> None:
    data, value = bytes(range(256)) * 3, {"a": [1, {"b": "text"}], "c": None}
    assert mutate(data, Random(seed)) == mutate(data, Random(seed))
    assert repr(mutate_value(value, Random(seed))) == repr(mutate_value(value, Random(seed)))
    assert value == {"a": [1, {"b": "text"}], "c": None}
