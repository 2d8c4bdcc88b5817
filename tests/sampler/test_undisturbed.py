"""Functions and imports that signal handlers cannot break off."""

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from sampler import undisturbed as module
from sampler.undisturbed import import_undisturbed, undisturbed


class InterruptedForTestError(Exception):
    """Stands for what a signal handler raises."""


def test_a_function_returns_and_raises_as_usual() -> None:
    assert undisturbed(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        undisturbed(lambda: 1 // 0)


def test_a_handler_ends_the_wait_and_not_the_function() -> None:
    def interrupt(*_: object) -> None:
        raise InterruptedForTestError

    done = threading.Event()

    def work() -> None:
        time.sleep(0.4)
        done.set()

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(InterruptedForTestError):
            undisturbed(work)
        assert not done.is_set()
        assert done.wait(10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_threads_that_no_handler_interrupts_call_the_function_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    found = []
    thread = threading.Thread(target=lambda: found.append(undisturbed(threading.current_thread)))
    thread.start()
    thread.join()
    assert found == [thread]
    monkeypatch.setattr(threading.Thread, "start", fail)
    assert undisturbed(threading.current_thread) is threading.main_thread()


def test_a_package_can_be_imported_again_after_its_import_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "delicate"
    package.mkdir()
    (package / "part.py").write_text("VALUE = 5\n")
    (package / "last.py").write_text("import sys\nif not sys.delicate.pop():\n    raise MemoryError\n")
    (package / "__init__.py").write_text(
        "import delicate.part\nvalue = delicate.part.VALUE  # needs the attribute\nimport delicate.last\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "delicate", [True, False], raising=False)
    monkeypatch.setattr(module, "AFRESH", ("delicate",))
    with pytest.raises(MemoryError):
        import_undisturbed("delicate")
    assert "delicate.part" in sys.modules
    assert import_undisturbed("delicate").value == 5
    assert import_undisturbed("delicate") is sys.modules["delicate"]
    for name in ("delicate", "delicate.part", "delicate.last"):
        monkeypatch.delitem(sys.modules, name)
